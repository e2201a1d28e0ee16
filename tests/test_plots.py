"""Runs as a band and as dots: what is drawn are their values, means and outcomes."""

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest

from made_up import run
from nin import plots
from nin.compare import mean_interval
from nin.runs.read import described


def test_a_band_from_least_to_most_with_the_geometric_mean():
    figure, ax = plt.subplots()
    plots.spread(ax, [[1.0, 4.0, 0.0], [100.0, 9.0, 1e-4]], "red", "two runs", least=1e-8)
    line, = ax.get_lines()
    assert line.get_xdata().tolist() == [20, 40, 60] and ax.get_yscale() == "log"
    assert line.get_ydata() == pytest.approx([10, 6, 1e-6])
    band = np.concatenate([path.vertices for path in ax.collections[0].get_paths()])
    for x, low, high in ((20, 1, 100), (40, 4, 9), (60, 1e-8, 1e-4)):
        at = band[band[:, 0] == x, 1]
        assert (at.min(), at.max()) == pytest.approx((low, high))
    plt.close(figure)


def test_every_run_is_a_dot_in_the_colour_of_its_outcome():
    ends = [{}, {"accuracy": 0.8}, {"accuracy": 0.85}, {"lost": [3], "accuracy": 0.8}, {"collapsed": True}]
    runs = [described(run("a", seed, **how), "a", "pocket") for seed, how in enumerate(ends)]
    runs += [described({**run("b", 0), "history": [], "diverged": "step 7"}, "b", "pocket")]
    figure, ax = plt.subplots()
    plots.runs(ax, runs)
    dots = [line for line in ax.lines if line.get_marker() in "o<"]
    assert [line.get_color() for line in dots] == [plots.OUTCOME_COLOURS[run["outcome"]] for run in runs]
    assert [line.get_xdata()[0] for line in dots[:4]] == pytest.approx([90, 80, 85, 80])
    assert [line.get_marker() for line in dots] == ["o"] * 4 + ["<"] * 2  # collapsed and diverged: at the left end
    assert all(abs(line.get_ydata()[0] - (i == 5)) < 0.5 for i, line in enumerate(dots))  # a row per label
    diamond, = (line for line in ax.lines if line.get_marker() == "D")  # of the clean runs alone
    bar, = (line for line in ax.lines if len(line.get_xdata()) == 2)
    interval = mean_interval([90, 80, 85])
    assert diamond.get_xdata()[0] == pytest.approx(85) and list(bar.get_xdata()) == pytest.approx(interval[1:3])
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a (n = 5)", "b (n = 1)"]
    assert [text.get_text() for text in ax.get_legend().texts] == ["clean", "classes lost", "collapsed", "diverged"]
    plt.close(figure)


def test_of_another_measure_runs_without_a_value_are_left_out():
    runs = [described({**run("a", seed), "gap": gap}, "a", "pocket") for seed, gap in enumerate([1.0, None, -2.0])]
    figure, ax = plt.subplots()
    plots.runs(ax, runs, lambda run: run["gap"], "gap (points)")
    assert [line.get_xdata()[0] for line in ax.lines] == [1.0, -2.0] and ax.get_xlabel() == "gap (points)"
    plt.close(figure)


def test_groups_of_runs_have_a_panel_each_as_high_as_their_rows():
    one, two = (described(run(label, 0), label, "pocket") for label in "ab")
    first, second = plots.panels({"short": [one, one], "long": [one, two]}, lambda run: 1.0, "ones")
    assert [ax.get_title(loc="left") for ax in (first, second)] == ["short", "long"]
    assert [len(ax.get_yticklabels()) for ax in (first, second)] == [1, 2] and second.get_xlabel() == "ones"
    assert first.figure.get_size_inches().tolist() == pytest.approx([5, 2.2 + 2.7])
    plt.close(first.figure)


def test_photographs_lie_on_black():
    figure, axes = plt.subplots(1, 2)
    plots.maps(axes, np.ones((28, 28)), np.ones((2, 4, 4)), ["one", "two"], highlight={1})
    bar = figure.colorbar(axes[0].images[1], ax=axes, label="value")
    plots.on_black(figure)
    assert axes[0].title.get_color() == "white" == bar.ax.yaxis.label.get_color()
    assert axes[1].title.get_color() == plots.SKY
    assert all(label.get_color() == "white" for label in bar.ax.get_yticklabels())
    plt.close(figure)
