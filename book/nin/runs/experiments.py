"""What no comparison of finished runs can show: how a class map dies and wakes, first gradients, heads on one body.

Each experiment is a list of cases; a case is one line of results/experiments/NAME.jsonl. Values that are fixed before
the runs stand here: seeds, doses, moments.
"""

import itertools
from dataclasses import dataclass, replace

import torch

from .. import data
from ..evaluation import examine
from ..model import build, last_of_body
from ..recipes import HEADS, SECTION, SOUND, change
from ..scale import current, device
from ..step import Step, fastest, forward
from ..training import one_epoch
from . import frozen, tiny

WATCHED = 512  # test images, the first ones, on which class maps are looked at
EVERY = 10  # steps between two looks
EPOCHS = 2


@torch.no_grad()
def maps_before_relu(net, images, speed):
    """The input h (n, c, k, k) of the last convolution, and its output (n, 10, k, k), the class maps before their ReLU.

    For a network whose head is a NiN block; in eval mode.
    """
    was_training = net.training
    net.eval()
    hidden = net[7][:-2](forward(net[:7], images, speed))
    net.train(was_training)
    return hidden, net[7][-2](hidden)


class _Run:
    """A run of the section's network from its seed, step by step, as `train` takes them."""

    def __init__(self, init, seed):
        scale = current()
        self.recipe = replace(scale.fit(change(SECTION, init=init)), seed=seed)
        self.train_set = data.load(train=True).take(scale.train_images).to(device())
        self.test_set = data.load(train=False).take(scale.test_images).to(device())
        self.images = self.test_set.take(WATCHED).images
        self.steps_per_epoch = -(-len(self.train_set) // self.recipe.batch_size)
        self.step = Step(self.recipe, fastest(device()), device())
        self.step.start(self.recipe)
        lrs, generator = [self.recipe.lr] * self.steps_per_epoch, torch.Generator(device()).manual_seed(seed)
        self.steps = (taken for _ in itertools.count()
                      for taken in one_epoch(self.step, self.train_set, self.recipe, lrs, generator))

    def advance(self, steps):
        """Take so many steps; returns their mean loss, None of none."""
        with self.step.speed.applied():
            losses = [loss.item() for loss, _ in itertools.islice(self.steps, steps)]
        return sum(losses) / len(losses) if losses else None

    @property
    def last(self):
        """The convolution that makes the class maps."""
        return self.step.net[7][-2]

    def highest(self):
        """The largest value before the ReLU of each class map (10,), and the size of its input: ‖h‖ per cell."""
        hidden, maps = maps_before_relu(self.step.net, self.images, self.step.speed)
        return maps.amax((0, 2, 3)), hidden.norm(dim=1).mean()


def trace_maps(init, seed):
    """Every ten steps over two epochs: what decides whether each class map is dead, and how far its weights moved.

    "highest": the largest value of w·h + b over the watched images and cells; "bias": b; "moved": ‖w - w at the
    start‖ / ‖w at the start‖; "hidden": the mean of ‖h‖ over images and cells; "loss": the mean of the ten steps.
    """
    run, rows = _Run(init, seed), {"highest": [], "bias": [], "moved": [], "hidden": [], "loss": []}
    first = run.last.weight.detach().flatten(1).clone()
    for turn in range(EPOCHS * run.steps_per_epoch // EVERY + 1):
        loss = run.advance(EVERY if turn else 0)
        highest, hidden = run.highest()
        moved = (run.last.weight.detach().flatten(1) - first).norm(dim=1) / first.norm(dim=1)
        for name, value in (("highest", highest), ("bias", run.last.bias.detach()), ("moved", moved),
                            ("hidden", hidden), ("loss", loss)):
            rows[name].append(_short(value))
    return {**rows, "every": EVERY, "confusion": examine(run.step.net, run.test_set, run.step.speed)["confusion"]}


def dose(init, seed, at, below):
    """Lower the bias of the first living class map after `at` steps until its maximum is `below` under zero; go on.

    "class": that map, or None where none lives; "was": its maximum before; "highest": its maximum every ten steps over
    the two epochs that follow; "woke": the first of those steps at which it was above zero, or None.
    """
    run = _Run(init, seed)
    run.advance(min(at, run.steps_per_epoch) if current().name == "smoke" else at)
    before, _ = run.highest()
    living = (before > 0).nonzero().flatten().tolist()
    if not living:
        return {"class": None}
    k = living[0]
    with torch.no_grad():
        run.last.bias[k] -= before[k] + below
    highest = [run.highest()[0][k].item()]
    for _ in range(EPOCHS * run.steps_per_epoch // EVERY):
        run.advance(EVERY)
        highest.append(run.highest()[0][k].item())
    woke = next((EVERY * turn for turn, value in enumerate(highest) if value > 0), None)
    answered = [sum(column) for column in zip(
        *examine(run.step.net, run.test_set, run.step.speed)["confusion"], strict=True)]
    return {"class": k, "was": _short(before[k]), "highest": [_short(value) for value in highest], "every": EVERY,
            "woke": woke, "answered": answered}


def first_gradients(recipe, head, seeds):
    """‖gradient‖ / ‖weights‖ of the body's last convolution on the first batch, for so many initialisations."""
    scale = current()
    base = scale.fit(change({"the section's recipe": SECTION, "a sound recipe": SOUND}[recipe], head=head))
    train_set = data.load(train=True).take(scale.train_images).to(device())
    watch = (last_of_body(build(base.variant)),)
    step, found, losses = Step(base, fastest(device()), device(), watch), [], []
    for seed in range(seeds):
        step.start(replace(base, seed=seed))
        step.net.train()
        generator = torch.Generator(device()).manual_seed(seed)
        loss, _, relative = step(*next(data.batches(train_set, base.batch_size, generator)), base.lr)
        found.append(_short(relative))
        losses.append(_short(loss))
    return {"relative": found, "loss": losses}


def _short(value):
    """A number, or a tensor's numbers, to four digits."""
    if isinstance(value, torch.Tensor) and value.dim():
        return [_short(one) for one in value.tolist()]
    return None if value is None else float(f"{float(value):.4g}")


@dataclass(frozen=True)
class Experiment:
    """A question, the function that answers a case of it, and the cases: its arguments."""

    question: str
    measure: object
    cases: tuple


def _cases(**values):
    return tuple(dict(zip(values, case, strict=True)) for case in itertools.product(*values.values()))


STARTS = ("xavier", "kaiming")
EXPERIMENTS = {
    "lost-classes-trace": Experiment(
        "Why do dead class maps wake, or stay dead?", trace_maps, _cases(seed=range(10), init=STARTS)),
    "lost-classes-dose": Experiment(
        "How far below zero does a class map have to be, and when, to stay there?", dose,
        _cases(seed=range(3), init=STARTS, at=(0, 1000), below=(0.05, 0.2, 1.0))),
    "first-gradients": Experiment(
        "Do gradients vanish or explode at the start, whatever the head?", first_gradients,
        _cases(recipe=("the section's recipe", "a sound recipe"), head=HEADS, seeds=(100,))),
    "frozen-bodies": Experiment(
        "What does each head read from a body that it did not train?", frozen.on_body, _cases(body=frozen.BODIES)),
    "frozen-bodies-one-step": Experiment(
        "And from a body that was trained with one step?", frozen.on_one_step_body, _cases(body=frozen.BODIES)),
    "tiny": Experiment(
        "Does the network that is trained in the page behave as the larger ones do?", tiny.begin,
        tiny.CASES),
}
