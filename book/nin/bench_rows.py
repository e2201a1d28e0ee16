"""What nin.bench has written, read back for the chapters: which machine's file, which part of it."""

import json

import pandas as pd

from .record import RESULTS

MINUTES = {"bound": 0.2, "start": 0.5, "speed": 5, "accuracy": 3, "memory": 1.5, "layers": 1}  # on a GPU, by guess


def _rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def bench_files(*parts, folder=RESULTS):
    """The files in `folder` that hold all these parts: GPUs' before CPUs', then by name."""
    held = {path: _rows(path) for path in sorted(folder.glob("bench-*.jsonl"))}
    held = {path: rows for path, rows in held.items() if {*parts} <= {row["part"] for row in rows}}
    return sorted(held, key=lambda path: held[path][0]["device"].startswith("CPU"))


def bench_part(path, part):
    """One part of a file as a DataFrame, by path, without columns that hold nothing; empty where it lacks the part."""
    rows = [row for row in _rows(path) if row["part"] == part]
    return pd.DataFrame(rows, columns=None if rows else ["path"]).set_index("path").dropna(axis=1, how="all")


def not_benched(*parts, where="a machine with a GPU"):
    """What a chapter says where no file holds these parts: the command, and about how long it takes."""
    return (f"**Not yet recorded.** On {where}, in `book/`: `python -m nin.bench --only {' '.join(parts)}` measures it, "
            f"in about {max(1, round(sum(MINUTES[part] for part in parts)))} minutes.")
