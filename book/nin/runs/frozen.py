"""Trained bodies held fast and new heads on them: what each head reads from one representation. Chapter 7."""

import math
from dataclasses import replace

import torch
from torch.nn import functional as F

from .. import data
from ..evaluation import evaluate
from ..model import INITIALISATIONS, build
from ..recipes import SOUND, change
from ..scale import current, device
from ..step import fastest, forward
from ..training import learning_rates, train
from .studies import KEPT, run_name

BODIES, SEEDS = range(5), 5
EPOCHS = 5  # of a new head: half of the network's, since the body has nothing to learn
HEADS = ("3x3", "1x1", "block", "gradual", "fc")


def trained(recipe, train_set, test_set, speed):
    """The network of a recipe: the weights that `record` kept of this run, else trained now."""
    path = KEPT / f"{run_name(recipe, (len(train_set), len(test_set)), speed.bf16)}.pt"
    if not path.exists():
        return train(recipe, train_set, test_set, speed, progress=False).net
    net = build(recipe.variant).to(device())
    net.load_state_dict(torch.load(path, map_location=device(), weights_only=True))
    return net


@torch.no_grad()
def represented(net, split, speed):
    """A split with what the body, in eval mode, makes of its images in their place: (n, channels, h, w), float32."""
    net.eval()
    parts = [forward(net[:7], images, speed) for images, _ in data.batches(split, 250)]
    return data.Split(torch.cat(parts), split.labels)


def new_head(recipe, seen, unseen):
    """Train the head of a recipe alone, from its seed; returns its accuracy on `unseen` and its last epoch's loss.

    As the recipe says, but on features: so without flips, batch norm or bfloat16.
    """
    torch.manual_seed(recipe.seed)
    head = INITIALISATIONS[recipe.init](build(recipe.variant))[6:].to(device())  # with the dropout before it
    optimiser = torch.optim.SGD(head.parameters(), recipe.lr, recipe.momentum, nesterov=True)
    generator, steps = torch.Generator(device()).manual_seed(recipe.seed), math.ceil(len(seen) / recipe.batch_size)
    rates = iter(learning_rates(recipe.schedule, recipe.lr, recipe.num_epochs * steps))
    for _ in range(recipe.num_epochs):
        total = 0.0
        for features, labels in data.batches(seen, recipe.batch_size, generator):
            loss = F.cross_entropy(head(features), labels)
            optimiser.param_groups[0]["lr"] = next(rates)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(labels)
    head.eval()
    with torch.no_grad():
        hits = sum((head(features).argmax(1) == labels).sum().item() for features, labels in data.batches(unseen, 1000))
    return hits / len(unseen), total / len(seen)


def on_body(body, trained_with="block", heads=HEADS):
    """Train a network under the sound recipe from a seed, then new heads on its body, which stays as it is.

    "own": the network's accuracy on the test set with the head that it was trained with; "accuracy" and "loss":
    {head: one of each for every seed of the head}, see `new_head`.
    """
    scale, speed = current(), fastest(device())
    recipe = replace(scale.fit(change(SOUND, head=trained_with)), seed=body)
    train_set, test_set = (data.load(train=part).take(n).to(device()) for part, n in (
        (True, scale.train_images), (False, scale.test_images)))
    net = trained(recipe, train_set, test_set, speed)
    own = evaluate(net, test_set, speed)
    seen, unseen = (represented(net, split, speed) for split in (train_set, test_set))
    found = {"own": own, "accuracy": {}, "loss": {}}
    for head in heads:
        recipe = scale.fit(change(SOUND, head=head, num_epochs=EPOCHS))
        ends = [new_head(replace(recipe, seed=seed), seen, unseen) for seed in range(SEEDS)]
        for name, values in zip(("accuracy", "loss"), zip(*ends, strict=True), strict=True):
            found[name][head] = [round(value, 6) for value in values]
    return found


def on_one_step_body(body):
    """The control: as `on_body`, with a network that was trained with the one-step 3×3."""
    return on_body(body, "3x3", ("3x3", "block"))
