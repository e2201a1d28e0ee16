"""What a linear classifier reads before and after the reduction. Chapter 7."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from .data import batches
from .step import fastest, forward


def probe(train_x, labels, test_x, strength=0.01):
    """Ridge regression on one-hot labels; the predicted classes of both sets (n, d)."""
    x, z = train_x.double(), test_x.double()
    mean, sd = x.mean(0), x.std(0)
    sd[sd < 1e-6] = math.inf  # a feature that never changes says nothing
    x, z = (x - mean) / sd, (z - mean) / sd
    y = F.one_hot(labels, 10).double()
    target, (n, d) = y - y.mean(0), x.shape
    ridge = strength * n * torch.eye(min(n, d), dtype=x.dtype, device=x.device)
    if d <= n:
        w = torch.linalg.solve(x.T @ x + ridge, x.T @ target)
    else:  # the same solution from the smaller system
        w = x.T @ torch.linalg.solve(x @ x.T + ridge, target)
    return (x @ w + y.mean(0)).argmax(1), (z @ w + y.mean(0)).argmax(1)


@torch.no_grad()
def features(net, split, speed=None):
    """{"before, means": (n, c), "before, all": (n, c·h·w), "after, means": ...}.

    After the reduction are the class maps, or the hidden units of a head without any.
    """
    device, was_training = next(net.parameters()).device, net.training
    parts, speed = {}, speed or fastest(device)
    net.eval()
    hidden = isinstance(net[7][0], nn.Flatten)
    reduce = net[7][:-1] if hidden else net[7]
    for images, _ in batches(split.to(device), 250):
        before = forward(net[:7], images, speed)  # (n, channels, h, w)
        for place, x in (("before", before), ("after", reduce(before))):
            if x.dim() == 4:
                parts.setdefault(f"{place}, means", []).append(x.mean((2, 3)))
            parts.setdefault(f"{place}, all", []).append(x.flatten(1))
    net.train(was_training)
    return {name: torch.cat(part) for name, part in parts.items()}


def readable(net, train_set, test_set, speed=None):
    """{feature: the accuracy on test_set, 0 to 1, of a probe fitted on train_set}."""
    seen, unseen = features(net, train_set, speed), features(net, test_set, speed)
    found = {}
    for name, x in seen.items():
        guesses = probe(x, train_set.labels.to(x.device), unseen[name])[1]
        hits = guesses == test_set.labels.to(x.device)
        found[name] = hits.double().mean().item()
    return found
