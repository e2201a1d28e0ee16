"""Intervals, tests and verdicts, against hand calculation, independent formulas and made-up runs."""

import math

import numpy as np
import pytest
from scipy import stats

from nin.compare import (
    fisher,
    fraction_interval,
    holm,
    mcnemar,
    mean_interval,
    verdict,
    welch,
)

A, B = [0.871, 0.874, 0.869, 0.880, 0.866], [0.881, 0.884, 0.879, 0.886]


def test_mean_interval_is_students():
    interval = mean_interval(A)
    low, high = stats.t.interval(0.95, len(A) - 1, loc=np.mean(A), scale=stats.sem(A))
    assert interval == pytest.approx((np.mean(A), low, high, 5))


def test_one_run_has_no_interval_and_none_is_an_error():
    assert mean_interval([0.9])[::3] == (0.9, 1) and math.isnan(mean_interval([0.9]).low)
    with pytest.raises(ValueError, match="no runs"):
        mean_interval([])


def test_welch_by_its_formula():
    va, vb = np.var(A, ddof=1) / len(A), np.var(B, ddof=1) / len(B)
    freedom = (va + vb) ** 2 / (va**2 / (len(A) - 1) + vb**2 / (len(B) - 1))
    mean, half = np.mean(B) - np.mean(A), stats.t.ppf(0.975, freedom) * math.sqrt(va + vb)
    p = 2 * stats.t.sf(abs(mean) / math.sqrt(va + vb), freedom)
    assert welch(A, B) == pytest.approx((mean, mean - half, mean + half, p))
    assert welch(A, B).detected and not welch(A, A[1:]).detected
    with pytest.raises(ValueError, match="two runs on each side"):
        welch(A, [0.9])


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = sum(i.low <= 0 <= i.high for i in (mean_interval(rng.normal(size=6)) for _ in range(2000)))
    assert 0.935 < covered / 2000 < 0.965


def test_wilson_by_its_formula():
    k, n, z = 3, 20, stats.norm.ppf(0.975)
    centre = (k / n + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(k / n * (1 - k / n) / n + z * z / (4 * n * n))
    assert fraction_interval(k, n) == pytest.approx((k / n, centre - half, centre + half, n))
    assert fraction_interval(0, 20).high > 0.1  # none of 20 does not mean never
    with pytest.raises(ValueError, match="3 of 2"):
        fraction_interval(3, 2)


def test_fisher_by_hand():
    """3 of 4 runs against 0 of 4: the chances of all splits of 3 among 8 that are no likelier than this one."""
    def ways(k):  # of 3 successes among 8 runs, k in the first group
        return math.comb(4, k) * math.comb(4, 3 - k) / math.comb(8, 3)

    assert fisher((3, 4), (0, 4)) == pytest.approx(ways(3) + ways(0)) == pytest.approx(8 / 56)
    assert fisher((2, 4), (1, 4)) == pytest.approx(1.0)
    assert fisher((0, 10), (10, 10)) == pytest.approx(2 / math.comb(20, 10)) and fisher((5, 5), (9, 9)) == 1.0


def test_mcnemar_by_hand():
    """Only pairs that differ count: 5 one way and 1 the other are (6 + 1)·2 of 64 ways."""
    pairs = [(True, False)] * 5 + [(False, True)] + [(True, True)] * 7 + [(False, False)] * 3
    assert mcnemar(pairs) == mcnemar([(b, a) for a, b in pairs]) == pytest.approx(2 * (1 + 6) / 2**6)
    assert mcnemar([(False, True)] * 8) == pytest.approx(2 / 2**8)
    assert mcnemar([]) == mcnemar([(True, True), (False, False)]) == 1.0


def test_holm_by_hand():
    assert holm({"a": 0.04, "b": 0.01, "c": 0.03}) == pytest.approx({"a": 0.06, "b": 0.03, "c": 0.06})
    assert holm({"a": 0.7, "b": 0.6}) == {"a": 1.0, "b": 1.0} and list(holm({"b": 0.5, "a": 0.1})) == ["b", "a"]
    assert holm({"a": 0.02, "b": 0.021}) == pytest.approx({"a": 0.04, "b": 0.04})  # never below the one before it


def test_the_verdict_follows_the_data():
    a, b = [*A, *A], [*B, *B]
    mean = 100 * (np.mean(b) - np.mean(a))
    assert verdict("A", a, "B", b).startswith(f"B against A: {mean:+.2f} points [")
    assert verdict("A", a, "B", b).endswith(f"n = 8 against 10; Welch's p = {welch(a, b).p:.2g}.")
    assert "no difference detected, effects above" in verdict("A", a, "B", a)


def test_eight_clean_runs_a_side_are_the_fewest_that_are_compared():
    many, few = [*A, *A][:8], [*B, *B][:7]
    for a, b in ((many, few), (few, many)):
        assert verdict("A", a, "B", b) == (f"B against A: {len(b)} against {len(a)} clean runs, too few to compare "
                                           f"accuracies (at least 8 a side).")
    assert "points" in verdict("A", many, "B", [*few, 0.9]) and "too few" in verdict("A", [], "B", many)
