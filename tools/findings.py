"""Writes the front page's figures and thumbnails, from recorded runs and from shapes: python tools/findings.py"""

import json
import math
import os
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STATIC = ROOT / "book" / "_static"
sys.path.insert(0, str(ROOT / "book"))

import torch  # noqa: E402

from nin import costs, plots  # noqa: E402
from nin.bench.rows import benched  # noqa: E402
from nin.compare import fraction_interval, mean_interval  # noqa: E402
from nin.data import load  # noqa: E402
from nin.model import build, nin  # noqa: E402
from nin.recipes import BEST, SECTION, TOP, Variant  # noqa: E402
from nin.runs import answers, read  # noqa: E402
from nin.scale import SCALES  # noqa: E402
from nin.stem import interpolation  # noqa: E402

VALUES = "findings.json"
START, KAIMING, LINEAR, BOTH = (f"{name}, lr 0.1" for name in ("the section", "Kaiming", "linear logits", "both"))
HALF = "both, lr 0.05"
NONE, ONE, TWO = (f"{name}, {answers.SECTIONS}" for name in ("no 1×1", "one 1×1", "two 1×1s"))
SOUND_NONE, SOUND_ONE, SOUND_TWO = (f"{name}, {answers.SOUNDS}" for name in ("no 1×1", "one 1×1", "two 1×1s"))
ONE_STEP, BLOCK, GRADUAL = (f"{name}, a sound recipe" for name in ("one-step 3×3", "NiN block", "gradual"))


def share(groups, labels, truth):
    """Of the runs with one of the labels, those for which `truth` holds: "12 of 20 runs [39%, 78%]"."""
    runs = [run for label in labels for run in groups[label]]
    found = fraction_interval(sum(map(truth, runs)), len(runs))
    return f"{sum(map(truth, runs))} of {found.n} runs [{found.low:.0%}, {found.high:.0%}]"


def clean(run):
    """Whether a run ended clean."""
    return run["outcome"] == "clean"


def measured(groups):
    """{name: text} of what recorded runs, {label: runs}, show."""
    found = {f"clean_{name}": share(groups, [label], clean) for name, label in
             (("section", START), ("kaiming", KAIMING), ("linear", LINEAR), ("both", BOTH), ("half", HALF))}
    found |= {f"lost_{name}": share(groups, labels, lambda run: run["outcome"] == "classes lost") for name, labels in
              (("relu", (START, KAIMING)), ("linear", (LINEAR, BOTH)))}
    for name, label in (("section", START), ("kaiming", KAIMING)):
        found[f"plateau_{name}"] = answers.left_after(groups[label])
    rings = [run for run in groups[START] if not clean(run)]
    found["rings_lost"] = f"{sum(run['outcome'] == 'classes lost' for run in rings)} of {len(rings)}"
    ends = [100 * run["test_acc"] for run in groups[START] + groups[KAIMING] if run["outcome"] == "classes lost"]
    return found | {"lost_accuracy": f"{min(ends):.0f}% to {max(ends):.0f}%",
                    "section_accuracy": accuracy(groups, START)}


def accuracy(groups, label):
    """The mean accuracy of a label's clean runs with its 95% interval: "83.5% [80.9, 86.2]"."""
    found = mean_interval([answers.accuracy(run) for run in groups[label] if clean(run)])
    return f"{found.mean:.1f}% [{found.low:.1f}, {found.high:.1f}]"


def topped(groups):
    """{name: text} of the ladder's top, from the runs of exercise 1 on the test set, {label: runs}."""
    runs = groups[TOP]
    return {"top_parameters": f"{runs[0]['parameters']:,}", "top_epochs": f"{BEST.num_epochs}",
            "top_accuracy": accuracy(groups, TOP), "top_n": f"{sum(map(clean, runs))} of {len(runs)} runs clean"}


def difference(groups, name, label, reference, digits):
    """{name: text} of how much more accurate a label's clean runs are: points with the 95% interval, runs a side."""
    found = answers.contrast(groups, label, reference, answers.accuracy)
    mean, low, high = (f"{value:+.{digits}f}" for value in found.difference[:3])
    return {f"{name}_points": f"{mean} points [{low}, {high}]",
            f"{name}_n": f"{found.n} against {found.reference_n} clean runs"}


def started(groups):
    """{name: text} of one 1×1 less in the body and of none, by a recipe that starts, from its runs, {label: runs}."""
    return (difference(groups, "sound", SOUND_ONE, SOUND_TWO, 2)
            | difference(groups, "sound_none", SOUND_NONE, SOUND_TWO, 2))


def removed(groups):
    """{name: text} of one 1×1 less in each block and of none, from the runs of exercise 2, {label: runs}."""
    return ({"plateau_one": answers.left_after(groups[ONE])} | difference(groups, "one", ONE, TWO, 1)
            | difference(groups, "none", NONE, TWO, 1))


def stepped(groups):
    """{name: text} of the heads of exercise 4 under the sound recipe, from its runs, {label: runs}."""
    return difference(groups, "step", ONE_STEP, BLOCK, 2) | difference(groups, "gradual", GRADUAL, ONE_STEP, 2)


def sprinted():
    """{name: text} of the sprint's recorded runs."""
    runs, _ = benched("sprint")
    accuracy = mean_interval(100 * runs["accuracy"])
    return {"sprint_runs": f"{len(runs)}", "sprint_seconds": f"{runs['all (s)'].median():.1f} seconds",
            "sprint_accuracy": f"{accuracy.mean:.1f}% [{accuracy.low:.1f}, {accuracy.high:.1f}]"}


def counted():
    """{name: text} of what follows from shapes alone."""
    rows, colour = costs.layers(nin()), costs.layers(nin(in_channels=3), (1, 3, 224, 224))
    total, macs = sum(row.parameters for row in rows), sum(row.macs for row in rows)
    bare = costs.layers(build(Variant(num_1x1=0)))
    head = [row for row in rows if row.name.startswith("7.") and row.parameters]
    a = interpolation()
    second = next(row for row in rows if row.kind.startswith("conv 5×5"))
    channels, maps = second.in_shape[1], (1, *second.in_shape[1:])
    narrow = costs.layers(torch.nn.Conv2d(channels, second.shape[1], 1), maps)[0]
    assert second.kept_bytes == narrow.kept_bytes and second.out_bytes == narrow.out_bytes
    notes = sum(row.parameters for row in colour)
    pocket = sum(row.parameters for row in costs.layers(
        build(SCALES["pocket"].variant(SECTION.variant)), (1, 1, 28, 28)))
    return {
        "parameters": f"{total:,}", "pocket_parameters": f"{pocket:,}",
        "notes_parameters": f"{notes:,}", "notes_mebi": f"{notes / 2**20:.2f}",
        "window_weights": f"{len(a) ** 2}",
        "window_combinations": f"{torch.linalg.matrix_rank(torch.kron(a, a)).item()}",
        "bare_parameters": f"{sum(row.parameters for row in bare) / total:.0%}",
        "bare_macs": f"{sum(row.macs for row in bare) / macs:.0%}",
        "head_parameters": f"{sum(row.parameters for row in head):,}",
        "head_step": f"{head[0].parameters:,}", "head_1x1": f"{sum(row.parameters for row in head[1:]):,}",
        "wide_weights": f"{second.weights // narrow.weights}"}


def svg(width, height, words, parts):
    """A drawing that takes its text colour from the page."""
    return "\n".join([f'<svg class="thumbnail" viewBox="0 0 {width} {height}" role="img" aria-label="{words}" '
                      'font-size="14" fill="currentColor">', *parts, "</svg>\n"])


def outcomes(groups):
    """Every run of the section's recipe as a dot over its accuracy: filled where it ended clean."""
    left, right, base = 12, 288, 130

    def across(accuracy):
        return left + (right - left) * accuracy

    parts = [f'<path d="M{left} {base}H{right}" stroke="currentColor"/>']
    for accuracy in (0.1, 0.5, 0.9):
        parts.append(f'<text x="{across(accuracy):.0f}" y="{base + 17}" text-anchor="middle">{accuracy:.0%}</text>')
    placed = []
    for run in sorted(groups[START], key=lambda run: run["test_acc"]):
        x, y = across(run["test_acc"]), base - 8
        while any(math.hypot(x - u, y - v) < 10 for u, v in placed):
            y -= 1
        placed.append((x, y))
        colour = plots.OUTCOME_COLOURS[run["outcome"]]
        fill = colour if clean(run) else "none"
        parts.append(f'<circle cx="{x:.1f}" cy="{y}" r="4" fill="{fill}" stroke="{colour}" stroke-width="2"/>')
    bad = sum(not clean(run) for run in groups[START])
    return svg(300, 150, f"{len(placed)} runs of one recipe over their test accuracy, from 10% to 90%: "
               f"{len(placed) - bad} filled dots ended clean, {bad} rings did not", parts)


def plateau(groups):
    """The first 1,500 steps of the loss, of the section's recipe and of Kaiming's initialisation, every run a line."""
    steps, top, low, high = 1500, 2.45, 0.4, 127

    def point(step, loss):
        return f"{12 + 276 * step / steps:.1f} {high * (top - max(low, loss)) / (top - low):.1f}"

    parts = ['<g fill="none" stroke-width="1.3" stroke-opacity="0.65">']
    for label, colour in ((KAIMING, plots.GREEN), (START, plots.ORANGE)):
        for run in groups[label]:
            losses = run.get("losses", [])[:steps // 20]
            places = [point(20 * i + 10, statistics.mean(losses[i:i + 3])) for i in range(0, len(losses), 3)
                      if all(map(math.isfinite, losses[i:i + 3]))]
            parts.append(f'<path stroke="{colour}" d="M{" ".join(places)}"/>' if places else "")
    ln10 = high * (top - math.log(10)) / (top - low)
    parts += ["</g>", f'<path d="M12 {ln10:.1f}H288" stroke="currentColor" stroke-dasharray="4 3"/>',
              f'<text x="288" y="{ln10 + 16:.0f}" text-anchor="end">ln 10</text>',
              f'<path d="M12 {high + 2}H288" stroke="currentColor"/>',
              f'<text x="12" y="145">step 0</text><text x="288" y="145" text-anchor="end">{steps:,}</text>']
    return svg(300, 150, f"The loss over the first {steps:,} steps: under Kaiming's initialisation, green, it falls at "
               "once; under the section's, orange, it stands at ln 10 first", [part for part in parts if part])


def window(image):
    """A window of 11×11 enlarged pixels over some pixels of an image, uint8 (28, 28)."""
    side, rows, columns, top, left = 50, 3, 6, 15, 9
    parts = [f'<rect x="{side * j}" width="{side}" y="{side * i}" height="{side}" '
             f'fill="rgb({g} {g} {g})"/>' for i, row in enumerate(image[top:top + rows, left:left + columns].tolist())
             for j, g in enumerate(row)]
    x, y, unit = 2.5 * side, side, side / 8  # a window starts every half pixel
    lines = "".join(f"M{x + unit * t:g} {y:g}v{11 * unit:g}M{x:g} {y + unit * t:g}h{11 * unit:g}" for t in range(12))
    parts.append(f'<path d="{lines}" fill="none" stroke="#000" stroke-width="3"/>'
                 f'<path d="{lines}" fill="none" stroke="#ffd24d" stroke-width="1"/>')
    return svg(300, 150, "A window of 11 by 11 cells over large grey pixels, of which it covers less than two in each "
               "direction", parts)


def files():
    """{name: text} of all that the front page takes from here."""
    runs = read.load("training") + read.load("training-rate")
    groups, ones = read.by_label(runs), read.by_label(read.load("exercise-2-one-by-one"))
    heads, sounds, tuned = (read.by_label(read.load(name)) for name in (
        "exercise-4-one-step", "exercise-2-sound", "exercise-1-tuning"))
    values = (measured(groups) | removed(ones) | started(sounds) | stepped(heads) | topped(tuned) | sprinted()
              | counted())
    return {VALUES: json.dumps(values, indent=1, ensure_ascii=False) + "\n",
            "thumbnail-outcomes.svg": outcomes(groups), "thumbnail-plateau.svg": plateau(groups),
            "thumbnail-window.svg": window(load(train=False).images[0, 0])}


def main():
    """Write them."""
    os.environ.setdefault("NIN_DATA", "sample")  # its first image is the whole set's
    for name, text in files().items():
        (STATIC / name).write_text(text, encoding="utf-8")
    print(f"written to {STATIC}")


if __name__ == "__main__":
    main()
