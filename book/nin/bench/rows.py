"""What `python -m nin bench` has written, read back for chapter 6 and the page on speed. Needs no torch."""

import json

import pandas as pd

from ..compare import fraction_interval, mean_interval
from ..scale import RESULTS

# The parts of a benchmark, and the minutes that each takes on a GPU: guesses.
MINUTES = {"bound": 0.2, "start": 0.5, "speed": 5, "pocket": 3, "accuracy": 3, "growth": 2, "memory": 1.5, "layers": 1}
PARTS = tuple(MINUTES)
TARGET = 0.874  # the section's test accuracy


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
    """The command that measures some parts, and about how long it takes, in Markdown."""
    minutes = max(1, round(sum(MINUTES[part] for part in parts)))
    return (f"In `book/`, `python -m nin bench --only {' '.join(parts)}` measures it, in about {minutes} "
            f"minute{'s' * (minutes > 1)}.")


def benched(part, folder=RESULTS):
    """A part's rows from a GPU's file, else a CPU's, and Markdown on where they come from or what measures them."""
    path = next(iter(bench_files(part, folder=folder)), None)
    if path is None:
        return pd.DataFrame(), [f"The part *{part}* of the benchmark: {not_benched(part)}"]
    rows = bench_part(path, part)
    one = rows.iloc[0]
    return rows, [f"Recorded, {part}: **{one['device']}**, torch {one['torch']}, Python {one['python']}, "
                  f"{one['measured on']}."]


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


def memory_words(memory):
    """What the rows of `gaps` say, in lines of Markdown; none where there are no rows."""
    if memory.empty:
        return []
    off, held = memory["unexplained (%)"].abs(), memory["held besides (MB)"].max()
    worst, widest = memory.iloc[off.argmax()], memory.iloc[memory["gap (%)"].argmax()]
    moved = (memory["peak at"] != memory["with workspace, peak at"]).sum()
    words = [f"{len(memory)} measurements in {memory.index.nunique()} cases. Workspace and rounding apart, the "
             f"prediction misses by at most {off.max():.3f}% ({worst.name}, batch {worst['batch size']}): "
             f"{'all' if off.max() <= 5 else f'**only {(off <= 5).sum()}**'} lie within 5%. With them the gap reaches "
             f"{widest['gap (%)']:.1f}% ({widest.name}, batch {widest['batch size']}), of which workspace is "
             f"{widest['workspace (%)']:.1f} and rounding {widest['rounding (%)']:.1f}. Because of workspace the peak "
             f"comes at another moment than predicted in {moved} of {len(memory)}."]
    if held > 0:
        words.append(f"The GPU's libraries held {held:.1f} MB besides, which are in none of these numbers.")
    return words


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


def layer_words(layers):
    """What the part "layers" says of one type, in lines of Markdown."""
    alone, whole = layers.loc["all layers"], layers.loc["whole step", "both (ms)"]
    single, spent = layers.drop(["all layers", "whole step"]), alone["both (ms)"]
    most, longest = (single.loc[single[column].idxmax()] for column in ("forward, GFLOP", "both (ms)"))
    work, same = single["forward, GFLOP"] + single["backward, GFLOP"], most.name == longest.name
    without = single.loc[single["forward, GFLOP"] == 0, "both (ms)"].sum()
    other = f" Longest is {longest['layer']} (layer {longest.name}), {longest['both (ms)'] / spent:.0%}."
    words = [f"**{alone['type']}.** The layer with the most MACs, {most['layer']}, "
             f"{'takes' if same else 'does **not** take'} the longest: {most['both (ms)'] / spent:.0%} of the time at "
             f"{work[most.name] / work.sum():.0%} of the FLOP.{'' if same else other} Layers without MACs take "
             f"{without / spent:.0%}. All together reach {alone['bound (ms)'] / spent:.0%} of their bounds."]
    if "kernels (ms)" in layers:
        words.append(f"Kernels ran for {alone['kernels (ms)'] / spent:.0%} of that time, by torch's profiler; the rest "
                     "went into launching them.")
    more, why = ("more", "The difference is what happens between the layers and after them.") if whole > spent else (
        "less", "In its place in the step a layer costs less than alone.")
    return [*words, f"One after the other the layers take {spent:.1f} ms; a whole step, loss and update included, "
                    f"{whole:.1f} ms, {abs(whole / spent - 1):.0%} {more}. {why}"]


def sprint_words(rows):
    """What sprints' rows say, in lines of Markdown: accuracy, share above the section's, seconds and their parts."""
    rows = pd.DataFrame(rows)
    accuracy, n = 100 * rows["accuracy"], len(rows)
    seconds = rows["all (s)"].quantile([0.25, 0.5, 0.75]).tolist()
    parts = ", ".join(f"{name} {rows[f'{name} (s)'].median():.2f} s" for name in ("read", "train", "evaluate"))
    words = [f"{seconds[1]:.2f} s ({parts}); importing torch and the rest took {rows['import (s)'].median():.2f} s "
             f"before that. Test accuracy {accuracy.mean():.2f}%."]
    if n > 1:
        mean = mean_interval(accuracy)
        share = fraction_interval(int((rows["accuracy"] >= TARGET).sum()), n)
        words = [f"Median of {n} runs: {words[0].split(' Test')[0]} Half of the runs took {seconds[0]:.2f} to "
                 f"{seconds[2]:.2f} s.",
                 f"Mean test accuracy {mean.mean:.2f}% (95% interval {mean.low:.2f} to {mean.high:.2f}%), lowest "
                 f"{accuracy.min():.2f}%, highest {accuracy.max():.2f}%. {share.mean:.0%} of the runs reach "
                 f"{100 * TARGET:.1f}% ({100 * share.low:.0f} to {100 * share.high:.0f}%)."]
    return words
