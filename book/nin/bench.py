"""How fast this machine trains the section's network: d2l's path and the helper's, lever by lever.

    python -m nin.bench      alternates the paths, prints a table, writes results/bench-<device>.jsonl
"""

import argparse
import contextlib
import datetime
import io
import json
import math
import platform
import re
import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch

from .data import d2l_folder, load
from .model import nin
from .record import RESULTS
from .scale import current, device, device_name
from .training import SECTION, Speed, train

LEVERS = {
    "plain": Speed(),
    "+ folded stem": Speed(fold=True),
    "+ channels last": Speed(fold=True, channels_last=True),
    "+ bfloat16": Speed(fold=True, channels_last=True, bf16=True)}


def d2l_epoch(loaders, device):
    """One epoch of d2l's own functions: examples/s by its clock, and the seconds on the wall."""
    import matplotlib

    matplotlib.use("agg")  # train_ch6 draws; nothing is to be shown
    from d2l import torch as d2l

    printed, start = io.StringIO(), time.perf_counter()
    with contextlib.redirect_stdout(printed):
        d2l.train_ch6(nin(), *loaders, 1, SECTION.lr, device)
    seconds = time.perf_counter() - start
    return float(re.search(r"([\d.]+) examples/sec", printed.getvalue())[1]), seconds


def our_epoch(speed, sets, batch_size):
    """One epoch of the helper's trainer: images/s of training, and the seconds with the evaluation."""
    run = train(replace(SECTION, num_epochs=1, batch_size=batch_size), *sets, speed, progress=False)
    return run.images_per_second, run.last["seconds"] + run.last["test_seconds"]


def bench(rounds=3, folder=RESULTS):
    """Time every path `rounds` times in turn, after one round to warm up.

    Returns one row per path, and the file in `folder` that now holds them.
    """
    from d2l import torch as d2l

    scale, batch_size = current(), current().batch_size(SECTION.batch_size)
    with d2l_folder():
        loaders = d2l.load_data_fashion_mnist(batch_size, resize=224)
    loaders = [scale.limit(loader) for loader in loaders]
    whole_sets = load(train=True), load(train=False)
    sets = [part.take(len(loader) * batch_size) for part, loader in zip(whole_sets, loaders)]
    paths = {"d2l": lambda: d2l_epoch(loaders, device())} | {
        name: lambda speed=speed: our_epoch(speed, sets, batch_size) for name, speed in LEVERS.items()}
    times, peaks = {name: [] for name in paths}, {}
    for turn in range(rounds + 1):
        for name, path in paths.items():
            if torch.cuda.is_available():
                torch.cuda.reset_peak_memory_stats()
            result = path()
            peaks[name] = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else math.nan
            if turn:  # the first round warms up
                times[name].append(result)
    rows = []
    for name, results in times.items():
        rate, seconds = (statistics.median(values) for values in zip(*results))
        rows.append({"path": name, "images/s": rate, "seconds per epoch": seconds,
                     "peak memory (MB)": None if math.isnan(peaks[name]) else peaks[name] / 1e6})
    for row in rows:
        row.update({"images/s against d2l": row["images/s"] / rows[0]["images/s"],
                    "wall clock against d2l": rows[0]["seconds per epoch"] / row["seconds per epoch"],
                    "images": len(sets[0]), "batch size": batch_size, "rounds": rounds, "scale": scale.name,
                    "device": device_name(), "torch": torch.__version__, "python": platform.python_version(),
                    "date": str(datetime.date.today())})
    name = re.sub(r"[^A-Za-z0-9]+", "-", device_name()).strip("-").lower()
    path = Path(folder) / f"bench-{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return rows, path


def main(arguments=None):
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m nin.bench", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="timed epochs of every path (default: 3)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder that the table is written to")
    options = parser.parse_args(arguments)
    if current().name == "smoke" and options.results == RESULTS:
        parser.error("smoke-scale figures are no results: name another folder with --results")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    print(f"{device_name()}, torch {torch.__version__}, scale {current()}")
    rows, path = bench(options.rounds, options.results)
    print(f"{'path':18}{'images/s':>12}{'s per epoch':>14}{'× images/s':>13}{'× wall clock':>14}")
    for row in rows:
        print(f"{row['path']:18}{row['images/s']:12.1f}{row['seconds per epoch']:14.2f}"
              f"{row['images/s against d2l']:13.2f}{row['wall clock against d2l']:14.2f}")
    print(f"written to {path}")
    if options.results == RESULTS:  # the tests compare the page with what is recorded
        print("chapter 3 shows it once executed again: tools/execute.py --in-place book/training.ipynb")


if __name__ == "__main__":
    main()
