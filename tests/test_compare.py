"""Intervals and tests against hand calculation and independent formulas."""

import math

import numpy as np
import pytest
from scipy import stats

from nin.compare import collapsed, fraction_interval, mean_interval, plateau_end, summarise, verdict, welch

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


@pytest.mark.parametrize("loss, stuck", [(2.3026, True), (2.26, True), (2.2, False), (0.3, False), (math.nan, True)])
def test_collapsed(loss, stuck):
    assert collapsed([{"loss": 0.1}, {"loss": loss}]) is stuck
    assert collapsed([])


def test_the_verdict_follows_the_data():
    mean = 100 * (np.mean(B) - np.mean(A))
    assert verdict("A", A, "B", B).startswith(f"B against A: {mean:+.2f} points [")
    assert "detected" not in verdict("A", A, "B", B)
    assert "no difference detected, effects above" in verdict("A", A, "B", A)


def test_summary_keeps_collapses_apart():
    runs = [{"label": "a", "collapsed": False, "history": [{"test_acc": 0.5}, {"test_acc": 0.8}]},
            {"label": "b", "collapsed": True, "history": []},
            {"label": "a", "collapsed": True, "history": [{"test_acc": 0.1}]},
            {"label": "a", "collapsed": False, "history": [{"test_acc": 0.9}]}]
    a, b = summarise(runs)
    assert (a["n"], a["collapsed"], a["accuracies"]) == (3, 1, [0.8, 0.9])
    assert a["interval"] == mean_interval([0.8, 0.9]) and a["collapsed_interval"] == fraction_interval(1, 3)
    assert b["interval"] is None and b["collapsed"] == b["n"] == 1


def test_the_plateau_ends_where_the_loss_leaves_ln_10_for_the_first_time():
    assert plateau_end({"losses": [2.303, 2.26, 2.24, 2.3, 1.0]}) == 60
    assert plateau_end({"losses": [2.303, 2.4]}) is None and plateau_end({"diverged": "..."}) is None
    assert plateau_end({"losses": [1.0]}, num_classes=2) is None
