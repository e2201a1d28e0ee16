"""A whole run of d2l's own training, on d2l's own images, made once instead of anew in every epoch."""

import contextlib
import io
import math
import re
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import nn

from .data import Split, batches
from .scale import device as default_device


@contextlib.contextmanager
def d2l_quietly():
    """d2l's module, and the text that collects what it prints inside this context; nothing is drawn or warned of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its four workers on fewer cores, its plot on a single epoch
        import matplotlib

        matplotlib.use("agg")
        from d2l import torch as d2l

        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            yield d2l, printed


def printed_numbers(text):
    """(loss, train_acc, test_acc, examples/s) as train_ch6 prints them at the end."""
    return tuple(map(float, re.findall(r"(?:loss |acc |\n)(\d[\d.]*|nan|inf)", text)))


class D2lRun(NamedTuple):
    """What is kept of a run: as nin.training's Run, with one entry in its history, for the last epoch."""

    net: nn.Module
    history: list
    images_per_second: float  # by d2l's clock, which leaves out the loader; here it has no workers beside it
    losses: tuple = ()  # d2l keeps no loss of a step
    interrupted: bool = False


class Batches:
    """A stand-in for d2l's loader: the same examples, in float32 and shuffled by a generator, from device memory."""

    def __init__(self, split, batch_size, generator=None):
        self.split, self.batch_size, self.generator = split, batch_size, generator

    def __len__(self):
        return -(-len(self.split) // self.batch_size)

    def __iter__(self):
        for images, labels in batches(self.split, self.batch_size, self.generator):
            yield images.float() / 255, labels  # as ToTensor


def enlarged_by_pil(split, size=224):
    """The split with images (n, 1, size, size), uint8, from PIL's bilinear resize, which d2l's transform uses."""
    def one(image):
        return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))

    with ThreadPoolExecutor() as threads:  # PIL lets other threads run while it resizes
        images = np.stack(list(threads.map(one, split.images[:, 0].cpu().numpy())))
    return Split(torch.from_numpy(images)[:, None], split.labels)


def train_d2l(recipe, train_set, test_set, device=None):
    """Train by d2l.train_ch6 from the recipe's seed; both sets already enlarged. Only lr, epochs and batch size vary.

    Raises ValueError for a recipe that train_ch6 cannot follow, Diverged where the loss is no number at the end.
    """
    from .model import nin
    from .training import SECTION, Diverged

    if replace(recipe, lr=SECTION.lr, num_epochs=SECTION.num_epochs, batch_size=SECTION.batch_size, seed=0) != SECTION:
        raise ValueError("d2l.train_ch6 has plain SGD and Xavier weights only: change no more than lr, num_epochs, "
                         "batch_size and seed")
    device = torch.device(device or default_device())
    generator = torch.Generator(device).manual_seed(recipe.seed)
    train_iter = Batches(train_set.to(device), recipe.batch_size, generator)
    test_iter = Batches(test_set.to(device), recipe.batch_size)
    torch.manual_seed(recipe.seed)
    net, start = nin(), time.perf_counter()
    with d2l_quietly() as (d2l, printed):
        d2l.train_ch6(net, train_iter, test_iter, recipe.num_epochs, recipe.lr, device)
        seconds = time.perf_counter() - start
        test_acc = d2l.evaluate_accuracy_gpu(net, test_iter)  # d2l prints three decimals
    loss, train_acc, _, rate = printed_numbers(printed.getvalue())
    if not math.isfinite(loss):
        raise Diverged(f"the loss became {loss} with lr {recipe.lr}: use a smaller lr")
    return D2lRun(net, [{"epoch": recipe.num_epochs, "loss": loss, "train_acc": train_acc, "test_acc": test_acc,
                         "seconds": seconds}], rate)


def evaluate_d2l(net, split):
    """The fraction of a split of enlarged images that the net classifies correctly, by d2l's own function."""
    with d2l_quietly() as (d2l, _):
        return d2l.evaluate_accuracy_gpu(net, Batches(split, 250))
