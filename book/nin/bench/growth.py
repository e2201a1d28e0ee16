"""How training speed grows: with the batch, the width, the image's size, and with threads and processes."""

import joblib
import torch

from ..costs import layers
from ..model import build
from ..recipes import SECTION, change
from ..scale import SCALES, current, device
from ..step import fastest
from .layers import timed
from .memory import plain_step

POCKET = SCALES["pocket"].variant(SECTION.variant)
QUARTER = change(SECTION, width=0.25).variant  # the section's windows, as wide as the pocket network
BATCHES = (1, 4, 16, 64, 128, 256, 1024)
WIDTHS = (0.0625, 0.125, 0.25, 0.5, 1.0)
SIDES = (67, 96, 128, 160, 192, 224)
WORKERS = ((1, 1), (1, 2), (2, 1))  # processes, and threads in each


def growth():
    """One row a point: what is varied, its value, images/s and GFLOP an image; the rest as in the pocket's run."""
    few, batch_size = 2 if current().name == "smoke" else None, current().batch_size(SECTION.batch_size)
    points = [("batch size", n, POCKET, n, 28) for n in BATCHES[:few]]
    points += [("width", width, change(SECTION, native=True, width=width).variant, batch_size, 28)
               for width in WIDTHS[:few]]
    points += [("pixels to a side", side, QUARTER, batch_size, side) for side in SIDES[:few]]
    rows = [{**_row(varied, value, rate(*how)), "GFLOP an image": work(how[0], how[2]) / 1e9}
            for varied, value, *how in points]
    if device().type == "cpu":
        rows += [_row("processes × threads", f"{processes} × {threads}", together(processes, threads, batch_size))
                 for processes, threads in WORKERS]
    return rows


def _row(varied, value, images_per_second):
    return {"path": f"{varied} {value}", "varied": varied, "value": value, "images/s": images_per_second}


def work(variant, side):
    """FLOP of a training step per image of so many pixels to a side; the first layer is spared its input's gradient."""
    first, *rest = layers(build(variant), (1, 1, side, side))
    return 2 * (2 * first.macs + 3 * sum(row.macs for row in rest))


def rate(variant, batch_size, side):
    """Training images/s of plain SGD steps on one batch that stays, with the levers that help on this device."""
    how = fastest()
    net = build(variant).to(device(), memory_format=torch.channels_last).train()
    images = torch.rand(batch_size, 1, side, side, device=device())
    labels = torch.arange(batch_size, device=device()) % 10
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    with how.applied():
        return batch_size / timed(lambda: plain_step(net, optimizer, images, labels, how.bf16)).median


def together(processes, threads, batch_size):
    """Images/s of so many processes at once, each with so many threads: the sum of their own."""
    with joblib.parallel_config("loky", inner_max_num_threads=threads):
        return sum(joblib.Parallel(processes)(joblib.delayed(_alone)(threads, batch_size) for _ in range(processes)))


def _alone(threads, batch_size):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return rate(POCKET, batch_size, 28)
    finally:
        torch.set_num_threads(before)  # joblib runs a single one in this very process
