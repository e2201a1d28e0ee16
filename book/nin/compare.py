"""Comparing variants over seeds: means with intervals, Welch's test, collapses counted apart."""

import math
from typing import NamedTuple

from scipy import stats

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A mean (or a fraction) of n runs with its 95% confidence interval, in the unit of the values."""

    mean: float
    low: float
    high: float
    n: int


class Difference(NamedTuple):
    """mean(b) - mean(a) with its 95% confidence interval and the p-value of Welch's test."""

    mean: float
    low: float
    high: float
    p: float

    @property
    def detected(self):
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def mean_interval(values):
    """Mean of the values with Student's t interval; one value has no interval (nan)."""
    values = list(values)
    if not values:
        raise ValueError("no runs to average: record some first, or leave this variant out")
    mean, n = sum(values) / len(values), len(values)
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    half = stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1) * stats.tstd(values) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def fraction_interval(k, n):
    """k of n with Wilson's interval, right also at 0 and n (Wilson 1927)."""
    if not 0 <= k <= n or n == 0:
        raise ValueError(f"k of n needs 0 ≤ k ≤ n and n > 0, not {k} of {n}")
    interval = stats.binomtest(k, n).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(k / n, float(interval.low), float(interval.high), n)


def welch(a, b):
    """The difference mean(b) - mean(a) by Welch's test, which lets the variances differ (Welch 1947)."""
    if len(a) < 2 or len(b) < 2:
        raise ValueError(f"a comparison needs two runs on each side at least, not {len(a)} and {len(b)}")
    test = stats.ttest_ind(b, a, equal_var=False)
    interval = test.confidence_interval(CONFIDENCE)
    return Difference(sum(b) / len(b) - sum(a) / len(a), float(interval.low), float(interval.high), float(test.pvalue))


def collapsed(history, num_classes=10):
    """Whether a run never left the plateau: its loss still within 0.05 of ln(num_classes), or no number at all."""
    loss = history[-1]["loss"] if history else math.nan
    return not loss < math.log(num_classes) - 0.05


def plateau_end(run, num_classes=10):
    """The step of a recorded run by which the mean loss of 20 steps first lay 0.05 below ln(num_classes), or None."""
    return next((20 * (i + 1) for i, loss in enumerate(run.get("losses", []))
                 if loss < math.log(num_classes) - 0.05), None)


def verdict(name_a, a, name_b, b):
    """One sentence on the accuracies (0 to 1) of two variants, in percentage points."""
    d = welch(a, b)
    points = f"{100 * d.mean:+.2f} points [{100 * d.low:+.2f}, {100 * d.high:+.2f}], n = {len(b)} against {len(a)}"
    if d.detected:
        return f"{name_b} against {name_a}: {points}; Welch's p = {d.p:.2g}."
    excluded = 100 * max(abs(d.low), abs(d.high))
    return f"{name_b} against {name_a}: {points}; no difference detected, effects above {excluded:.2f} points are excluded."


def summarise(runs):
    """One row per variant of recorded runs: its accuracies, those that started alone, and how many collapsed.

    Takes what `nin.record.load` gives; returns dicts, in the order in which the variants were recorded first.
    """
    rows = {}
    for run in runs:
        row = rows.setdefault(run["label"], {"label": run["label"], "n": 0, "collapsed": 0, "accuracies": []})
        row["n"] += 1
        row["collapsed"] += run["collapsed"]
        if not run["collapsed"]:
            row["accuracies"].append(run["history"][-1]["test_acc"])
    for row in rows.values():
        row["collapsed_interval"] = fraction_interval(row["collapsed"], row["n"])
        row["interval"] = mean_interval(row["accuracies"]) if row["accuracies"] else None
    return list(rows.values())
