"""Contrasts between recorded runs, and what is judged from them, on made-up runs."""

import numpy as np
import pytest

from made_up import run
from nin.compare import Difference, welch
from nin.runs.answers import Contrast, contrast
from nin.runs.fears import judge
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
    assert verdict_on(-0.7, -0.2) == "**not seen**; every interval lies on the other side"
    assert verdict_on(-1.7, -1.2) == "**not seen**; the contrary holds"
    assert verdict_on(1.2, 1.4) == "**seen**, on average a factor of 20 or more"
    assert verdict_on(0.2, 2.0).endswith("above a factor of 100 are excluded")  # not seen, nor ruled out
