"""What `python -m nin bench` has written, read back for chapter 6 and the page on speed. Needs no torch."""

import heapq
import json

import pandas as pd

from ..compare import fraction_interval, mean_interval
from ..scale import RESULTS

# The parts of a benchmark, and the minutes that each takes on a GPU: guesses.
MINUTES = {"bound": 0.2, "start": 0.5, "speed": 5, "pocket": 3, "accuracy": 3, "growth": 2, "profile": 0.2,
           "memory": 1.5, "layers": 1}
PARTS = tuple(MINUTES)
SPRINTS = {"sprint": ("--runs 100", 10), "sprint ladder": ("--ladder", 15)}  # how they are recorded, and the minutes
TARGET = 0.874  # the section's test accuracy
# What a step does, by words in the names of torch's operations; the first that fits.
KINDS = {"convolutions": ("conv",), "ReLU": ("clamp_min", "relu", "threshold"), "pooling": ("pool", "aten::mean"),
         "dropout": ("bernoulli", "dropout"), "update and gradients": ("sgd", "optimizer", "add_", "foreach"),
         "copies, casts and filling": ("copy", "fill_", "zero", "contiguous", "cat", "aten::to")}


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
    if parts[0] in SPRINTS:
        return "In `book/`, `python -m nin sprint {}` records it, in about {} minutes.".format(*SPRINTS[parts[0]])
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


def ladder_words(rows):
    """What the rows of the sprint's ladder say, in lines of Markdown: what costs accuracy, what seconds, what neither.

    A difference in accuracy counts from two of its standard errors on, one in seconds from a tenth on.
    """
    base, found = rows.iloc[0], {"accuracy": [], "seconds": [], "brings": [], "nothing": []}
    for name, row in rows.iloc[1:].iterrows():
        points = 100 * (row["accuracy"] - base["accuracy"])
        error = 100 * (row["standard error"] ** 2 + base["standard error"] ** 2) ** 0.5
        longer = row["all (s)"] / base["all (s)"] - 1
        worse, better, slower = points < -2 * error, points > 2 * error, longer > 0.1
        kind = ("accuracy" if worse else "seconds" if slower else "brings" if better or longer < -0.1 else "nothing")
        found[kind].append(f"{name} ({points:+.2f} points, {longer:+.0%} s)")
    told = {"accuracy": "Taking back costs accuracy: ", "seconds": "Costs time and no accuracy: ",
            "brings": "Would bring something: ", "nothing": "Changes neither beyond chance: "}
    return [f"- {told[kind]}{'; '.join(names)}." for kind, names in found.items() if names]


def arithmetic(rows):
    """The part "growth" as {what is varied: DataFrame of value, images/s and GFLOP/s, by rising value}."""
    rows = rows[rows["varied"] != "processes × threads"]
    rows = rows.assign(**{"GFLOP/s": rows["images/s"] * rows["GFLOP an image"]})
    return {varied: some.sort_values("value")[["value", "images/s", "GFLOP/s"]].astype(float)
            for varied, some in rows.groupby("varied", sort=False)}


def growth_words(rows, most=None):
    """What the part "growth" says, in lines of Markdown; `most` is the machine's GFLOP/s, where it is known."""
    found, batch = arithmetic(rows), arithmetic(rows)["batch size"]
    one, best = batch.iloc[0], batch.loc[batch["images/s"].idxmax()]
    near = batch.loc[batch["images/s"] >= 0.9 * best["images/s"], "value"].min()
    words = [f"- **Batch.** A step of a batch of {one['value']:.0f} takes "
             f"{1000 * one['value'] / one['images/s']:.1f} ms. Batches of {best['value']:,.0f} run at "
             f"{best['images/s'] / one['images/s']:.0f} times its images/s; nine tenths of that are reached at "
             f"{near:,.0f}."]
    for varied, name in (("width", "Width"), ("pixels to a side", "Image")):
        low, high = found[varied].iloc[0], found[varied].iloc[-1]
        work = high["GFLOP/s"] / high["images/s"] / (low["GFLOP/s"] / low["images/s"])
        of_bound = f", {high['GFLOP/s'] / most:.0%} of its bound" if most else ""
        words.append(f"- **{name}.** From {low['value']:g} to {high['value']:g} an image costs {work:.0f} times the "
                     f"arithmetic and {low['images/s'] / high['images/s']:.0f} times the time: the machine does "
                     f"{low['GFLOP/s']:,.0f} GFLOP/s at the one end, {high['GFLOP/s']:,.0f} at the other{of_bound}.")
    return words


def together(rows):
    """Of the part "growth": images/s by processes × threads, as a DataFrame, beside one process with one thread."""
    rows = rows[rows["varied"] == "processes × threads"].set_index("value")[["images/s"]]
    return rows.assign(**{"× one": rows["images/s"] / rows["images/s"].iloc[0]}).rename_axis("processes × threads")


def finished_after(seconds, workers):
    """Seconds until independent runs are done: the longest first, each by the worker that is free first."""
    free = [0.0] * workers
    for run in sorted(seconds, reverse=True):
        heapq.heapreplace(free, free[0] + run)
    return max(free)


def profile_kinds(rows):
    """The part "profile" by kind of operation: a DataFrame of ms a step and their share in %, most first."""
    spent = rows.drop("whole step")["ms a step"]
    kinds = [next((kind for kind, words in KINDS.items() if any(word in name.lower() for word in words)), "all else")
             for name in spent.index]
    found = spent.groupby(kinds).sum().sort_values(ascending=False).to_frame()
    return found.assign(**{"share (%)": 100 * found["ms a step"] / found["ms a step"].sum()}).rename_axis("operations")


def profile_words(rows, most=None):
    """What the part "profile" says, in one line of Markdown; `most` is the machine's TFLOP/s, where it is known."""
    kinds, whole = profile_kinds(rows), rows.loc["whole step"]
    share, rate = kinds.loc["convolutions", "share (%)"], whole["GFLOP"] / kinds.loc["convolutions", "ms a step"]
    of_bound = f", {rate / most:.0%} of the bound's" if most else ""
    rest = ", ".join(f"{name} {row['share (%)']:.0f}%" for name, row in kinds.drop("convolutions").iterrows()
                     if row["share (%)"] >= 0.5)
    return (f"A step of {whole['batch size']:.0f} images spends {share:.0f}% of its time in convolutions, at "
            f"{rate:.2f} TFLOP/s{of_bound}. The rest: {rest}. If all of it cost nothing, a step would be "
            f"{100 / share:.2f} times as fast, and no more.")
