"""One recipe in, one trained network and its history out."""

import math
import pickle
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import nn
from tqdm import trange

from .data import Split, batches
from .model import INITIALISATIONS, Variant
from .scale import device as default_device
from .step import Speed, Step, fastest, forward
from .stopwatch import stopwatch

__all__ = ["SCHEDULES", "SECTION", "SOUND", "Diverged", "Recipe", "Run", "Speed", "augment", "evaluate", "fastest",
           "forward", "learning_rates", "predict", "train"]


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
    erase: int = 0  # blacken a square of this many source pixels to a side
    mirrored: bool = False  # when measured: the mean of the logits of each image and of its mirror image
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
        if not (0 <= self.shift < 28 and 0 <= self.erase <= 28):
            raise ValueError(f"shift must lie between 0 and 27 pixels and erase between 0 and 28, not {self.shift} "
                             f"and {self.erase}")


@dataclass
class Run:
    """A trained network, and for every epoch its loss, accuracies and seconds."""

    recipe: Recipe
    step: Step = field(repr=False)
    train_images: int
    history: list = field(default_factory=list)  # dicts: epoch, loss, train_acc, test_acc, seconds, test_seconds
    losses: list = field(default_factory=list, repr=False)  # of every step
    gradients: dict = field(default_factory=dict, repr=False)  # {watched parameter: ‖gradient‖ / ‖weights‖ per step}
    interrupted: bool = False

    @property
    def net(self):
        """The network, on the device."""
        return self.step.net

    @property
    def images_per_second(self):
        """Of training alone."""
        return len(self.history) * self.train_images / sum(epoch["seconds"] for epoch in self.history)

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


def augment(images, recipe, generator):
    """Images (n, 1, 28, 28), flipped, shifted and covered at random as the recipe says; what moves in is black.

    The square that covers has its centre anywhere in the image and may reach beyond it (DeVries & Taylor 2017).
    """
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
    if recipe.erase:
        first = torch.randint(0, size, (2, n, 1), device=images.device, generator=generator) - recipe.erase // 2
        place = torch.arange(size, device=images.device)
        rows, columns = (first <= place) & (place < first + recipe.erase)  # (n, 28) each
        images = images.masked_fill(rows[:, None, :, None] & columns[:, None, None, :], 0)
    return images


@torch.no_grad()
def predict(net, split, speed=None, batch_size=250, mirrored=False):
    """Logits (n, num_classes), float32, for every example of a split, in order and in eval mode.

    `mirrored` averages those of each image and of its mirror image.
    """
    parameter = next(net.parameters())
    speed, was_training = speed or fastest(parameter.device), net.training
    net.eval()
    logits = [forward(net, images, speed) for images, _ in batches(split.to(parameter.device), batch_size)]
    net.train(was_training)
    if mirrored:
        flipped = Split(split.images.flip(-1), split.labels)
        return (torch.cat(logits) + predict(net, flipped, speed, batch_size)) / 2
    return torch.cat(logits)


def evaluate(net, split, speed=None, mirrored=False):
    """The fraction of a split's examples that the net classifies correctly."""
    logits = predict(net, split, speed, mirrored=mirrored)
    return (logits.argmax(1) == split.labels.to(logits.device)).float().mean().item()


def train(recipe, train_set, test_set, speed=None, device=None, progress=True, checkpoint=None, step=None,
          watch=()):
    """Train the recipe's network from its seed. Raises Diverged; Ctrl-C keeps the epochs that were finished.

    `checkpoint` names a file that holds the run after each epoch: where it exists, the run goes on from there.
    `step` is an earlier run's, taken over if it fits to save compiling anew; that run's network is then trained anew.
    `watch` names parameters whose relative gradients the run keeps; without it nothing is computed for them.
    """
    device = torch.device(device or default_device())
    speed = speed or fastest(device)
    if step is None or not step.fits(recipe, speed, device, watch):
        step = Step(recipe, speed, device, watch)
    step.start(recipe)
    train_set, test_set = train_set.to(device), test_set.to(device)
    run = Run(recipe, step, len(train_set), gradients={name: [] for name in watch})
    generator = torch.Generator(device).manual_seed(recipe.seed)
    if checkpoint is not None and Path(checkpoint).exists():
        _resume(run, generator, checkpoint)
    steps = math.ceil(len(train_set) / recipe.batch_size)
    lrs = learning_rates(recipe.schedule, recipe.lr, recipe.num_epochs * steps)
    bar = trange(recipe.num_epochs * steps, initial=len(run.history) * steps, unit="step", leave=False,
                 disable=not progress)
    with speed.applied(), bar:
        try:
            while len(run.history) < recipe.num_epochs:
                _train_epoch(run, train_set, lrs[len(run.history) * steps:][:steps], generator, bar)
                seconds = stopwatch(device)
                test_acc = evaluate(run.net, test_set, speed, recipe.mirrored)
                run.last.update(test_acc=test_acc, test_seconds=seconds())
                _show(bar, run.last["loss"], run.images_per_second)
                if checkpoint is not None:
                    _save(run, generator, checkpoint)
        except KeyboardInterrupt:
            run.history = [epoch for epoch in run.history if "test_acc" in epoch]
            if not run.history:
                raise
            run.interrupted = True
    return run


def learning_rates(schedule, lr, steps):
    """The lr of every step."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr)
    scheduler, rates = SCHEDULES[schedule](optimizer, steps), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def _train_epoch(run, train_set, lrs, generator, bar):
    """One pass over the training set; appends an epoch to the history and its losses to the run."""
    step, recipe, epoch = run.step, run.recipe, len(run.history) + 1
    step.net.train()
    losses, relative, correct, seconds = [], [], 0, stopwatch(generator.device)
    for lr, (images, labels) in zip(lrs, batches(train_set, recipe.batch_size, generator), strict=True):
        loss, right, *watched = step(augment(images, recipe, generator), labels, lr)
        losses.append(loss)
        relative.append(watched)
        correct = correct + right
        bar.update()
        if loss.device.type == "cpu":  # reading a loss would make a GPU wait, so there it is read after the epoch
            _check(losses, epoch, recipe)
            _show(bar, loss.item(), len(losses) * recipe.batch_size / seconds())
    seconds = seconds()
    _check(losses, epoch, recipe)
    losses = torch.stack(losses).tolist()
    mean = math.fsum(losses) * recipe.batch_size - losses[-1] * (recipe.batch_size - len(labels))  # the last is smaller
    run.losses += losses
    for kept, values in zip(run.gradients.values(), zip(*relative), strict=True):
        kept += torch.stack(values).tolist()
    run.history.append({"epoch": epoch, "loss": mean / len(train_set), "train_acc": float(correct) / len(train_set),
                        "seconds": seconds})


def _show(bar, loss, images_per_second):
    bar.set_postfix_str(f"loss {loss:.3f}, {images_per_second:,.0f} images/s", refresh=False)


def _check(losses, epoch, recipe):
    """Raise Diverged, with the place, if a loss is not finite; once one is not, neither are those after it."""
    if not torch.isfinite(losses[-1]):
        step = int(torch.isfinite(torch.stack(losses)).long().argmin()) + 1
        raise Diverged(f"the loss became {losses[step - 1].item()} at step {step} of epoch {epoch} with "
                       f"lr {recipe.lr}: use a smaller lr, or start from another initialisation")


def _random_states(generator):
    """The generators that a run draws from: the order of the examples, and dropout on either kind of device."""
    states = [generator.get_state(), torch.get_rng_state()]
    if generator.device.type == "cuda":
        states.append(torch.cuda.get_rng_state(generator.device))
    return states


def _save(run, generator, path):
    """Write the run up to its last epoch; an interruption leaves the former file whole."""
    unfinished = Path(f"{path}.part")
    torch.save({"recipe": asdict(run.recipe), "images": run.train_images, "history": run.history, "losses": run.losses,
                "gradients": run.gradients, "random": _random_states(generator), **run.step.state()}, unfinished)
    unfinished.replace(path)


def _resume(run, generator, path):
    """Bring a fresh run to where the file left it; raises ValueError where the file is of another run, or of none."""
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        same = (saved["recipe"] == asdict(run.recipe) and saved["images"] == run.train_images
                and saved["gradients"].keys() == run.gradients.keys())
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no checkpoint of nin.training: delete it, or name another file") from error
    if not same:
        raise ValueError(f"{path} holds a run of another recipe, of other data or with another watch: delete it to "
                         f"start anew, or name another file")
    if len(saved["random"]) != len(_random_states(generator)):
        raise ValueError(f"{path} was written on another kind of device than {generator.device}: go on there, or "
                         f"delete it to start anew")
    run.history, run.losses, run.gradients = saved["history"], saved["losses"], saved["gradients"]
    run.step.restore(saved)
    for state, put in zip(saved["random"], (generator.set_state, torch.set_rng_state, torch.cuda.set_rng_state)):
        put(state)


SECTION = Recipe()
# Differs from the section's on every count but the layers, to leave the plateau early; the studies say how reliably.
# The best recipe is another one: nin.ladder.BEST.
SOUND = Recipe(variant=Variant(linear_logits=True, batch_norm=True), init="kaiming", lr=0.05, momentum=0.9,
               schedule="one-cycle", flips=True)
