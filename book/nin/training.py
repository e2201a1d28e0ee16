"""One recipe in, one trained network and its history out."""

import math
import time
from dataclasses import dataclass, field

import torch
from torch import nn
from tqdm import trange

from .data import batches, enlarge, to_float
from .model import INITIALISATIONS, Variant, build
from .scale import device as default_device
from .stem import folded_conv


@dataclass(frozen=True)
class Recipe:
    """What a run computes. The defaults are the section's: plain SGD, lr 0.1, 10 epochs, batches of 128, Xavier."""

    variant: Variant = Variant()
    init: str = "xavier"
    lr: float = 0.1  # the highest, where a schedule changes it
    num_epochs: int = 10
    batch_size: int = 128
    schedule: str = "constant"
    momentum: float = 0.0  # Nesterov's
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    flips: bool = False  # mirror every other image, at random
    shift: int = 0  # move every image by up to this many source pixels
    seed: int = 0  # of the weights, the order of the examples, dropout and augmentation

    def __post_init__(self):
        if not (self.lr > 0 and math.isfinite(self.lr)):
            raise ValueError(f"lr must be above zero, not {self.lr}: the section uses 0.1")
        if self.num_epochs < 1 or self.batch_size < 1:
            raise ValueError(f"num_epochs and batch_size must be at least 1, not {self.num_epochs} "
                             f"and {self.batch_size}")
        if self.init not in INITIALISATIONS:
            raise ValueError(f"init must be one of {', '.join(INITIALISATIONS)}, not {self.init!r}")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}, not {self.schedule!r}")


@dataclass(frozen=True)
class Speed:
    """How a run computes it. Each lever is off by default: the plain path."""

    fold: bool = False  # the enlargement, into the first convolution: see nin.stem
    channels_last: bool = False
    bf16: bool = False  # autocast, with the head in float32


@dataclass
class Run:
    """A trained network, and for every epoch its loss, accuracies and seconds."""

    recipe: Recipe
    net: nn.Module
    history: list = field(default_factory=list)  # dicts: epoch, loss, train_acc, test_acc, seconds, test_seconds
    losses: list = field(default_factory=list)  # of every step
    images_per_second: float = 0.0  # training alone
    interrupted: bool = False

    @property
    def last(self):
        """The last finished epoch."""
        return self.history[-1]


class Diverged(FloatingPointError):
    """The loss is no longer a finite number."""


def constant(optimizer, steps):
    """The same lr at every step."""
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)


def cosine(optimizer, steps):
    """From lr to 0 along half a cosine (Loshchilov & Hutter 2016)."""
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)


def one_cycle(optimizer, steps):
    """Up to lr in three tenths of the steps, then down (Smith & Topin 2017); the momentum stays."""
    lr = optimizer.param_groups[0]["lr"]
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, cycle_momentum=False)


SCHEDULES = {"constant": constant, "cosine": cosine, "one-cycle": one_cycle}


def fastest(device=None):
    """The levers that help on this device; bf16 only where the hardware multiplies matrices of it."""
    device = torch.device(device or default_device())
    if device.type == "cuda":
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:  # with vector instructions alone, as AVX-512's, float32 in channels_last was as fast or faster
        bf16 = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)()
    return Speed(fold=True, channels_last=True, bf16=bf16)


def forward(net, images, speed=Speed()):
    """Source images (n, 1, 28, 28), uint8, to float32 logits (n, num_classes) of the enlarged ones."""
    x, stem = to_float(images), net[0]
    with torch.autocast(x.device.type, torch.bfloat16, enabled=speed.bf16):
        x = stem[1:](folded_conv(x, stem[0])) if speed.fold else stem(enlarge(x))
        x = net[1:7](x)
    return net[7:](x.float())


def augment(images, recipe, generator):
    """Images (n, 1, 28, 28), flipped and shifted at random as the recipe says; what moves in is black."""
    n, size, s = len(images), images.shape[-1], recipe.shift
    if recipe.flips:
        coin = torch.rand(n, 1, 1, 1, device=images.device, generator=generator) < 0.5
        images = torch.where(coin, images.flip(-1), images)
    if s:
        corner = torch.randint(0, 2 * s + 1, (2, n, 1), device=images.device, generator=generator)
        rows, columns = corner + torch.arange(size, device=images.device)  # (n, 28) each
        index = torch.arange(n, device=images.device)[:, None, None]
        padded = nn.functional.pad(images[:, 0], (s, s, s, s))
        images = padded[index, rows[:, :, None], columns[:, None, :]][:, None]
    return images


@torch.no_grad()
def predict(net, split, speed=None, batch_size=250):
    """Logits (n, num_classes), float32, for every example of a split, in order and in eval mode."""
    parameter = next(net.parameters())
    speed, was_training = speed or fastest(parameter.device), net.training
    net.eval()
    logits = [forward(net, images, speed) for images, _ in batches(split.to(parameter.device), batch_size)]
    net.train(was_training)
    return torch.cat(logits)


def evaluate(net, split, speed=None):
    """The fraction of a split's examples that the net classifies correctly."""
    logits = predict(net, split, speed)
    return (logits.argmax(1) == split.labels.to(logits.device)).float().mean().item()


def train(recipe, train_set, test_set, speed=None, device=None, progress=True):
    """Train the recipe's network from its seed. Raises Diverged; Ctrl-C keeps the epochs that were finished."""
    device = torch.device(device or default_device())
    speed = speed or fastest(device)
    torch.manual_seed(recipe.seed)
    net = INITIALISATIONS[recipe.init](build(recipe.variant)).to(device)
    if speed.channels_last:
        net = net.to(memory_format=torch.channels_last)
    train_set, test_set = train_set.to(device), test_set.to(device)
    run = Run(recipe, net)
    steps = math.ceil(len(train_set) / recipe.batch_size)
    optimizer = torch.optim.SGD(net.parameters(), recipe.lr, momentum=recipe.momentum,
                                nesterov=recipe.momentum > 0, weight_decay=recipe.weight_decay)
    scheduler = SCHEDULES[recipe.schedule](optimizer, recipe.num_epochs * steps)
    generator = torch.Generator(device).manual_seed(recipe.seed)
    with trange(recipe.num_epochs * steps, unit="step", leave=False, disable=not progress) as bar:
        try:
            for _ in range(recipe.num_epochs):
                _train_epoch(run, train_set, speed, optimizer, scheduler, generator, bar)
                start = time.perf_counter()
                test_acc = evaluate(net, test_set, speed)
                run.last.update(test_acc=test_acc, test_seconds=time.perf_counter() - start)
        except KeyboardInterrupt:
            run.history = [epoch for epoch in run.history if "test_acc" in epoch]
            if not run.history:
                raise
            run.interrupted = True
    run.images_per_second = len(run.history) * len(train_set) / sum(epoch["seconds"] for epoch in run.history)
    return run


def _train_epoch(run, train_set, speed, optimizer, scheduler, generator, bar):
    """One pass over the training set; appends an epoch to the history and its losses to the run."""
    net, recipe, epoch = run.net.train(), run.recipe, len(run.history) + 1
    loss_of = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    losses, correct, start = [], 0, time.perf_counter()
    for images, labels in batches(train_set, recipe.batch_size, generator):
        logits = forward(net, augment(images, recipe, generator), speed)
        loss = loss_of(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.detach())
        correct = correct + (logits.argmax(1) == labels).sum()
        bar.update()
        if loss.device.type == "cpu" or len(losses) % 100 == 0:  # reading the loss makes a GPU wait
            _check(losses, epoch, recipe)
            bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
    _check(losses, epoch, recipe)
    losses = torch.stack(losses).tolist()
    sizes = [recipe.batch_size] * (len(losses) - 1)
    sizes.append(len(train_set) - sum(sizes))
    mean = sum(loss * size for loss, size in zip(losses, sizes)) / len(train_set)
    run.losses += losses
    run.history.append({"epoch": epoch, "loss": mean, "train_acc": float(correct) / len(train_set),
                        "seconds": time.perf_counter() - start})


def _check(losses, epoch, recipe):
    """Raise Diverged, with the place, if the last loss is not finite."""
    if not torch.isfinite(losses[-1]):
        step = int(torch.isfinite(torch.stack(losses)).long().argmin()) + 1
        raise Diverged(f"the loss became {losses[step - 1].item()} at step {step} of epoch {epoch} with "
                       f"lr {recipe.lr}: use a smaller lr, or start from another initialisation")


SECTION = Recipe()
# Differs from the section's on every count but the layers, to leave the plateau early; the studies say how reliably.
SOUND = Recipe(variant=Variant(linear_logits=True, batch_norm=True), init="kaiming", lr=0.05, momentum=0.9,
               schedule="one-cycle", flips=True)
