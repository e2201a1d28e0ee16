"""How fast this machine trains the section's network, by d2l's path and the helper's, and what a step needs here.

    python -m nin bench                         every part; prints tables, writes results/bench-<device>.jsonl
    python -m nin bench --only memory layers    peak memory against the prediction, and the time of every layer
"""

import argparse
import datetime
import json
import platform
import re
import sys
from pathlib import Path

import pandas as pd
import torch

from ..recipes import SECTION
from ..scale import RESULTS, SCALES, current, device_name
from . import layers, memory, speed
from .rows import PARTS

SHOWN = {"training": PARTS[:5], "exercise-3-resources": PARTS[5:]}  # by which chapter
HIDDEN = {"memory": ["phase", "type", "optimizer"]}  # columns that the path says already
ACCURACY = 0.874  # the section's


def bench(parts=PARTS, rounds=3, target=ACCURACY, folder=RESULTS):
    """Measure the parts asked for; returns their rows and the file in `folder` that holds them beside older parts."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", device_name()).strip("-").lower()
    path, rows = Path(folder) / f"bench-{name}.jsonl", []
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"scale": current().name, "batch size": current().batch_size(SECTION.batch_size), "device": device_name(),
             "torch": torch.__version__, "python": platform.python_version(), "measured on": str(datetime.date.today())}
    variants = {"bound": SECTION.variant, "bound, pocket": SCALES["pocket"].variant(SECTION.variant)}
    work = {"bound": lambda: [{"path": path, **layers.bound(variant)} for path, variant in variants.items()],
            "start": speed.start, "speed": lambda: speed.speed(rounds),
            "pocket": lambda: speed.speed(rounds, pocket=True), "accuracy": lambda: speed.accuracy(target),
            "memory": memory.footprint, "layers": lambda: layers.layer_times(about["batch size"])}
    for part in parts:
        print(f"measuring: {part}", file=sys.stderr, flush=True)
        new = [{"part": part, **about, **row} for row in work[part]()]  # a row may have a batch size of its own
        kept = [line for line in (path.read_text("utf-8").splitlines() if path.exists() else [])
                if json.loads(line)["part"] != part]
        path.write_text("\n".join([*kept, *map(json.dumps, new)]) + "\n", encoding="utf-8")  # what is done is kept
        rows += new
    return rows, path


def table(rows):
    """The measured rows as text, part by part, without what is the same in all."""
    same, parts = ["part", "scale", "device", "torch", "python", "measured on"], []
    for part in dict.fromkeys(row["part"] for row in rows):
        hidden = [*same, *HIDDEN.get(part, ["batch size"])]
        chosen = pd.DataFrame([row for row in rows if row["part"] == part]).drop(columns=hidden).set_index("path")
        parts.append(f"{part}\n{(chosen.T if part == 'bound' else chosen).round(2).to_string(na_rep='–')}")
    return "\n\n".join(parts)


def main(arguments=None):
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m nin bench", description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, help="measure these parts (default: all, where it makes "
                        "sense: seconds to an accuracy only with a GPU)")
    parser.add_argument("--rounds", type=int, default=3, help="timed epochs of every path (default: 3)")
    parser.add_argument("--accuracy", type=float, default=ACCURACY, metavar="A",
                        help=f"the test accuracy to be reached (default: {ACCURACY})")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder that the rows are written to")
    options = parser.parse_args(arguments)
    if current().name == "smoke" and options.results == RESULTS:
        parser.error("smoke-scale figures are no results: name another folder with --results")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    if not 0 < options.accuracy <= 1:
        parser.error("--accuracy is a fraction between 0 and 1")
    parts = options.only or [part for part in PARTS if part != "accuracy" or current().name != "pocket"]
    print(f"{device_name()}, torch {torch.__version__}, scale {current()}")
    rows, path = bench(parts, options.rounds, options.accuracy, options.results)
    print(f"{table(rows)}\n\nwritten to {path}")
    if options.results == RESULTS:  # the tests compare the pages with what is recorded
        pages = [f"book/{page}.ipynb" for page, shown in SHOWN.items() if {*shown} & {*parts}]
        print(f"the book shows it once executed again: tools/execute.py --in-place {' '.join(pages)}")


if __name__ == "__main__":
    main()
