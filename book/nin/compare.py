"""Comparing variants over seeds: intervals, tests, verdicts. Chapters 2, 4 and 7."""

import math
from typing import NamedTuple

from scipy import stats

CONFIDENCE = 0.95
LEAST = 8  # clean runs a side, below which no accuracies are compared


class Interval(NamedTuple):
    """A mean (or a fraction) of n runs with its 95% interval, in the values' unit."""

    mean: float
    low: float
    high: float
    n: int


class Difference(NamedTuple):
    """mean(b) - mean(a) with its 95% interval and the p-value of Welch's test."""

    mean: float
    low: float
    high: float
    p: float

    @property
    def detected(self):
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def mean_interval(values):
    """Mean of the values with Student's t interval; one value has none (nan)."""
    values = list(values)
    if not values:
        raise ValueError("no runs to average: record some first, or leave this variant "
                         "out")
    mean, n = sum(values) / len(values), len(values)
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    t = stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1)
    half = t * stats.tstd(values) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def fraction_interval(k, n):
    """k of n with Wilson's interval, right also at 0 and n (Wilson 1927)."""
    if not 0 <= k <= n or n == 0:
        raise ValueError(f"k of n needs 0 ≤ k ≤ n and n > 0, not {k} of {n}")
    interval = stats.binomtest(k, n).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(k / n, float(interval.low), float(interval.high), n)


def welch(a, b):
    """mean(b) - mean(a) by Welch's test, which lets variances differ (Welch 1947)."""
    if len(a) < 2 or len(b) < 2:
        raise ValueError(f"a comparison needs two runs on each side at least, not "
                         f"{len(a)} and {len(b)}")
    test = stats.ttest_ind(b, a, equal_var=False)
    low, high = map(float, test.confidence_interval(CONFIDENCE))
    return Difference(sum(b) / len(b) - sum(a) / len(a), low, high, float(test.pvalue))


def fisher(a, b):
    """p of Fisher's exact test, two-sided, that groups (k, n) have the same share."""
    (k, n), (j, m) = a, b
    return float(stats.fisher_exact([[k, n - k], [j, m - j]]).pvalue)


def mcnemar(pairs):
    """p of McNemar's exact test, two-sided, on truths (a, b) of runs with one seed.

    They share their first weights. Only pairs that differ count: under no difference,
    either way is as likely (McNemar 1947).
    """
    only_a = sum(a and not b for a, b in pairs)
    only_b = sum(b and not a for a, b in pairs)
    if only_a + only_b == 0:
        return 1.0
    return float(stats.binomtest(only_a, only_a + only_b).pvalue)


def holm(ps):
    """{name: p} adjusted, so that 5% bounds the chance of a false find (Holm 1979)."""
    adjusted, most = {}, 0.0
    for rank, (name, p) in enumerate(sorted(ps.items(), key=lambda item: item[1])):
        most = max(most, min(1.0, p * (len(ps) - rank)))
        adjusted[name] = most
    return {name: adjusted[name] for name in ps}


def verdict(name_a, a, name_b, b):
    """A sentence on the accuracies (0 to 1) of two variants' clean runs, in points."""
    sides = f"{name_b} against {name_a}"
    if min(len(a), len(b)) < LEAST:
        return (f"{sides}: {len(b)} against {len(a)} clean runs, too few to compare "
                f"accuracies (at least {LEAST} a side).")
    d = welch(a, b)
    mean, low, high = (100 * value for value in d[:3])
    points = f"{mean:+.2f} points [{low:+.2f}, {high:+.2f}]"
    found = f"{sides}: {points}, n = {len(b)} against {len(a)}; "
    if d.detected:
        return f"{found}Welch's p = {d.p:.2g}."
    return (f"{found}no difference detected, effects above "
            f"{max(abs(low), abs(high)):.2f} points are excluded.")
