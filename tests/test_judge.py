"""Verdicts from made-up runs, in every direction, with lines missing, collapsed or with fewer fields."""

import numpy as np
import pytest

from made_up import run
from nin.compare import Difference, welch
from nin.judge import Contrast, contrast, judge
from nin.runs.read import described


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


def test_a_contrast_is_welchs():
    a, b = [0.91, 0.92, 0.93, 0.90], [0.94, 0.95, 0.96]
    found = contrast({"a": lines("a", a), "b": lines("b", b)}, "b", "a", accuracy)
    assert found == (welch(a, b), 3, 4)
    assert found.difference.mean == pytest.approx(np.mean(b) - np.mean(a))
    assert found.text() == f"+0.03 [{found.difference.low:+.2f}, {found.difference.high:+.2f}], 3 and 4"


def test_runs_that_are_not_clean_and_lines_without_the_measure_are_left_out():
    a, b = lines("a", [0.91, 0.92]), lines("b", [0.94, 0.95, 0.96])
    before = contrast({"a": a, "b": b}, "b", "a", accuracy)
    old = [{key: value for key, value in line.items() if key != "seen_acc"} for line in lines("a", [0, 0, 0])]
    stuck, lost = lines("b", [0.1, 0.1], collapsed=True), lines("b", [0.8, 0.8], lost=[3])
    diverged = [read("b", {**run("b", 9), "history": [], "diverged": "step 7"})]
    late = lines("b", [0.8], losses=[2.3026] * 30 + [1.0] * 17)
    ends = [line["outcome"] for line in (*stuck, *lost, *diverged, *late)]
    assert ends == ["collapsed"] * 2 + ["classes lost"] * 2 + ["diverged", "late"]
    assert contrast({"a": a + old, "b": b + stuck + lost + diverged + late}, "b", "a", accuracy) == before
    assert contrast({"a": a + old, "b": b[:1] + stuck}, "b", "a", accuracy) is None
    assert contrast({"a": a}, "b", "a", accuracy) is None and contrast({"a": old, "b": b}, "b", "a", accuracy) is None


@pytest.mark.parametrize("contrasts, verdict", [
    ({"x": None, "y": None}, "**not yet decided**: too few clean runs are recorded"),
    ({"x": known(0.1, 0.3), "y": known(0.5, 0.9, 9)}, "**seen**: 0.20 points or more on average (n = 9 to 10)"),
    ({"x": known(-0.1, 0.3), "y": known(-0.5, 0.2)}, "**not seen** (effects above 0.30 points excluded; n = 10)"),
    ({"x": known(-0.9, -0.3), "y": known(-0.9, 0.0)}, "**not seen** (effects above 0.00 points excluded; n = 10)"),
    ({"x": known(-0.9, -0.3), "y": known(-0.9, -0.1)}, "**not seen**, the contrary holds (n = 10)"),
    ({"x": known(-0.1, 0.3), "y": None},
     "**not seen** (effects above 0.30 points excluded; n = 10, 1 of 2 comparisons recorded)"),
    ({"x": known(0.1, 0.3), "y": known(-0.5, 0.2), "z": known(-0.5, 0.4, 7, 8)},
     "**depends on** the comparison: seen x; not y; z (effects above 0.40 points excluded; n = 7 to 10)")])
def test_the_verdict_follows_the_intervals(contrasts, verdict):
    assert judge(contrasts, points) == verdict


def test_a_mark_says_from_where_on_an_effect_counts():
    """Gradients: on a scale of powers of ten, a factor of ten is 1."""
    def factor(size):
        return f"a factor of {10**size:.0f}"

    assert judge({"x": known(0.2, 0.7)}, factor, 1) == "**not seen** (effects above a factor of 5 excluded; n = 10)"
    assert judge({"x": known(-0.7, -0.2)}, factor, 1) == "**not seen** (effects above a factor of 1 excluded; n = 10)"
    assert judge({"x": known(-1.7, -1.2)}, factor, mark=1) == "**not seen**, the contrary holds (n = 10)"
    assert judge({"x": known(1.2, 1.4)}, factor, mark=1).startswith("**seen**: a factor of 20 or more")
    assert "above a factor of 100 excluded" in judge({"x": known(0.2, 2.0)}, factor, mark=1)  # not seen, nor ruled out
