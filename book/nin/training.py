"""One recipe in, one trained network and its history out."""

import math
import pickle
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import nn
from tqdm import trange

from .data import Split, batches
from .recipes import Recipe
from .scale import device as default_device
from .step import Step, fastest, forward
from .stopwatch import stopwatch


@dataclass
class Run:
    """A trained network, and for every epoch its loss, accuracies and seconds."""

    recipe: Recipe
    step: Step = field(repr=False)
    train_images: int
    history: list = field(default_factory=list)  # dicts: epoch, loss, train_acc, test_acc, seconds, test_seconds
    losses: list = field(default_factory=list, repr=False)  # of every step
    gradients: dict = field(default_factory=dict, repr=False)  # {watched parameter: ‖gradient‖ / ‖weights‖ per step}
    before: dict = field(default_factory=dict, repr=False)  # the test set before the first step, see `examine`
    examined: list = field(default_factory=list, repr=False)  # and after every epoch
    interrupted: bool = False

    def add(self, epoch, examined, test_seconds):
        """Keep a finished epoch: (its history entry, losses, watched gradients), and what the test set showed."""
        entry, losses, watched = epoch
        self.examined.append(examined)
        self.losses += losses
        for kept, values in zip(self.gradients.values(), watched, strict=True):
            kept += values
        self.history.append({**entry, "test_acc": right(examined), "test_seconds": test_seconds})

    def cut(self, steps):
        """Drop what was kept of an epoch that is not in the history; an epoch has so many steps."""
        n = len(self.history)
        del self.examined[n:], self.losses[n * steps:]
        for kept in self.gradients.values():
            del kept[n * steps:]

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


KEPT = ("history", "losses", "gradients", "before", "examined")  # of a Run, in its checkpoint


class Diverged(FloatingPointError):
    """The loss is no longer a finite number; `run` is what was trained until then."""

    run = None


def cosine(step, steps):
    """From 1 at step 0 along half a cosine to 0 at step `steps` (Loshchilov & Hutter 2016)."""
    return (1 + math.cos(math.pi * step / steps)) / 2


def one_cycle(step, steps):
    """Up from 1/25 to 1 in the first three tenths of the steps, then down to 4e-6 (Smith & Topin 2017)."""
    top = 0.3 * steps - 1
    if step <= top:
        return 1 - 24 / 25 * cosine(step, top)
    return 4e-6 + (1 - 4e-6) * cosine(step - top, steps - 1 - top)


def learning_rates(schedule, lr, steps, warmup=0):
    """The lr of every step; over the first `warmup` steps it also rises in proportion to their number."""
    shapes = {"constant": lambda step, steps: 1.0, "cosine": cosine, "one-cycle": one_cycle}
    rates = [lr * shapes[schedule](step, steps) for step in range(steps)]
    return [rate * min(1, (step + 1) / warmup) if warmup else rate for step, rate in enumerate(rates)]


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


def examine(net, split, speed=None, mirrored=False):
    """What the net answers on all of a split, as a dict of plain numbers.

    "confusion": counts, rows the true classes, columns the answers; "logit_mean", "logit_std", "logit_min" and
    "logit_max": of each class's logit over the images.
    """
    logits = predict(net, split, speed, mirrored=mirrored)
    k = logits.shape[1]
    pairs = k * split.labels.to(logits.device) + logits.argmax(1)
    low, high = logits.aminmax(dim=0)
    parts = {"mean": logits.mean(0), "std": logits.std(0), "min": low, "max": high}
    return {"confusion": pairs.bincount(minlength=k * k).view(k, k).tolist(),
            **{f"logit_{name}": [float(f"{value:.4g}") for value in values.tolist()] for name, values in parts.items()}}


def right(examined):
    """The fraction of right answers in what `examine` gives."""
    confusion = examined["confusion"]
    return sum(row[i] for i, row in enumerate(confusion)) / sum(map(sum, confusion))


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
    train_set, test_set = train_set.to(device), test_set.to(device)
    run = Run(recipe, step, len(train_set), gradients={name: [] for name in watch})
    generator = torch.Generator(device).manual_seed(recipe.seed)
    resumed = checkpoint is not None and Path(checkpoint).exists()
    if recipe.first is not None and not resumed:
        before = train(replace(recipe.first, seed=recipe.seed), train_set, test_set, speed, device, progress,
                       checkpoint and f"{checkpoint}.first")
        if before.interrupted:
            raise KeyboardInterrupt
        biases = _biases(before.net)
    step.start(recipe)
    if resumed:
        _resume(run, generator, checkpoint)
    else:
        if recipe.first is not None:
            run.net.load_state_dict(biases, strict=False)
        run.before = examine(run.net, test_set, speed, recipe.mirrored)
    steps = math.ceil(len(train_set) / recipe.batch_size)
    lrs = learning_rates(recipe.schedule, recipe.lr, recipe.num_epochs * steps, recipe.warmup)
    bar = trange(recipe.num_epochs * steps, initial=len(run.history) * steps, unit="step", leave=False,
                 disable=not progress)
    state_of, state = len(run.history), step.state()
    with speed.applied(), bar:
        try:
            while len(run.history) < recipe.num_epochs:
                state_of, state = len(run.history), step.state()
                epoch = _train_epoch(run, train_set, lrs[len(run.history) * steps:][:steps], generator, bar)
                seconds = stopwatch(device)
                found = examine(run.net, test_set, speed, recipe.mirrored)
                run.add(epoch, found, seconds())
                _show(bar, run.last["loss"], run.images_per_second)
                if checkpoint is not None:
                    _save(run, generator, checkpoint)
        except KeyboardInterrupt:
            if not run.history:
                raise
            run.cut(steps)
            if state_of == len(run.history):  # else the next epoch had not begun
                step.restore(state)
            run.interrupted = True
    return run


def minutes(recipe, images, speed=None, device=None, steps=3):
    """The minutes that a recipe takes on so many training images here, from a few steps on images of noise.

    Evaluation and augmentation are left out: a few percent.
    """
    device = torch.device(device or default_device())
    speed = speed or fastest(device)
    n = recipe.batch_size
    with torch.random.fork_rng(), speed.applied():
        step = Step(recipe, speed, device)
        noise = torch.randint(0, 256, (n, 1, 28, 28), dtype=torch.uint8, device=device)
        labels = torch.arange(n, device=device) % recipe.variant.num_classes
        step.start(recipe)
        step.net.train()
        step(noise, labels, recipe.lr)  # warm-up
        seconds = stopwatch(device)
        for _ in range(steps):
            step(noise, labels, recipe.lr)
        seconds = seconds() / steps
    return seconds * recipe.num_epochs * math.ceil(images / n) / 60


def _biases(net):
    """A copy of all biases of convolutions and linear layers: what d2l's initialisation leaves as it was."""
    return {f"{name}.bias": layer.bias.detach().clone() for name, layer in net.named_modules()
            if isinstance(layer, (nn.Conv2d, nn.Linear))}


def _train_epoch(run, train_set, lrs, generator, bar):
    """One pass over the training set; returns its history entry, losses and watched gradients, and keeps nothing."""
    step, recipe, epoch = run.step, run.recipe, len(run.history) + 1
    step.net.train()
    losses, relative, correct, seconds = [], [], 0, stopwatch(generator.device)
    try:
        for lr, (images, labels) in zip(lrs, batches(train_set, recipe.batch_size, generator), strict=True):
            loss, hits, *watched = step(augment(images, recipe, generator), labels, lr)
            losses.append(loss)
            relative.append(watched)
            correct = correct + hits
            bar.update()
            if loss.device.type == "cpu":  # reading a loss would make a GPU wait, so there it is read after the epoch
                _check(losses, epoch, recipe)
                _show(bar, loss.item(), len(losses) * recipe.batch_size / seconds())
        seconds = seconds()
        _check(losses, epoch, recipe)
    except Diverged as error:
        finite = [loss for loss in torch.stack(losses).tolist() if math.isfinite(loss)]
        run.losses += finite
        error.run = run
        raise
    losses = torch.stack(losses).tolist()
    mean = math.fsum(losses) * recipe.batch_size - losses[-1] * (recipe.batch_size - len(labels))  # the last is smaller
    return ({"epoch": epoch, "loss": mean / len(train_set), "train_acc": float(correct) / len(train_set),
             "seconds": seconds}, losses, [torch.stack(values).tolist() for values in zip(*relative)])


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
    kept = {name: getattr(run, name) for name in KEPT}
    torch.save({"recipe": asdict(run.recipe), "images": run.train_images, "random": _random_states(generator), **kept,
                **run.step.state()}, unfinished)
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
    for name in KEPT:
        setattr(run, name, saved[name])
    run.step.restore(saved)
    for state, put in zip(saved["random"], (generator.set_state, torch.set_rng_state, torch.cuda.set_rng_state)):
        put(state)
