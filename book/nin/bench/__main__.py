"""How fast this machine trains the section's network, by d2l's path and the helper's, and what a step needs here.

    python -m nin bench                         every part; prints tables, writes results/bench-<device>.jsonl
    python -m nin bench --only memory layers    peak memory against the prediction, and the time of every layer
"""

import argparse
import sys
from pathlib import Path

import torch

from ..recipes import SECTION
from ..scale import RESULTS, SCALES, current, device_name
from . import growth, layers, memory, speed
from .rows import PARTS
from .write import table, write

SHOWN = {"speed": PARTS[:7], "exercise-3-resources": PARTS[7:]}  # by which page


def bench(parts=PARTS, rounds=3, folder=RESULTS):
    """Measure the parts asked for; returns their rows and the file in `folder` that holds them beside older parts."""
    variants = {"bound": SECTION.variant, "bound, pocket": SCALES["pocket"].variant(SECTION.variant)}
    work = {"bound": lambda: [{"path": path, **layers.bound(variant)} for path, variant in variants.items()],
            "start": speed.start, "speed": lambda: speed.speed(rounds),
            "pocket": lambda: speed.speed(rounds, pocket=True), "accuracy": speed.accuracy,
            "growth": growth.growth, "profile": speed.profile, "memory": memory.footprint,
            "layers": lambda: layers.layer_times(current().batch_size(SECTION.batch_size))}
    found = []
    for part in parts:
        print(f"measuring: {part}", file=sys.stderr, flush=True)
        rows, path = write(part, work[part](), folder)  # what is done is kept
        found += rows
    return found, path


def main(arguments=None):
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m nin bench", description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, help="measure these parts (default: all, where it makes "
                        "sense: seconds to an accuracy only with a GPU)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder that the rows are written to")
    options = parser.parse_args(arguments)
    if current().name == "smoke" and options.results == RESULTS:
        parser.error("smoke-scale figures are no results: name another folder with --results")
    parts = options.only or [part for part in PARTS if part != "accuracy" or current().name != "pocket"]
    print(f"{device_name()}, torch {torch.__version__}, scale {current()}")
    rows, path = bench(parts, folder=options.results)
    print(f"{table(rows)}\n\nwritten to {path}")
    if options.results == RESULTS:  # the tests compare the pages with what is recorded
        pages = [f"book/{page}.ipynb" for page, shown in SHOWN.items() if {*shown} & {*parts}]
        print(f"the book shows it once executed again: tools/execute.py --in-place {' '.join(pages)}")


if __name__ == "__main__":
    main()
