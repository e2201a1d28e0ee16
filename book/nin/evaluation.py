"""What a network answers on a set of images. Chapters 3, 4, 5 and 7."""

import torch

from .data import Split, batches
from .step import fastest, forward


@torch.no_grad()
def predict(net, split, speed=None, batch_size=250, mirrored=False):
    """Logits (n, num_classes), float32, for a split's examples in order, in eval mode.

    `mirrored` averages those of each image and of its mirror image.
    """
    parameter = next(net.parameters())
    speed, was_training = speed or fastest(parameter.device), net.training
    net.eval()
    parts = batches(split.to(parameter.device), batch_size)
    logits = torch.cat([forward(net, images, speed) for images, _ in parts])
    net.train(was_training)
    if mirrored:
        flipped = Split(split.images.flip(-1), split.labels)
        return (logits + predict(net, flipped, speed, batch_size)) / 2
    return logits


def evaluate(net, split, speed=None, mirrored=False):
    """The fraction of a split's examples that the net classifies correctly."""
    return right(examine(net, split, speed, mirrored))


def examine(net, split, speed=None, mirrored=False):
    """What the net answers on all of a split, as a dict of plain numbers.

    "confusion": counts, rows the true classes, columns the answers; "logit_mean",
    "logit_std", "logit_min" and "logit_max": of each class's logit over the images.
    """
    logits = predict(net, split, speed, mirrored=mirrored)
    k = logits.shape[1]
    pairs = k * split.labels.to(logits.device) + logits.argmax(1)
    low, high = logits.aminmax(dim=0)
    parts = {"mean": logits.mean(0), "std": logits.std(0), "min": low, "max": high}
    found = {"confusion": pairs.bincount(minlength=k * k).view(k, k).tolist()}
    for name, values in parts.items():
        found[f"logit_{name}"] = [float(f"{value:.4g}") for value in values.tolist()]
    return found


def right(examined):
    """The fraction of right answers in what `examine` gives."""
    confusion = examined["confusion"]
    return sum(row[i] for i, row in enumerate(confusion)) / sum(map(sum, confusion))
