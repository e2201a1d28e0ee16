"""Intervals, tests and verdicts, against hand calculation, independent formulas and made-up runs."""

import math

import numpy as np
import pytest
from scipy import stats

from made_up import run
from nin.compare import (
    Contrast,
    Difference,
    contrast,
    fisher,
    fraction_interval,
    holm,
    judge,
    mcnemar,
    mean_interval,
    verdict,
    welch,
)
from nin.runs.read import described

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


# Contrasts between recorded runs, and what is judged from them


def points(size):
    return f"{size:.2f} points"


def accuracy(line):
    return line.get("seen_acc")


def read(label, line):
    return described(line, label, "pocket")


def lines(label, values, **how):
    return [read(label, {**run(label, seed, **how), "seen_acc": value}) for seed, value in enumerate(values)]


def known(low, high, n=10, reference_n=10):
    return Contrast(Difference((low + high) / 2, low, high, 0.5), n, reference_n)


MANY = [0.91, 0.92, 0.93, 0.90, 0.91, 0.92, 0.90, 0.93, 0.92]
MORE = [0.94, 0.95, 0.96, 0.94, 0.95, 0.93, 0.96, 0.95]


def test_a_contrast_is_welchs():
    found = contrast({"a": lines("a", MANY), "b": lines("b", MORE)}, "b", "a", accuracy)
    assert found == (welch(MANY, MORE), 8, 9)
    assert found.difference.mean == pytest.approx(np.mean(MORE) - np.mean(MANY))
    assert found.text() == f"+0.03 [{found.difference.low:+.2f}, {found.difference.high:+.2f}], 8 and 9"


def test_a_contrast_takes_eight_runs_a_side():
    a, b = lines("a", MANY), lines("b", MORE)
    assert contrast({"a": a, "b": b[:7]}, "b", "a", accuracy) is None
    assert contrast({"a": a[:7], "b": b}, "b", "a", accuracy) is None
    assert contrast({"a": a}, "b", "a", accuracy) is None and contrast({}, "b", "a", accuracy) is None


def test_runs_that_are_not_clean_and_lines_without_the_measure_are_left_out():
    a, b = lines("a", MANY), lines("b", MORE)
    before = contrast({"a": a, "b": b}, "b", "a", accuracy)
    old = [{key: value for key, value in line.items() if key != "seen_acc"} for line in lines("a", [0, 0, 0])]
    stuck, lost = lines("b", [0.1, 0.1], collapsed=True), lines("b", [0.8, 0.8], lost=[3])
    diverged = [read("b", {**run("b", 9), "history": [], "diverged": "step 7"})]
    late = lines("b", [0.8], losses=[2.3026] * 30 + [1.0] * 17)
    ends = [line["outcome"] for line in (*stuck, *lost, *diverged, *late)]
    assert ends == ["collapsed"] * 2 + ["classes lost"] * 2 + ["diverged", "late"]
    assert contrast({"a": a + old, "b": b + stuck + lost + diverged + late}, "b", "a", accuracy) == before
    assert contrast({"a": a, "b": b[:7] + stuck + late}, "b", "a", accuracy) is None
    assert contrast({"a": a[:7] + old, "b": b}, "b", "a", accuracy) is None


@pytest.mark.parametrize("contrasts, text", [
    ({"x": None, "y": None}, "**open**: no comparison has eight clean runs a side"),
    ({"x": known(0.1, 0.3), "y": known(0.5, 0.9, 9)},
     "**seen**, on average 0.20 points or more (9 to 10 clean runs a side)"),
    ({"x": known(-0.1, 0.3), "y": known(-0.5, 0.2)},
     "**not seen**; effects above 0.30 points are excluded (10 clean runs a side)"),
    ({"x": known(-0.9, -0.3), "y": known(-0.9, 0.0)},
     "**not seen**; effects above 0.00 points are excluded (10 clean runs a side)"),
    ({"x": known(-0.9, -0.3), "y": known(-0.9, -0.1)}, "**not seen**; the contrary holds (10 clean runs a side)"),
    ({"x": known(-0.1, 0.3), "y": None},
     "**not seen**; effects above 0.30 points are excluded (10 clean runs a side, in 1 of 2 comparisons)"),
    ({"x": known(0.1, 0.3), "y": known(-0.5, 0.2), "z": known(-0.5, 0.4, 8, 9)},
     "**it depends**. Seen x. Not seen y, z; there effects above 0.40 points are excluded "
     "(8 to 10 clean runs a side)")])
def test_the_verdict_follows_the_intervals(contrasts, text):
    assert judge(contrasts, points) == text


def test_a_mark_says_from_where_on_an_effect_counts():
    """Gradients: on a scale of powers of ten, a factor of ten is 1."""
    def factor(size):
        return f"a factor of {10**size:.0f}"

    def verdict_on(low, high):
        return judge({"x": known(low, high)}, factor, mark=1).removesuffix(" (10 clean runs a side)")

    assert verdict_on(0.2, 0.7) == "**not seen**; effects above a factor of 5 are excluded"
    assert verdict_on(-0.7, -0.2) == "**not seen**; effects above a factor of 1 are excluded"
    assert verdict_on(-1.7, -1.2) == "**not seen**; the contrary holds"
    assert verdict_on(1.2, 1.4) == "**seen**, on average a factor of 20 or more"
    assert verdict_on(0.2, 2.0).endswith("above a factor of 100 are excluded")  # not seen, nor ruled out
