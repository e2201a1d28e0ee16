"""The section's accuracy in seconds: the fastest NiN from untrained weights to 0.874 on the test images.

    python -m nin sprint              one run in a process of its own: its seconds and its accuracy
    python -m nin sprint --runs 100   so many, written to results/bench-<device>.jsonl beside the benchmark's rows
    python -m nin sprint --ladder     each choice taken back in turn, on held-out images: what it brings

Three stages with a 1×1 each, a convolution to the class maps, global average pooling, no fully connected layer. The
clock runs from the start of Python, with reading the data and all 10,000 test images; what importing takes is counted
apart. The sport is that of airbench (Jordan 2024, arXiv:2404.00498), and from there comes its rule: the mean accuracy
of many runs counts. Batch norm (Ioffe & Szegedy 2015), Nesterov's momentum and a rate that rises and falls along two
lines (Smith & Topin 2017) are common goods. Every choice was made on 5,000 held-out training images, by seeds below
1,000; the runs that are recorded have seeds from 1,000 on.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from tqdm import trange

from .. import data
from ..scale import RESULTS, current, device_name
from .rows import sprint_words
from .write import table, write

FIRST_SEED = 1_000
MEAN, DEVIATION = 0.286, 0.353  # of the training set's pixels


@dataclass(frozen=True)
class Sprint:
    """What a run does; by default the fastest that was found."""

    channels: tuple = (16, 32, 64)
    windows: tuple = (3, 3, 3, 1)  # of the three stages and of the convolution to the class maps
    num_1x1: int = 1
    norm_1x1: bool = False  # batch norm after the 1×1s, too
    lr: float = 0.6  # the highest
    rise: float = 0.3  # the part of the steps in which the rate rises from 0; then it falls to 0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    epochs: float = 0.7
    batch_size: int = 128
    bf16: bool = True


# Each takes one choice back, or takes one more that was tried.
CHANGES = {
    "as it is": {},
    "a third of the rate": {"lr": 0.2},
    "no label smoothing": {"label_smoothing": 0.0},
    "batch norm after 1×1s": {"norm_1x1": True},
    "float32": {"bf16": False},
    "batches of 64, two thirds of the rate": {"batch_size": 64, "lr": 0.4},
    "batches of 256": {"batch_size": 256},
    "two 1×1s": {"num_1x1": 2},
    "a first window of 5×5": {"windows": (5, 3, 3, 1)},
    "class maps by a 3×3": {"windows": (3, 3, 3, 3)},
    "half as wide": {"channels": (8, 16, 32)},
    "half as wide, twice as long": {"channels": (8, 16, 32), "epochs": 1.4},
    "twice as long": {"epochs": 1.4},
}


def build(choice):
    """The network, its weights drawn: images (n, 1, 28, 28) to logits (n, 10)."""
    layers, channels = [], 1
    for stage, (width, window) in enumerate(zip(choice.channels, choice.windows)):
        conv = nn.Conv2d(channels, width, window, 1 if stage else 2, window // 2, bias=False)
        layers += [conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        for _ in range(choice.num_1x1):
            layers.append(nn.Conv2d(width, width, 1, bias=not choice.norm_1x1))
            layers += [nn.BatchNorm2d(width)] * choice.norm_1x1 + [nn.ReLU(inplace=True)]
        layers += [nn.MaxPool2d(2)] * (stage < 2)  # 14, 7 and 3 positions to a side
        channels = width
    maps = nn.Conv2d(channels, 10, choice.windows[-1], padding=choice.windows[-1] // 2)
    net = nn.Sequential(*layers, maps, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for layer in net:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return net.to(memory_format=torch.channels_last)


def rate(step, steps, choice):
    """The learning rate of a step."""
    done = (step + 1) / steps
    return choice.lr * min(done / choice.rise, (1 - done) / (1 - choice.rise) + 1e-3)


def run(seed, choice=Sprint(), held_out=False):
    """One run: {"seed", "accuracy", "read (s)", "train (s)", "evaluate (s)"}; on held-out images where asked for."""
    torch.manual_seed(seed)
    clock = [time.perf_counter()]
    scale = current()
    train_set = data.load(train=True).take(scale.train_images)
    if held_out:
        train_set, test_set = data.hold_out(train_set, min(5_000, len(train_set) // 2))
    else:
        test_set = data.load(train=False).take(scale.test_images)
    x, unseen = (split.images.float().sub_(255 * MEAN).div_(255 * DEVIATION) for split in (train_set, test_set))
    clock.append(time.perf_counter())

    net = build(choice).train()
    optimizer = torch.optim.SGD(net.parameters(), choice.lr, momentum=choice.momentum, nesterov=True,
                                weight_decay=choice.weight_decay, fused=True)
    per_epoch = len(x) // choice.batch_size or 1
    steps = max(1, round(choice.epochs * per_epoch))
    for step in range(steps):
        if step % per_epoch == 0:
            order = torch.randperm(len(x))
        at = step % per_epoch * choice.batch_size
        chosen = order[at:at + choice.batch_size]
        optimizer.param_groups[0]["lr"] = rate(step, steps, choice)
        with torch.autocast("cpu", torch.bfloat16, enabled=choice.bf16):
            logits = net(x[chosen])
        optimizer.zero_grad()
        F.cross_entropy(logits.float(), train_set.labels[chosen], label_smoothing=choice.label_smoothing).backward()
        optimizer.step()
    clock.append(time.perf_counter())

    net.eval()
    with torch.no_grad():
        answers = torch.cat([net(images).argmax(1) for images in unseen.split(500)])
    clock.append(time.perf_counter())
    seconds = (b - a for a, b in zip(clock, clock[1:]))
    return {"seed": seed, "accuracy": (answers == test_set.labels).double().mean().item(),
            **dict(zip(("read (s)", "train (s)", "evaluate (s)"), seconds, strict=True))}


def in_fresh_process(seed, choice=Sprint(), held_out=False):
    """`run` in a process of its own, and the seconds before it: "import (s)", from the start of Python."""
    words = [sys.executable, "-W", "ignore", "-m", "nin.bench.sprint", json.dumps([seed, asdict(choice), held_out])]
    start = time.time()
    result = subprocess.run(words, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[2])
    if result.returncode:
        raise RuntimeError(f"the sprint of seed {seed} failed:\n{result.stderr}")
    found = json.loads(result.stdout)
    return {**found, "import (s)": found.pop("imported") - start,
            "all (s)": sum(found[part] for part in ("read (s)", "train (s)", "evaluate (s)"))}


def sprint(runs):
    """A row for each of so many runs, on the test images; what is done is shown."""
    rows = []
    for seed in trange(FIRST_SEED, FIRST_SEED + runs):
        rows.append({"path": f"seed {seed}", **in_fresh_process(seed)})
    return rows


def ladder(seeds=5):
    """A row for each choice taken back: mean accuracy on held-out images, and the seconds' median, in turn by seed."""
    found = {name: [] for name in CHANGES}
    for seed in trange(seeds):
        for name, changes in CHANGES.items():
            found[name].append(in_fresh_process(seed, replace(Sprint(), **changes), held_out=True))
    return [{"path": name, "runs": seeds, "accuracy": statistics.fmean(run["accuracy"] for run in runs),
             "lowest accuracy": min(run["accuracy"] for run in runs),
             "all (s)": statistics.median(run["all (s)"] for run in runs)} for name, runs in found.items()]


def main(arguments=None):
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m nin sprint", description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=1, help="on seeds from 1,000 on; two or more are recorded")
    parser.add_argument("--ladder", action="store_true", help="what each choice brings, recorded")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder that the rows are written to")
    options = parser.parse_args(arguments)
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    if current().name == "smoke" and options.results == RESULTS and (options.runs > 1 or options.ladder):
        parser.error("smoke-scale figures are no results: name another folder with --results")
    print(f"{device_name()}, torch {torch.__version__}")
    if options.ladder:
        rows, path = write("sprint ladder", ladder(), options.results)
        print(f"{table(rows)}\n\nwritten to {path}")
        return
    rows = sprint(options.runs)
    print(*sprint_words(rows), sep="\n")
    if options.runs > 1:
        print(f"written to {write('sprint', rows, options.results)[1]}")


if __name__ == "__main__":
    imported = time.time()
    seed, choice, held_out = json.loads(sys.argv[1])
    print(json.dumps({**run(seed, Sprint(**choice), held_out), "imported": imported}))
