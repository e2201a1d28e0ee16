"""The network that is trained in the page, in torch: does it stand, start and lose classes as the larger ones do?"""

import torch
from torch import nn
from torch.nn import functional as F

from .. import data
from ..model import INITIALISATIONS, dead_maps, nin_block
from ..outcome import MEANS
from ..scale import current

CHANNELS = (8, 16, 24)
TRAINED, HELD_OUT = 4_000, 1_000  # the repository's sample: the first images of the training and of the test set
BATCH, STEPS = 32, 1_500
SEEDS = 20
# Initialisation, linear logits, 1×1s in a block, lr: first the two choices of chapter 3, then the page's other duels.
MAIN = (("xavier", False, 2, 0.1), ("kaiming", False, 2, 0.1), ("xavier", True, 2, 0.1), ("kaiming", True, 2, 0.1))
OTHERS = (("kaiming", True, 0, 0.1), ("kaiming", True, 3, 0.1), ("kaiming", False, 2, 0.05), ("kaiming", True, 2, 0.05))
CASES = tuple(dict(zip(("seed", "init", "linear_logits", "num_1x1", "lr"), (seed, *recipe), strict=True))
              for recipes in (MAIN, OTHERS) for seed in range(SEEDS) for recipe in recipes)


def network(num_1x1=2, linear_logits=False, head="block", batch_norm=False):
    """The net of train-arithmetic.js with torch's weights: images (n, 1, 28, 28) to logits (n, 10) by 4×4 class maps.

    `head` is "block" or "3x3", one convolution to the class maps; batch norm stands before the head alone.
    """
    c1, c2, c3 = CHANNELS
    body = [nin_block(1, c1, 5, 2, 2, num_1x1), nn.MaxPool2d(3, 2, 1), nin_block(c1, c2, 3, 1, 1, num_1x1),
            nn.MaxPool2d(3, 2, 1), nin_block(c2, c3, 3, 1, 1, num_1x1)]
    if batch_norm:
        body = [_normed(part) if isinstance(part, nn.Sequential) else part for part in body]
    maps = nin_block(c3, 10, 3, 1, 1, num_1x1 if head == "block" else 0)
    return nn.Sequential(*body, maps[:-1] if linear_logits else maps, nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten())


def _normed(block):
    """A block with batch norm after each of its convolutions."""
    return nn.Sequential(*(new for layer in block for new in (
        (layer, nn.BatchNorm2d(layer.out_channels)) if isinstance(layer, nn.Conv2d) else (layer,))))


def begin(seed, init, linear_logits, num_1x1, lr):
    """Train from a seed. "dead": class maps that are 0 on every held-out image before the first step, for ReLU logits;
    "losses": means of 20 steps; "answered": how often each class is answered on the held-out images at the end;
    "accuracy" on these."""
    steps = 2 * MEANS if current().name == "smoke" else STEPS
    train_set, held_out = data.load(train=True).take(TRAINED), data.load(train=False).take(HELD_OUT)
    images, tested = data.to_float(train_set.images), data.to_float(held_out.images)
    torch.manual_seed(seed)
    net = INITIALISATIONS[init](network(num_1x1, linear_logits))
    dead = None if linear_logits else dead_maps(net, tested)
    optimiser, generator = torch.optim.SGD(net.parameters(), lr), torch.Generator().manual_seed(seed)
    losses, order = [], torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(order) < BATCH:
            order = torch.randperm(len(images), generator=generator)
        batch, order = order[:BATCH], order[BATCH:]
        loss = F.cross_entropy(net(images[batch]), train_set.labels[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    with torch.no_grad():
        answers = net(tested).argmax(1)
    return {"dead": dead, "steps": steps,
            "losses": [float(f"{sum(losses[i:i + MEANS]) / MEANS:.4g}") for i in range(0, steps, MEANS)],
            "answered": answers.bincount(minlength=10).tolist(),
            "accuracy": float((answers == held_out.labels).float().mean())}
