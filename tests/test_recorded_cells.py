"""The cells of chapters 4 and 5 that read recorded runs, on made-up lines: none, some, all of them."""

import random

import matplotlib
import matplotlib.pyplot as plt
import pytest

import notebooks
from made_up import run_of
from nin import plots
from nin.runs import read
from nin.runs.studies import STUDIES

matplotlib.use("agg")
CHAPTERS = {
    "exercise-1-tuning": (("exercise-1-choice", "exercise-1-tuning", "exercise-1-notes", "training-rate"), (
        "setup", "short-answer", "ladder-options", "ladder-figure", "ladder-table", "ladder-gain", "many-comparisons",
        "corners", "notes-answer-recorded", "test-set", "test-mark", "test-figure", "live-options", "landmarks",
        "found")),
    "exercise-2-one-by-one": (("exercise-2-one-by-one", "exercise-2-sound", "exercise-2-more"), (
        "setup", "short-answer", "published", "study-options", "study-figure", "study-table", "plateau-figure",
        "verdicts", "live-options", "found"))}


@pytest.fixture
def shown(monkeypatch):
    """Runs a chapter's cells on at most n seeds a recipe; returns {cell: what it displayed}."""
    monkeypatch.setattr(plots, "style", lambda: None)
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))

    def show(chapter, n, better=None):
        studies, cells = CHAPTERS[chapter]
        lines = []
        for study in studies:
            for label, seeds in ((label, STUDIES[study].seeds_for(label)) for label in STUDIES[study].recipes):
                for seed in list(seeds)[:n]:
                    noise = random.Random(f"{label}, {seed}").gauss(0, 0.002)
                    lines.append(run_of(study, label, seed, accuracy=0.9 + noise + 0.02 * (label == better)))
        monkeypatch.setattr(read, "lines", lambda folder: lines)
        sources = {cell.id: cell.source for cell in notebooks.read(notebooks.BOOK / f"{chapter}.ipynb").cells}
        names, found = {}, {}
        for cell in cells:
            found[cell] = []
            exec(sources[cell], names)
            if cell == "setup":
                names["display"] = lambda *things: found[next(reversed(found))].extend(things)
        return {cell: [getattr(thing, "data", thing) for thing in things] for cell, things in found.items()}

    return show


def texts(found):
    return "\n".join(thing for things in found.values() for thing in things if isinstance(thing, str))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_without_runs_no_figure_and_no_table_of_nothing(shown, chapter):
    found = shown(chapter, 0)
    assert "*Figure" not in texts(found) and texts(found).count("Not answered yet") <= 4
    assert "**Not answered yet:** " in found["short-answer"][0]
    assert [thing for things in found.values() for thing in things
            if hasattr(thing, "columns") and not len(thing)] == []
    assert "**Yes.**" not in texts(found) and "Recorded at pocket size: 0 of " in texts(found)


@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_few_runs_are_shown(shown, chapter, n):
    found = shown(chapter, n)
    assert texts(found).count("*Figure") == 2 and "nan" not in texts(found)


def test_the_ladder_is_answered_when_all_its_rungs_are_there(shown):
    found = shown("exercise-1-tuning", 20, better="+ momentum 0.9")
    options, = found["ladder-options"]
    right = [part for part in options.split("<details>") if "**Yes.**" in part]
    assert len(right) == 1 and "Momentum, one-cycle" in right[0] and "“+ momentum 0.9”: +2." in right[0]
    assert options.count("**No.**") == 3
    assert "The mark is **not reached** (n = 10).\n" in found["test-mark"][0]  # 0.9 on the test set
    assert "biases of a network already trained, against a fresh network: **no difference is seen.**" in texts(found)


def test_one_against_two_is_answered_and_turns(shown):
    for better, word, established in (("two 1×1s, a sound recipe", "Worse", True), (
            "one 1×1, a sound recipe", "Better", True), (None, "No difference is established", False)):
        found = shown("exercise-2-one-by-one", 20, better)
        options, = found["study-options"]
        right = [part for part in options.split("<details>") if "**Yes.**" in part]
        assert len(right) == 1 and f"<summary>{word}</summary>" in right[0] and options.count("**No.**") == 2
        assert ("**a difference in accuracy is established.**" in found["verdicts"][0]) is established
        assert "exploratory" in found["verdicts"][1] and "one 1×1 against" not in found["verdicts"][1]


def test_the_live_predictions_are_answered_by_recorded_runs(shown):
    """Made-up runs all leave ln 10 at once; of the other recipe's there are none, so no option is right yet."""
    options, = shown("exercise-1-tuning", 5)["live-options"]
    assert options.count("Within 300 steps 5 of 5 recorded runs at lr 0.05 left ln 10.") == 3
    assert "**Yes.**" not in options
    options, = shown("exercise-2-one-by-one", 3)["live-options"]
    right, = (option for option in options.split("<details>") if "**Yes.**" in option)
    assert "They are level" in right and "over 3 and 3 recorded runs." in right and options.count("**No.**") == 2
