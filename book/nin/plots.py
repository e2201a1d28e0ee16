"""Drawings: data in, matplotlib Axes out. Chapters 1 to 7."""

import math

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patches
from matplotlib.text import Text
from matplotlib_inline.backend_inline import set_matplotlib_formats

from .compare import mean_interval

# Okabe & Ito's, told apart by colour-blind readers.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, GREY = COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442",
    "#7F7F7F")
OUTCOME_COLOURS = {"clean": SKY, "classes lost": ORANGE, "late": GREEN,
                   "collapsed": RED, "diverged": GREY}


def style():
    """Set matplotlib's defaults for the book: on white, for screens of 390 pixels too.

    There a figure of 5 inches is shown at 70 pixels an inch: 9.5 points are 9 pixels.
    """
    set_matplotlib_formats("png")  # d2l's plots switch to SVG
    plt.rcParams.update({
        "figure.dpi": 160, "savefig.dpi": 160, "figure.facecolor": "white",
        "figure.figsize": (5, 3.4), "figure.constrained_layout.use": True,
        "font.size": 10, "axes.titlesize": 11, "image.cmap": "gray",
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
        "grid.alpha": 0.25, "axes.axisbelow": True, "legend.frameon": False,
        "axes.prop_cycle": plt.cycler(color=COLOURS)})


def on_black(figure):
    """A figure of photographs on their own ground, in the book's both themes."""
    figure.set_facecolor("#121212")
    for text in figure.findobj(Text):
        if text.get_color() == "black":
            text.set_color("white")
    for ax in figure.axes:
        ax.tick_params(colors="white")
        ax.set_facecolor("#121212")
        plt.setp(ax.spines.values(), edgecolor="white")
    return figure


def stack(ax, rows, title):
    """A network as boxes from bottom to top: rows of (text, colour or None)."""
    arrow = {"arrowstyle": "-|>", "color": GREY, "shrinkA": 0, "shrinkB": 0}
    for i, (text, colour) in enumerate(rows):
        low = i * 1.25
        ax.add_patch(patches.FancyBboxPatch(
            (0, low), 1, 1, boxstyle="round,pad=0,rounding_size=0.06",
            facecolor=(colour or "#FFFFFF") + "40", edgecolor=colour or GREY))
        ax.text(0.5, low + 0.5, text, ha="center", va="center", fontsize=9.5)
        if i:
            ax.annotate("", (0.5, low), (0.5, low - 0.25), arrowprops=arrow)
    ax.set(xlim=(-0.05, 1.05), ylim=(-0.2, len(rows) * 1.25), title=title)
    ax.axis("off")
    return ax


def images(axes, pictures, titles=()):
    """Grey images (n, 28, 28) or (n, 1, 28, 28), one to each of a flat row of axes."""
    for i, ax in enumerate(axes):
        ax.axis("off")
        if i < len(pictures):
            most = 255 if pictures[i].max() > 1 else 1
            ax.imshow(pictures[i].squeeze(), vmin=0, vmax=most)
        if i < len(titles):
            ax.set_title(titles[i], fontsize=9.5)
    return axes


def maps(axes, image, class_maps, titles, highlight=()):
    """Class maps (k, h, w) over one image, all in the same colours.

    Returns the last overlay, for a colour bar; titles in `highlight` are set off.
    """
    limit = max(float(abs(class_maps).max()), 1e-12)
    size = image.shape[-1]
    extent = (0, size, size, 0)
    for i, ax in enumerate(axes):
        ax.imshow(image.squeeze(), extent=extent, vmin=0)
        shown = ax.imshow(class_maps[i], extent=extent, cmap="PuOr_r", vmin=-limit,
                          vmax=limit, alpha=0.65)
        weight, colour = ("bold", SKY) if i in highlight else ("normal", "black")
        ax.set_title(titles[i], fontsize=9.5, fontweight=weight, color=colour)
        ax.axis("off")
    return shown


def losses(ax, curves):
    """Training losses {label: values per step} as means of 20 steps; dashed: ln 10."""
    for label, values in curves.items():
        n = max(1, min(20, len(values) // 2))
        smooth = [sum(values[i:i + n]) / n for i in range(len(values) - n + 1)]
        ax.plot(range(n, len(values) + 1), smooth, label=label)
    ax.axhline(math.log(10), color=GREY, linestyle="--", linewidth=1)
    ax.annotate("ln 10", (1, math.log(10)), xycoords=("axes fraction", "data"),
                xytext=(-4, 3), textcoords="offset points", ha="right", color=GREY)
    ax.set(xlabel="step", ylabel="cross-entropy (nats)", ylim=(0, None))
    ax.legend()
    return ax


def confusion(ax, matrix, classes):
    """Counts (k, k), rows the true classes; only the mistakes are coloured."""
    off = matrix.copy().astype(float)
    np.fill_diagonal(off, 0)
    dark = 0.6 * max(off.max(), 1)
    ax.imshow(off, cmap="Blues")
    for i, row in enumerate(matrix):
        for j, count in enumerate(row):
            if count:
                ax.text(j, i, int(count), ha="center", va="center", fontsize=9.5,
                        color="white" if off[i, j] > dark else "black",
                        fontweight="bold" if i == j else "normal")
    ax.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    ax.set_yticks(range(len(classes)), classes)
    ax.set(xlabel="predicted class", ylabel="true class")
    ax.grid(False)
    return ax


def runs(ax, recorded, measure=None, label="test accuracy (%)"):
    """Every recorded run a dot in its outcome's colour, a row per label.

    A bar is the clean runs' 95% interval. `measure` takes a run, and may return None.
    Without it the test accuracy is shown: below 50%, and of diverged runs, as a
    triangle at the left end.
    """
    rows, floor = {}, 50 if measure is None else None
    measure = measure or _accuracy
    for run in recorded:
        rows.setdefault(run["label"], []).append(run)
    for row, group in enumerate(rows.values()):
        clean = []
        for i, run in enumerate(group):
            # So that no dot hides one.
            place = row + 0.4 * (i - (len(group) - 1) / 2) / max(1, len(group) - 1)
            value, marker = measure(run), "o"
            if value is not None and run["outcome"] == "clean":
                clean.append(value)
            if floor is not None and (value is None or value < floor):
                value, marker = floor, "<"
            if value is not None:
                ax.plot(value, place, marker, markersize=5, alpha=0.85,
                        color=OUTCOME_COLOURS.get(run["outcome"], GREY),
                        label=run["outcome"])
        if len(clean) > 2:
            mean, low, high, _ = mean_interval(clean)
            ax.plot([low, high], [row, row], color=BLUE, linewidth=3,
                    solid_capstyle="butt")
            ax.plot(mean, row, "D", color=BLUE, markersize=6)
    names = [f"{name} (n = {len(group)})" for name, group in rows.items()]
    ax.set_yticks(range(len(rows)), names)
    if any(line.get_marker() == "<" for line in ax.lines):
        label = f"{label}\ntriangles: below {floor}, or none"
    ax.set(xlabel=label, ylim=(len(rows) - 0.5, -0.5))
    handles = dict(zip(*reversed(ax.get_legend_handles_labels())))
    ends = [end for end in OUTCOME_COLOURS if end in handles]
    ax.legend([handles[end] for end in ends], ends, loc="lower right",
              bbox_to_anchor=(1, 1), ncols=3, fontsize=9.5, handletextpad=0.2,
              columnspacing=1)
    return ax


def panels(groups, *how):
    """A figure of `runs`, a panel for each of {title: recorded runs}; returns its axes.

    `how` is the measure and its label.
    """
    heights = [1.7 + 0.5 * len({run["label"] for run in some})
               for some in groups.values()]
    _, axes = plt.subplots(len(heights), 1, figsize=(5, sum(heights)), squeeze=False,
                           height_ratios=heights)
    for ax, (title, some) in zip(axes.flat, groups.items()):
        rows = math.ceil(len(runs(ax, some, *how).get_legend().texts) / 3)
        ax.set_title(title, loc="left", pad=8 + 15 * rows)  # above the legend
    return axes.flat


def _accuracy(run):
    """A recorded run's test accuracy in percent, or None."""
    return None if run["test_acc"] is None else 100 * run["test_acc"]


def spread(ax, curves, colour, label, least=1e-12):
    """Several runs' values per 20 steps: geometric mean, and a band from least to most.

    On a logarithmic axis; zeros are drawn at `least`.
    """
    logs = np.log(np.maximum(np.array(curves, dtype=float), least))  # (runs, windows)
    steps = 20 * np.arange(1, logs.shape[1] + 1)
    low, high = np.exp(logs.min(0)), np.exp(logs.max(0))
    ax.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
    ax.plot(steps, np.exp(logs.mean(0)), color=colour, linewidth=1.5, label=label)
    ax.set(xlabel="step", yscale="log")
    return ax


def ladder(ax, rates, bounds):
    """Bars of images/s, {path: rate or None}; dashed: the lowest of {bound: rate}."""
    name, most = min(bounds.items(), key=lambda bound: bound[1])
    for row, rate in enumerate(rates.values()):
        if rate is None or math.isnan(rate):
            ax.text(0, row, " not available here", va="center", fontsize=9.5)
        else:
            ax.barh(row, rate, color=BLUE if row else GREY)
            ax.text(rate, row, f" {rate:,.0f} ", va="center", ha="left", fontsize=9.5)
    ax.axvline(most, color=ORANGE, linestyle="--")
    ax.annotate(f"bound by {name}", (most, 1), xycoords=("data", "axes fraction"),
                xytext=(-4, 2), textcoords="offset points", ha="right", fontsize=9.5)
    ax.set_yticks(range(len(rates)), list(rates))
    ax.set(xlabel="training images/s", xlim=(0, 1.08 * most),
           ylim=(len(rates) - 0.5, -0.5))
    return ax


def bars(ax, parts, unit, scale=1.0):
    """Stacked bars {row: {part: value}}, divided by `scale` and labelled in `unit`."""
    names = list(dict.fromkeys(part for row in parts.values() for part in row))
    for row, values in enumerate(parts.values()):
        left = 0.0
        for part, value in values.items():
            known = part in ax.get_legend_handles_labels()[1]
            ax.barh(row, value / scale, left=left, label=None if known else part,
                    color=COLOURS[names.index(part) % len(COLOURS)])
            left += value / scale
    ax.set_yticks(range(len(parts)), list(parts))
    ax.set(xlabel=unit, ylim=(len(parts) - 0.5, -0.5))
    ax.legend()
    return ax
