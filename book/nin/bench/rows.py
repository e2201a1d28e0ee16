"""What `python -m nin bench` has written, read back for chapters 3 and 6. Needs no torch."""

import json

import pandas as pd

from ..scale import RESULTS

# The parts of a benchmark, and the minutes that each takes on a GPU: guesses.
MINUTES = {"bound": 0.2, "start": 0.5, "speed": 5, "pocket": 3, "accuracy": 3, "memory": 1.5, "layers": 1}
PARTS = tuple(MINUTES)


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


def not_benched(*parts):
    """What a chapter says where no file holds these parts: the command, and about how long it takes."""
    minutes = max(1, round(sum(MINUTES[part] for part in parts)))
    return (f"**Not yet recorded.** In `book/`: `python -m nin bench --only {' '.join(parts)}`"
            f" measures it, in about {minutes} minute{'s' * (minutes > 1)}.")


def gaps(memory):
    """The measured rows of the part "memory", with the gap between measurement and prediction in % of the latter.

    The measurement is what the allocator took; workspace and rounding, measured on their own, are shares of the gap,
    and what is left of it is unexplained.
    """
    rows = memory.dropna(subset=["measured (MB)"])
    share = {name: 100 * rows[f"{name} (MB)"] / rows["predicted (MB)"]
             for name in ("measured", "workspace", "rounding")}
    return rows.assign(**{
        "measured (MB)": rows["measured (MB)"] + rows["rounding (MB)"],
        "gap (%)": share["measured"] + share["rounding"] - 100, "workspace (%)": share["workspace"],
        "rounding (%)": share["rounding"], "unexplained (%)": share["measured"] - 100 - share["workspace"]})


def layer_groups(layers):
    """The part "layers" with equal layers of a block as one row, beside shares of the time and of the bound.

    Columns: type, layers, forward (ms), backward (ms), bound (ms), bound by, GFLOP, time (%), FLOP (%), GFLOP/s,
    share of the bound (%); from a GPU also kernels (%), the share of the time in which one ran.
    """
    single = layers.drop(["all layers", "whole step"])
    blocks = {"0": "block 1, ", "2": "block 2, ", "4": "block 3, ", "7": "block 4, "}  # where they lie in nin()
    places = [blocks.get(path.split(".")[0], f"layer {path}, ") for path in single.index]
    lines = []
    for (precision, place, name), rows in single.groupby(["type", pd.Index(places), "layer"], sort=False):
        by = rows[["forward, bound by", "backward, bound by"]].stack().unique()
        lines.append({"type": precision, "layers": place + name + (f" ({len(rows)})" if len(rows) > 1 else ""),
                      "forward (ms)": rows["forward (ms)"].sum(), "backward (ms)": rows["backward (ms)"].sum(),
                      "bound (ms)": rows["bound (ms)"].sum(), "bound by": by[0] if len(by) == 1 else "both",
                      "GFLOP": (rows["forward, GFLOP"] + rows["backward, GFLOP"]).sum(),
                      **({"kernels (%)": rows["kernels (ms)"].sum()} if "kernels (ms)" in rows else {})})
    groups = pd.DataFrame(lines)
    spent = groups["forward (ms)"] + groups["backward (ms)"]
    if "kernels (%)" in groups:
        groups["kernels (%)"] *= 100 / spent
    for column, values in (("time (%)", spent), ("FLOP (%)", groups["GFLOP"])):
        groups[column] = 100 * values / values.groupby(groups["type"]).transform("sum")
    return groups.assign(**{"GFLOP/s": 1000 * groups["GFLOP"] / spent,
                            "share of the bound (%)": 100 * groups["bound (ms)"] / spent})
