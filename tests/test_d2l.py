"""d2l's own training called quietly, and its losses step by step against ours."""

import re
import warnings
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from nin.bench.speed import d2l_quietly
from nin.data import enlarge, load, to_float
from nin.model import build, nin
from nin.recipes import SECTION
from nin.scale import SCALES
from nin.step import Speed, Step


def test_nothing_is_printed_or_warned_of(capsys, recwarn):
    with d2l_quietly() as (d2l, printed):
        print("one")
        warnings.warn("two", stacklevel=1)
    assert printed.getvalue() == "one\n" and hasattr(d2l, "train_ch6")
    assert capsys.readouterr().out == "" and not list(recwarn)
    print("three")
    assert capsys.readouterr().out == "three\n"


def d2ls_losses(net, batches, lr, monkeypatch):
    """The loss of every step of d2l.train_ch6 over batches of floating-point images, for one epoch; that it prints."""
    losses = []

    class Noted(torch.nn.CrossEntropyLoss):
        def forward(self, *args):
            losses.append(super().forward(*args))
            return losses[-1]

    with d2l_quietly() as (d2l, printed), monkeypatch.context() as patch:
        patch.setattr(d2l.nn, "CrossEntropyLoss", Noted)
        d2l.train_ch6(net, batches, batches[:1], 1, lr, torch.device("cpu"))
    return [loss.item() for loss in losses], float(re.search(r"loss ([\d.]+)", printed.getvalue())[1])


def our_losses(recipe, batches, speed):
    step = Step(recipe, speed, "cpu")
    step.start(recipe)
    step.net.train()
    return [step(images, labels, recipe.lr)[0].item() for images, labels in batches]


def parity(recipe, speed, net, steps, batch_size, prepare, monkeypatch):
    """Losses of both from one seed on the same batches; nothing else is compared, as losses follow from all else."""
    data = load(train=True).take(steps * batch_size)
    batches = list(zip(data.images.split(batch_size), data.labels.split(batch_size), strict=True))
    torch.manual_seed(recipe.seed)
    theirs, printed = d2ls_losses(net(), [(prepare(images), labels) for images, labels in batches], recipe.lr,
                                  monkeypatch)
    ours = our_losses(recipe, batches, speed)
    assert len(theirs) == len(ours) == steps and ours == pytest.approx(theirs, rel=1e-5)
    assert printed == pytest.approx(sum(ours) / steps, abs=6e-4)  # it prints three decimals
    assert max(abs(a - b) for a, b in pairwise(ours)) > 1e-3  # no constant agrees by chance


def test_fifty_steps_of_the_pocket_network_are_d2ls(monkeypatch):
    """A native network takes 28×28 images, for which `fold` is the convolution itself."""
    recipe = replace(SCALES["pocket"].fit(SECTION), seed=1, batch_size=32)
    parity(recipe, Speed(fold=True), lambda: build(recipe.variant), 50, 32, to_float, monkeypatch)


@pytest.mark.slow
def test_ten_steps_of_the_sections_network_are_d2ls(monkeypatch):
    recipe = replace(SECTION, batch_size=4)
    parity(recipe, Speed(), nin, 10, 4, lambda images: enlarge(to_float(images)), monkeypatch)
