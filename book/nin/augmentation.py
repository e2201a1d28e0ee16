"""Images changed at random, and labels moved on, as a recipe says. Chapter 4."""

import torch
from torch import nn

from .data import Split


def relabelled(split, recipe):
    """A split whose every label is `recipe.relabel` places on, from the last to 0."""
    if not recipe.relabel:
        return split
    labels = (split.labels + recipe.relabel) % recipe.variant.num_classes
    return Split(split.images, labels)


def augment(images, recipe, generator):
    """Images (n, 1, 28, 28), flipped, shifted and covered at random; black moves in.

    The square that covers has its centre anywhere in the image and may reach beyond it
    (DeVries & Taylor 2017).
    """
    n, size, s = len(images), images.shape[-1], recipe.shift
    draw = {"device": images.device, "generator": generator}
    place = torch.arange(size, device=images.device)  # rows, columns: (n, 28) each
    if recipe.flips:
        coin = torch.rand(n, 1, 1, 1, **draw) < 0.5
        images = torch.where(coin, images.flip(-1), images)
    if s:
        rows, columns = torch.randint(0, 2 * s + 1, (2, n, 1), **draw) + place
        index = torch.arange(n, device=images.device)[:, None, None]
        padded = nn.functional.pad(images[:, 0], (s, s, s, s))
        images = padded[index, rows[:, :, None], columns[:, None, :]][:, None]
    if recipe.erase:
        first = torch.randint(0, size, (2, n, 1), **draw) - recipe.erase // 2
        rows, columns = (first <= place) & (place < first + recipe.erase)
        covered = rows[:, None, :, None] & columns[:, None, None, :]
        images = images.masked_fill(covered, 0)
    return images
