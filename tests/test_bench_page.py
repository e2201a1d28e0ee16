"""The cells of the page on speed that read the benchmark's newer parts, on made-up rows: none, and all of them."""

import json

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from IPython.display import Markdown

import notebooks
from nin import plots
from nin.bench import rows, sprint
from nin.costs import training_work
from nin.recipes import SECTION

matplotlib.use("agg")
CELLS = {cell.id: cell for cell in notebooks.read(notebooks.BOOK / "speed.ipynb").cells}
SHOWN = ("full-profile", "growth-options", "growth", "growth-words", "growth-together", "studies", "sprint-options",
         "sprint", "sprint-d2l", "sprint-ladder")


def points(side):
    """Made-up rows of the part "growth", where an image of 192 pixels takes `side` times as long as one of 96."""
    yield from ({"varied": "batch size", "value": n, "images/s": 100.0 * n ** 0.5, "GFLOP an image": 0.1}
                for n in (1, 16, 128))
    yield from ({"varied": "width", "value": w, "images/s": 10 / w, "GFLOP an image": w * w} for w in (0.25, 0.5, 1.0))
    yield from ({"varied": "pixels to a side", "value": n, "images/s": 800 / (side if n > 96 else 1),
                 "GFLOP an image": n * n / 1e5} for n in (96, 192))
    yield from ({"varied": "processes × threads", "value": name, "images/s": rate}
                for name, rate in (("1 × 1", 2000.0), ("1 × 2", 3000.0), ("2 × 1", 3900.0)))


def made_up(side=3.0, seconds=2.5, accuracy=0.876):
    """{part: made-up rows}."""
    runs = [{"path": f"seed {n}", "accuracy": accuracy + n / 1e4, "read (s)": 0.2, "train (s)": seconds - 0.4,
             "evaluate (s)": 0.2, "import (s)": 2.0, "all (s)": seconds + n / 100} for n in range(-5, 6)]
    limits = {"float32 (TFLOP/s)": 0.25, "bfloat16 (TFLOP/s)": 0.5}
    return {
        "bound": [{"path": "bound", **limits}, {"path": "bound, pocket", **limits}],
        "speed": [{"path": "d2l", "images/s": 25.0}],
        "profile": [{"path": "aten::mkldnn_convolution", "ms a step": 900.0},
                    {"path": "aten::clamp_min", "ms a step": 100.0},
                    {"path": "whole step", "ms a step": 1000.0, "GFLOP": 405.0, "batch size": 128}],
        "growth": [{"path": f"{row['varied']} {row['value']}", **row} for row in points(side)],
        "sprint": runs,
        "sprint ladder": [{"path": name, "runs": 10, "accuracy": 0.878 - 0.004 * n, "standard error": 0.001,
                           "all (s)": 2.0} for n, name in enumerate(sprint.CHANGES)]}


@pytest.fixture
def shown(monkeypatch, tmp_path):
    """Runs the cells on a file with these parts; returns {cell: what it displayed}, Markdown as its text."""
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    monkeypatch.setattr(rows.bench_files, "__kwdefaults__", {"folder": tmp_path})
    monkeypatch.setattr(rows.benched, "__defaults__", (tmp_path,))

    def show(parts):
        about = {"device": "CPU made up", "torch": "2", "python": "3", "measured on": "2026-01-01"}
        lines = [json.dumps({"part": part, **about, **row}) for part, some in parts.items() for row in some]
        if lines:
            (tmp_path / "bench-made-up.jsonl").write_text("\n".join(lines), encoding="utf-8")
        found = {}
        names = {"Markdown": Markdown, "pd": pd, "plt": plt, "plots": plots, "SECTION": SECTION,
                 "training_work": training_work, "bench_files": rows.bench_files, "bench_part": rows.bench_part,
                 "display": lambda *things: found[next(reversed(found))].extend(things)}
        for cell in SHOWN:
            found[cell] = []
            exec(CELLS[cell].source, names)
        return {cell: [getattr(thing, "data", thing) for thing in things] for cell, things in found.items()}

    return show


def text(found, cell):
    return "\n".join(thing for thing in found[cell] if isinstance(thing, str))


def test_what_is_not_recorded_is_said_in_a_line_and_nothing_is_drawn(shown):
    found = shown({})
    everything = "\n".join(text(found, cell) for cell in SHOWN)
    assert "*Figure" not in everything and "**Yes.**" not in everything and "nan" not in everything
    for cell, command in (("full-profile", "bench --only profile"), ("growth", "bench --only growth"),
                          ("sprint", "sprint --runs 100"), ("sprint-ladder", "sprint --ladder")):
        assert f"`python -m nin {command}`" in text(found, cell) and len(found[cell]) == 1
    assert found["sprint-d2l"] == found["growth-words"] == [] and "different runs" in text(found, "studies")


def test_what_is_recorded_is_shown(shown):
    found = shown(made_up())
    everything = "\n".join(text(found, cell) for cell in SHOWN)
    assert "*Figure B.2" in text(found, "growth") and "*Figure B.3" in text(found, "sprint")
    assert "nan" not in everything and "python -m nin" not in everything
    assert "90% of its time in convolutions, at 0.45 TFLOP/s, 90% of the bound's" in text(found, "full-profile")
    assert "1.30 times the images/s of one process with two threads" in text(found, "growth-together")
    assert "Median of 11 runs: 2.50 s" in text(found, "sprint") and "Mean test accuracy 87.60%" in text(found, "sprint")
    assert "take 6.7 hours in training alone: 9,600 times as long" in text(found, "sprint-d2l")
    cluster = found["studies"][1]
    assert cluster["hours"].is_monotonic_decreasing and cluster["times as fast"].iloc[0] == pytest.approx(1, abs=0.05)
    longest = float(text(found, "studies").split("run alone takes ")[1].split()[0])
    assert cluster["hours"].iloc[-1] >= longest
    assert list(found["sprint-ladder"][1].index) == list(sprint.CHANGES)


@pytest.mark.parametrize("side, seconds, right", [(3.0, 1.5, ("Clearly less", "Under two")),
                                                  (4.0, 4.0, ("About four", "Two to five")),
                                                  (5.0, 45.0, ("Clearly more", "More"))])
def test_predictions_are_answered_by_the_rows(shown, side, seconds, right):
    found = shown(made_up(side, seconds))
    for cell, start in zip(("growth-options", "sprint-options"), right):
        options = text(found, cell).split("<details>")[1:]
        yes, = (option for option in options if "**Yes.**" in option)
        assert yes.startswith(f"<summary>{start}")
        assert sum("**No.**" in option for option in options) == len(options) - 1
