"""Drawings of the book: data in, matplotlib Axes out. Colours: Okabe & Ito's, told apart by colour-blind readers."""

import math

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patches
from matplotlib_inline.backend_inline import set_matplotlib_formats

from .compare import mean_interval

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#7F7F7F")
COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, GREY)


def style():
    """Set matplotlib's defaults for the book: readable at 390 pixels, white behind the axes."""
    set_matplotlib_formats("png")  # d2l's plots switch to SVG
    plt.rcParams.update({
        "figure.dpi": 110, "savefig.dpi": 110, "figure.facecolor": "white", "font.size": 11,
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25,
        "axes.axisbelow": True, "axes.prop_cycle": plt.cycler(color=COLOURS), "legend.frameon": False,
        "figure.constrained_layout.use": True, "image.cmap": "gray"})


def stack(ax, rows, title, width=1.0):
    """A network as boxes from its input at the bottom to its output at the top: rows of (text, colour or None)."""
    for i, (text, colour) in enumerate(rows):
        box = patches.FancyBboxPatch((0, i * 1.25), width, 1, boxstyle="round,pad=0,rounding_size=0.06",
                                     facecolor=(colour or "#FFFFFF") + "40", edgecolor=colour or GREY)
        ax.add_patch(box)
        ax.text(width / 2, i * 1.25 + 0.5, text, ha="center", va="center", fontsize=8.5)
        if i:
            ax.annotate("", (width / 2, i * 1.25), (width / 2, i * 1.25 - 0.25),
                        arrowprops={"arrowstyle": "-|>", "color": GREY, "shrinkA": 0, "shrinkB": 0})
    ax.set(xlim=(-0.05, width + 0.05), ylim=(-0.2, len(rows) * 1.25), title=title)
    ax.axis("off")
    return ax


def images(axes, pictures, titles=()):
    """Grey images (n, 28, 28) or (n, 1, 28, 28), one to an axes of the flat sequence `axes`."""
    for i, ax in enumerate(axes):
        ax.axis("off")
        if i < len(pictures):
            ax.imshow(pictures[i].squeeze(), vmin=0, vmax=255 if pictures[i].max() > 1 else 1)
        if i < len(titles):
            ax.set_title(titles[i], fontsize=9)
    return axes


def maps(axes, image, class_maps, titles, highlight=()):
    """Class maps (k, h, w) over one image, all in the same colours; returns the last overlay, for a colour bar."""
    limit = max(float(abs(class_maps).max()), 1e-12)
    size = image.shape[-1]
    for i, ax in enumerate(axes):
        ax.imshow(image.squeeze(), extent=(0, size, size, 0), vmin=0)
        shown = ax.imshow(class_maps[i], extent=(0, size, size, 0), cmap="PuOr_r", vmin=-limit, vmax=limit, alpha=0.65)
        ax.set_title(titles[i], fontsize=9, fontweight="bold" if i in highlight else "normal",
                     color=BLUE if i in highlight else "black")
        ax.axis("off")
    return shown


def losses(ax, curves, window=20, num_classes=10):
    """Training losses per step, {label: values}, each the mean of `window` steps, with the line at ln(num_classes)."""
    for label, values in curves.items():
        n = max(1, min(window, len(values) // 2))
        smooth = [sum(values[i:i + n]) / n for i in range(len(values) - n + 1)]
        ax.plot(range(n, len(values) + 1), smooth, label=label)
    ax.axhline(math.log(num_classes), color=GREY, linestyle="--", linewidth=1)
    ax.annotate(f"ln {num_classes}", (1, math.log(num_classes)), xycoords=("axes fraction", "data"),
                xytext=(-4, 3), textcoords="offset points", ha="right", color=GREY)
    ax.set(xlabel="step", ylabel="cross-entropy (nats)", ylim=(0, None))
    ax.legend()
    return ax


def confusion(ax, matrix, classes):
    """Counts (k, k): rows are the true classes, columns the predicted ones; the diagonal's colour is left out."""
    off = matrix.copy().astype(float)
    off[range(len(off)), range(len(off))] = 0
    ax.imshow(off, cmap="Blues")
    for i, row in enumerate(matrix):
        for j, count in enumerate(row):
            if count:
                ax.text(j, i, int(count), ha="center", va="center", fontsize=8,
                        color="white" if off[i, j] > 0.6 * max(off.max(), 1) else "black",
                        fontweight="bold" if i == j else "normal")
    ax.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    ax.set_yticks(range(len(classes)), classes)
    ax.set(xlabel="predicted class", ylabel="true class")
    ax.grid(False)
    return ax


OUTCOME_COLOURS = {"clean": SKY, "classes lost": ORANGE, "late": GREEN, "collapsed": RED, "diverged": GREY}


def runs(ax, recorded, measure=None, label="test accuracy (%)"):
    """Every recorded run a dot in the colour of its outcome, a row per label; a bar for the clean ones' 95% interval.

    `measure` takes a run, and may return None. Without it the test accuracy is shown: below 50%, and of diverged runs,
    as a triangle at the left end.
    """
    rows = {}
    for run in recorded:
        rows.setdefault(run["label"], []).append(run)
    floor = 50 if measure is None else None
    measure = measure or (lambda run: None if run["test_acc"] is None else 100 * run["test_acc"])
    for row, group in enumerate(rows.values()):
        for i, run in enumerate(group):
            place = row + 0.4 * (i - (len(group) - 1) / 2) / max(1, len(group) - 1)  # so that no dot hides one
            value = measure(run)
            if value is None and floor is None:
                continue
            beyond = floor is not None and (value is None or value < floor)
            ax.plot(floor if beyond else value, place, "<" if beyond else "o", markersize=5, alpha=0.85,
                    color=OUTCOME_COLOURS.get(run["outcome"], GREY), label=run["outcome"])
        clean = [value for run in group if run["outcome"] == "clean" and (value := measure(run)) is not None]
        if len(clean) > 2:
            interval = mean_interval(clean)
            ax.plot([interval.low, interval.high], [row, row], color=BLUE, linewidth=3, solid_capstyle="butt")
            ax.plot(interval.mean, row, "D", color=BLUE, markersize=6)
    ax.set_yticks(range(len(rows)), [f"{name} (n = {len(group)})" for name, group in rows.items()])
    triangles = any(line.get_marker() == "<" for line in ax.lines)
    ax.set(xlabel=f"{label}; triangles: below {floor}, or none" if triangles else label, ylim=(len(rows) - 0.5, -0.5))
    handles = dict(zip(*reversed(ax.get_legend_handles_labels())))
    ax.legend([handles[end] for end in OUTCOME_COLOURS if end in handles],
              [end for end in OUTCOME_COLOURS if end in handles], loc="lower left", bbox_to_anchor=(0, 1), ncols=3,
              fontsize=9)
    return ax


def spread(ax, curves, colour, label, window=20, least=1e-12):
    """Several runs' values per `window` steps on a logarithmic axis: geometric mean, and a band from least to most.

    Zeros are drawn at `least`.
    """
    logs = np.log(np.maximum(np.array(curves, dtype=float), least))  # (runs, windows)
    steps = window * np.arange(1, logs.shape[1] + 1)
    ax.fill_between(steps, np.exp(logs.min(0)), np.exp(logs.max(0)), color=colour, alpha=0.2, linewidth=0)
    ax.plot(steps, np.exp(logs.mean(0)), color=colour, linewidth=1.5, label=label)
    ax.set(xlabel="step", yscale="log")
    return ax


def ladder(ax, rates, bounds):
    """Horizontal bars of images/s, {path: rate or None}, the first in grey; dashed, the lowest of {bound: rate}."""
    name, most = min(bounds.items(), key=lambda bound: bound[1])
    for row, rate in enumerate(rates.values()):
        if rate is None or math.isnan(rate):
            ax.text(0, row, " not available here", va="center", fontsize=9)
        else:
            ax.barh(row, rate, color=BLUE if row else GREY)
            ax.text(rate, row, f" {rate:,.0f} ", va="center", ha="left", fontsize=9)
    ax.axvline(most, color=ORANGE, linestyle="--")
    ax.annotate(f"bound by {name}", (most, 1), xycoords=("data", "axes fraction"), xytext=(-4, 2),
                textcoords="offset points", ha="right", fontsize=9)
    ax.set_yticks(range(len(rates)), list(rates))
    ax.set(xlabel="training images/s", xlim=(0, 1.08 * most), ylim=(len(rates) - 0.5, -0.5))
    return ax


def bars(ax, parts, unit, scale=1.0):
    """Stacked horizontal bars: {row: {part: value}}, values divided by `scale` and labelled in `unit`."""
    names = list(dict.fromkeys(part for row in parts.values() for part in row))
    for row, values in enumerate(parts.values()):
        left = 0.0
        for part, value in values.items():
            ax.barh(row, value / scale, left=left, color=COLOURS[names.index(part) % len(COLOURS)],
                    label=part if part not in ax.get_legend_handles_labels()[1] else None)
            left += value / scale
    ax.set_yticks(range(len(parts)), list(parts))
    ax.set(xlabel=unit, ylim=(len(parts) - 0.5, -0.5))
    ax.legend()
    return ax
