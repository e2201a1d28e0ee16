"""Comparing variants over seeds: shares and means with intervals, and the tests that decide a sentence."""

import math
from typing import NamedTuple

from scipy import stats

CONFIDENCE = 0.95
LEAST = 8  # clean runs a side, below which no accuracies are compared


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


def fisher(a, b):
    """p of Fisher's exact test, two-sided, that two independent groups (k, n) have the same share."""
    (k, n), (j, m) = a, b
    return float(stats.fisher_exact([[k, n - k], [j, m - j]]).pvalue)


def mcnemar(pairs):
    """p of McNemar's exact test, two-sided, on (a, b) truths of runs that share their seed, hence their weights.

    Only pairs that differ count: under no difference, either way is as likely (McNemar 1947).
    """
    only_a, only_b = sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)
    return float(stats.binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def holm(ps):
    """p-values adjusted for their number, {name: p}, so that 5% bounds the chance of any false find (Holm 1979)."""
    adjusted, most = {}, 0.0
    for rank, (name, p) in enumerate(sorted(ps.items(), key=lambda item: item[1])):
        most = max(most, min(1.0, p * (len(ps) - rank)))
        adjusted[name] = most
    return {name: adjusted[name] for name in ps}


def verdict(name_a, a, name_b, b):
    """One sentence on the accuracies (0 to 1) of two variants' clean runs, in percentage points; none below 8 a side."""
    if min(len(a), len(b)) < LEAST:
        return (f"{name_b} against {name_a}: {len(b)} against {len(a)} clean runs, too few to compare accuracies "
                f"(at least {LEAST} a side).")
    d = welch(a, b)
    points = f"{100 * d.mean:+.2f} points [{100 * d.low:+.2f}, {100 * d.high:+.2f}], n = {len(b)} against {len(a)}"
    if d.detected:
        return f"{name_b} against {name_a}: {points}; Welch's p = {d.p:.2g}."
    excluded = 100 * max(abs(d.low), abs(d.high))
    return f"{name_b} against {name_a}: {points}; no difference detected, effects above {excluded:.2f} points are excluded."


class Contrast(NamedTuple):
    """A difference between two variants, and how many runs of each it rests on."""

    difference: Difference
    n: int
    reference_n: int

    def text(self, digits=2):
        """The difference, its 95% interval and the runs on either side: "+0.31 [+0.10, +0.52], 10 and 9"."""
        mean, low, high = self.difference[:3]
        return f"{mean:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}], {self.n} and {self.reference_n}"


def contrast(groups, label, reference, measure):
    """mean(label) - mean(reference) of a measure over the clean recorded runs; None without two on each side.

    `groups` is {label: runs}; `measure` takes a run, and returns None where its line lacks what is needed.
    """
    values, against = ([value for run in groups.get(name, []) if run["outcome"] == "clean"
                        and (value := measure(run)) is not None] for name in (label, reference))
    if min(len(values), len(against)) < 2:
        return None
    return Contrast(welch(against, values), len(values), len(against))


def judge(contrasts, size, mark=0.0):
    """The verdict on a fear, in Markdown, from {condition: Contrast or None}; a positive difference bears it out.

    It is seen under a condition if the 95% interval lies above `mark`; elsewhere effects above the interval are
    excluded. `size` turns an effect into words: 0.3 into "0.30 points".
    """
    known = {condition: c for condition, c in contrasts.items() if c is not None}
    if not known:
        return "**not yet decided**: too few clean runs are recorded"
    seen = [condition for condition, c in known.items() if c.difference.low > mark]
    others = [condition for condition in known if condition not in seen]
    runs = [n for c in known.values() for n in (c.n, c.reference_n)]
    basis = f"n = {min(runs)}" + (f" to {max(runs)}" if max(runs) > min(runs) else "")
    if len(known) < len(contrasts):
        basis += f", {len(known)} of {len(contrasts)} comparisons recorded"
    if not others:
        least = min(c.difference.mean for c in known.values())
        return f"**seen**: {size(least)} or more on average ({basis})"
    excluded = f"effects above {size(max(0.0, *(known[condition].difference.high for condition in others)))} excluded"
    if all(c.difference.high < -mark for c in known.values()):
        return f"**not seen**, the contrary holds ({basis})"
    if not seen:
        return f"**not seen** ({excluded}; {basis})"
    return f"**depends on** the comparison: seen {'; '.join(seen)}; not {'; '.join(others)} ({excluded}; {basis})"
