"""One recipe in, one trained network and its history out. Chapters 3, 4, 5 and 7."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import nn
from tqdm import trange

from .augmentation import augment, relabelled
from .checkpoint import resume, save
from .data import batches
from .evaluation import examine, right
from .recipes import Recipe
from .scale import device
from .step import Step, fastest, stopwatch


@dataclass
class Run:
    """A trained network, and for every epoch its loss, accuracies and seconds."""

    recipe: Recipe
    step: Step = field(repr=False)
    train_images: int
    # Dicts: epoch, loss, train_acc, test_acc, seconds, test_seconds.
    history: list = field(default_factory=list)
    losses: list = field(default_factory=list, repr=False)  # of every step
    # {watched parameter: ‖gradient‖ / ‖weights‖ per step}
    gradients: dict = field(default_factory=dict, repr=False)
    # What `examine` finds on the test set before the first step and after every epoch.
    before: dict = field(default_factory=dict, repr=False)
    examined: list = field(default_factory=list, repr=False)
    interrupted: bool = False

    def add(self, epoch, examined, test_seconds):
        """Keep an epoch's (entry, losses, gradients) and what the test set showed."""
        entry, losses, watched = epoch
        entry |= {"test_acc": right(examined), "test_seconds": test_seconds}
        parts = zip(self.gradients.items(), watched, strict=True)
        vars(self).update(  # at once: an interrupted epoch is kept whole, or not
            history=[*self.history, entry], losses=self.losses + losses,
            gradients={name: kept + values for (name, kept), values in parts},
            examined=[*self.examined, examined])

    @property
    def net(self):
        """The network, on the device."""
        return self.step.net

    @property
    def images_per_second(self):
        """Of training alone."""
        seconds = sum(epoch["seconds"] for epoch in self.history)
        return len(self.history) * self.train_images / seconds

    @property
    def last(self):
        """The last finished epoch."""
        return self.history[-1]


class Diverged(FloatingPointError):
    """The loss is no longer a finite number; `run` is what was trained until then."""

    run = None


def cosine(step, steps):
    """From 1 along half a cosine to 0 at step `steps` (Loshchilov & Hutter 2016)."""
    return (1 + math.cos(math.pi * step / steps)) / 2


def one_cycle(step, steps):
    """Up from 1/25 to 1 in three tenths of the steps, then down to 4e-6.

    Smith & Topin 2017.
    """
    top = 0.3 * steps - 1
    if step <= top:
        return 1 - 24 / 25 * cosine(step, top)
    return 4e-6 + (1 - 4e-6) * cosine(step - top, steps - 1 - top)


def learning_rates(schedule, lr, steps, warmup=0):
    """The lr of every step; over the first `warmup` steps it also rises from 0."""
    shapes = {"constant": lambda *_: 1.0, "cosine": cosine, "one-cycle": one_cycle}
    rates = [lr * shapes[schedule](step, steps) for step in range(steps)]
    for step in range(min(warmup, steps)):
        rates[step] *= (step + 1) / warmup
    return rates


def train(
    recipe, train_set, test_set, speed=None, progress=True, checkpoint=None, watch=()
):
    """Train the recipe's network from its seed on the device that `nin.scale` names.

    Raises Diverged; Ctrl-C keeps the epochs that were finished. `checkpoint` names a
    file that holds the run after each epoch: where it exists, the run goes on from
    there. `watch` names parameters whose relative gradients the run keeps. Each of the
    four options is another reader's: benchmarks, recording, live cells and exercise 4.
    """
    target = device()
    step = Step(recipe, speed or fastest(target), target, watch)
    train_set, test_set = (
        relabelled(split, recipe).to(target) for split in (train_set, test_set))
    run = Run(recipe, step, len(train_set), gradients={name: [] for name in watch})
    generator = torch.Generator(target).manual_seed(recipe.seed)
    if checkpoint is not None and Path(checkpoint).exists():
        step.start(recipe)
        resume(run, generator, checkpoint)
    else:
        biases = {}
        if recipe.first is not None:
            biases = _biases_of_first(run, train_set, test_set, progress, checkpoint)
        step.start(recipe)
        run.net.load_state_dict(biases, strict=False)
        run.before = examine(run.net, test_set, step.speed, recipe.mirrored)
    steps = math.ceil(len(train_set) / recipe.batch_size)
    every = recipe.num_epochs * steps
    lrs = learning_rates(recipe.schedule, recipe.lr, every, recipe.warmup)
    bar = trange(every, initial=len(run.history) * steps, unit="step", leave=False,
                 disable=not progress)
    state_of, state = len(run.history), step.state()
    with step.speed.applied(), bar:
        try:
            while len(run.history) < recipe.num_epochs:
                state_of, state = len(run.history), step.state()
                rates = lrs[len(run.history) * steps:][:steps]
                epoch = _train_epoch(run, train_set, rates, generator, bar)
                seconds = stopwatch(target)
                found = examine(run.net, test_set, step.speed, recipe.mirrored)
                run.add(epoch, found, seconds())
                _show(bar, run.last["loss"], run.images_per_second)
                if checkpoint is not None:
                    save(run, generator, checkpoint)
        except KeyboardInterrupt:
            if not run.history:
                raise
            if state_of == len(run.history):  # else the next epoch had not begun
                step.restore(state)
            run.interrupted = True
    return run


def _biases_of_first(run, train_set, test_set, progress, checkpoint):
    """Train `recipe.first`; its biases, which d2l's initialisation leaves alone."""
    before = train(replace(run.recipe.first, seed=run.recipe.seed), train_set, test_set,
                   run.step.speed, progress, checkpoint and f"{checkpoint}.first")
    if before.interrupted:
        raise KeyboardInterrupt
    return {f"{name}.bias": layer.bias.detach().clone()
            for name, layer in before.net.named_modules()
            if isinstance(layer, (nn.Conv2d, nn.Linear))}


def minutes(recipe, images, speed=None):
    """The minutes that a recipe takes on so many training images here.

    From three steps on noise; evaluation and augmentation, a few percent, are left out.
    """
    target, n = device(), recipe.batch_size
    speed = speed or fastest(target)
    with torch.random.fork_rng(), speed.applied():
        step = Step(recipe, speed, target)
        noise = torch.randint(0, 256, (n, 1, 28, 28), dtype=torch.uint8, device=target)
        labels = torch.arange(n, device=target) % recipe.variant.num_classes
        step.start(recipe)
        step.net.train()
        step(noise, labels, recipe.lr)  # warm-up
        seconds = stopwatch(target)
        for _ in range(3):
            step(noise, labels, recipe.lr)
        seconds = seconds() / 3
    return seconds * recipe.num_epochs * math.ceil(images / n) / 60


def one_epoch(step, train_set, recipe, lrs, generator):
    """Take a step on every batch, each at its lr; yields what a Step returns."""
    step.net.train()
    parts = batches(train_set, recipe.batch_size, generator)
    for lr, (images, labels) in zip(lrs, parts, strict=True):
        yield step(augment(images, recipe, generator), labels, lr)


def _train_epoch(run, train_set, lrs, generator, bar):
    """One pass over the training set; returns what `Run.add` keeps; keeps nothing."""
    losses, relative, correct, n = [], [], 0, run.recipe.batch_size
    seconds = stopwatch(generator.device)
    for loss, hits, *watched in one_epoch(
            run.step, train_set, run.recipe, lrs, generator):
        losses.append(loss)
        relative.append(watched)
        correct = correct + hits
        bar.update()
        if loss.device.type == "cpu":  # reading a loss would make a GPU wait
            _check(run, losses)
            _show(bar, loss.item(), len(losses) * n / seconds())
    seconds = seconds()
    _check(run, losses)
    losses = torch.stack(losses).tolist()
    lacking = len(losses) * n - len(train_set)  # the last batch may be smaller
    total = math.fsum(losses) * n - losses[-1] * lacking
    entry = {"epoch": len(run.history) + 1, "loss": total / len(train_set),
             "train_acc": float(correct) / len(train_set), "seconds": seconds}
    return entry, losses, [torch.stack(values).tolist() for values in zip(*relative)]


def _show(bar, loss, rate):
    bar.set_postfix_str(f"loss {loss:.3f}, {rate:,.0f} images/s", refresh=False)


def _check(run, losses):
    """Raise Diverged, with the place, if the last loss of an epoch is not finite."""
    if torch.isfinite(losses[-1]):
        return
    values = torch.stack(losses).tolist()
    step = [math.isfinite(loss) for loss in values].index(False)
    error = Diverged(f"the loss became {values[step]} at step {step + 1} of epoch "
                     f"{len(run.history) + 1} with lr {run.recipe.lr}: use a smaller "
                     f"lr, or start from another initialisation")
    run.losses += filter(math.isfinite, values)
    error.run = run
    raise error
