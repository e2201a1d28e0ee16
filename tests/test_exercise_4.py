"""Chapter 7 with recorded runs that are made up: tables, figures and verdicts, whole, in part, in every direction."""

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
CELLS = {cell.id: cell.source for cell in notebooks.read(notebooks.BOOK / "exercise-4-one-step.ipynb").cells}
SHOWN = ("short-answer", "recorded", "measures", "recorded-table", "measures-table", "recorded-verdicts",
         "gradients-recorded", "probe-recorded", "frozen-options", "frozen", "frozen-own", "gradient-options",
         "first-gradients", "information-options",
         "overfitting-options", "overfitting", "overfitting-words", "wide",
         "judged", "fears", "family-pocket", "family-accuracy", "family-table", "found", "found-recorded")
OPEN = "All of them are **open**: no comparison has eight clean runs a side yet."
TWO = ("exercise-4-one-step", "exercise-4-section")  # the studies of the four comparisons
ALL = (*TWO, "exercise-4-overfitting", "exercise-4-wide", "family")


def line(study, label, seed, accuracy=0.9, gap=0.02, information=0.01, gradient=0.1, **how):
    """A line of a study with all that exercise 4 keeps, a little noise on everything."""
    noise = random.Random(f"{study}, {label}, {seed}").gauss
    made = run_of(study, label, seed, accuracy=accuracy + noise(0, 0.002), **how)
    accuracy = made["history"][-1]["test_acc"]
    made["history"][-1]["loss"] += noise(0, 0.01)
    return {**made, "seen_acc": accuracy + gap + noise(0, 0.002),
            "gradient": [gradient * (1 + abs(noise(0, 0.1))) / (1 + i) for i in range(47)],
            "readable": {"before, means": accuracy + information + noise(0, 0.001), "before, all": accuracy,
                         "after, means": accuracy - 0.01, "after, all": accuracy}}


@pytest.fixture
def chapter(monkeypatch):
    """Runs the recorded part on given lines; returns {cell: what it displayed} and the numbers of drawn axes."""
    monkeypatch.setattr(plots, "style", lambda: None)
    monkeypatch.setattr(plt, "show", lambda: None)
    plt.close("all")  # what other tests left open

    def show(lines):
        monkeypatch.setattr(read, "lines", lambda folder: lines)
        shown, drawn, names = {}, {}, {}
        exec(CELLS["setup"], names)
        names["display"] = lambda *things: None
        exec(CELLS["heads"], names)
        # What the last cell takes from live ones.
        names |= {"middle": {"xavier": 2.0, "kaiming": 1.0}, "ranked": {"one-step 3×3": 2, "NiN block": 5}}
        for cell in SHOWN:
            shown[cell], drawn[cell] = [], 0
            names["display"] = lambda *things, cell=cell: shown[cell].extend(things)
            exec(CELLS[cell], names)
            for number in plt.get_fignums():
                figure = plt.figure(number)
                figure.canvas.draw()  # what is only wrong when it is drawn fails here
                drawn[cell] += sum(ax.get_visible() for ax in figure.axes)
            plt.close("all")
        return {cell: [getattr(thing, "data", thing) for thing in things] for cell, things in shown.items()}, drawn

    return show


def verdicts(shown):
    return dict(text.removeprefix("- One step ").split(": ", 1) for text in shown["fears"][0].split("\n"))


def test_without_lines_it_says_what_to_run(chapter):
    shown, drawn = chapter([])
    assert not any(drawn.values())
    cells = ("recorded", "recorded", "overfitting", "wide", "family-accuracy")
    for study, cell in zip(ALL, cells, strict=True):
        assert any("0 of " in text and f"python -m nin record {study}`" in text for text in shown[cell])
    assert shown["fears"][0] == OPEN
    empty = {cell for cell, things in shown.items() if not things}
    assert empty >= {"recorded-table", "measures-table", "overfitting-words", "family-table", "probe-recorded"}
    assert shown["gradients-recorded"] == ["Not recorded yet."]
    assert not any("*Figure" in thing for things in shown.values() for thing in things if isinstance(thing, str))
    assert "whether any of the notes' five fears comes true in a trained network" in shown["short-answer"][0]


def test_heads_that_are_equal_bear_no_fear_out(chapter):
    runs = [line(study, label, seed) for study in ALL for label in STUDIES[study].recipes for seed in
            STUDIES[study].seeds_for(label)]
    shown, drawn = chapter(runs)
    assert {cell: n for cell, n in drawn.items() if n} == {
        "recorded": 2, "gradients-recorded": 4, "probe-recorded": 2, "overfitting": 1, "family-accuracy": 1}
    # At 95%, one in twenty comparisons of equal heads leaves out 0: which fears fall to that is chance.
    found = verdicts(shown)
    assert len(found) == 6 and sum(text.startswith("**not seen**; effects above") for text in found.values()) >= 4
    assert "(10 clean runs a side)" in found["limits what is learnt"]
    assert "(10 clean runs a side, in 4 of 6 comparisons)" in found["overfits"]  # that study has five seeds
    _, sound, _, section = shown["recorded-table"]
    assert list(sound.index) == ["one-step 3×3", "NiN block", "gradual", "fully connected"]
    assert list(section.index) == ["one-step 3×3", "NiN block", "gradual"] and (section["n"] == 10).all()
    measured, = shown["measures-table"]
    assert len(measured) == 7 and (measured["clean runs"] == 10).all()
    assert measured.loc[("the section's recipe", "gradual"), "dead maps"] == "0.0 → 0.0"
    assert measured.loc[("a sound recipe", "gradual"), "dead maps"] == ""  # linear logits
    named, explored = shown["recorded-verdicts"]
    assert named.count("**no difference is established.**") == named.count("\n") + 1 == 3
    assert explored.count("- A sound recipe: gradual against NiN block") == 2 and explored.count("\n- ") == 2 + 4
    assert shown["overfitting-words"] == []
    assert all("points" in option for option in shown["overfitting-options"])
    assert list(shown["family-table"][0].index) == ["1 × the MACs", "2 × the MACs", "4 × the MACs"]


def test_fears_that_come_true_are_seen(chapter):
    """One step overfits, is less accurate and has vanishing gradients; information is lost under one recipe alone."""
    runs = []
    for study, label in [(name, label) for name in ALL[:3] for label in STUDIES[name].recipes]:
        one = label.startswith("one-step 3×3")
        more = {"gap": 0.05, "accuracy": 0.85, "gradient": 0.001} if one else {}
        more["information"] = 0.06 if one and study == TWO[0] else 0.01
        runs += [line(study, label, seed, **more) for seed in STUDIES[study].seeds]
    found = verdicts(chapter(runs)[0])
    assert found["overfits"].startswith("**seen**, on average 2.") and "in 4 of 6 " in found["overfits"]
    assert found["breaks the fusion of features"].startswith("**seen**, on average 4.")
    assert found["makes gradients vanish"].startswith("**seen**, on average a factor of ")
    assert found["makes gradients explode"].startswith("**not seen**")
    assert found["loses information"].startswith(
        "**it depends**. Seen against NiN block (a sound recipe), against gradual (a sound recipe). Not seen against")
    assert all("10 clean runs a side" in found[fear] for fear in found if fear != "overfits")


def test_incomplete_records_are_shown_as_far_as_they_go(chapter):
    """Heads missing, one seed alone, runs that are not clean, lines with fewer fields; eight clean runs are enough."""
    study = TWO[1]
    label, other, third = STUDIES[study].recipes
    diverged = {**run_of(study, label, 8), "history": [], "diverged": "step 7"}
    for name in ("losses", "answered"):
        del diverged[name]
    short = [run_of(study, third, seed, accuracy=0.9 + seed / 1000) for seed in range(8)]
    for each in short:
        del each["seen_acc"]
    runs = [line(study, head, seed) for head in (label, other) for seed in range(8)]
    runs += [diverged, line(study, label, 9, lost=[6]), line(study, other, 8, collapsed=True),
            line(TWO[0], "fully connected, a sound recipe", 0, collapsed=True), *short,
            line("family", "2 × the MACs", 0), line("family", "4 × the MACs", 0, collapsed=True)]
    shown, drawn = chapter(runs)
    assert drawn["recorded"] == 2 and drawn["probe-recorded"] == 2 and drawn["gradients-recorded"] == 2
    assert "- one-step 3×3, the section's recipe: 8 clean, 1 classes lost, 1 diverged" in shown["fears"][-1]
    assert "- NiN block, the section's recipe: 8 clean, 1 collapsed" in shown["fears"][-1]
    found = verdicts(shown)
    assert "(8 clean runs a side, in 1 of 6 comparisons)" in found["overfits"]  # the short lines have no gap
    assert "(8 clean runs a side, in 2 of 4 comparisons)" in found["limits what is learnt"]
    assert list(shown["family-table"][0].index) == ["2 × the MACs", "4 × the MACs"]
    assert any("record exercise-4-overfitting" in text for text in shown["overfitting"])
    named, explored = shown["recorded-verdicts"]
    assert named.count("not recorded yet.") == 3
    assert explored.count("\n- ") == 4 and explored.count("n = 8 against 8") == 2


def test_seven_clean_runs_a_side_are_shown_and_not_judged(chapter):
    label, other, _ = STUDIES[TWO[1]].recipes
    shown, drawn = chapter([line(TWO[1], head, seed) for head in (label, other) for seed in range(7)])
    assert drawn["recorded"] == 1 and drawn["gradients-recorded"] == 2
    assert all("too few to compare" in text or "runs clean against" in text
               for text in shown["recorded-verdicts"][1].split("\n\n")[1].split("\n"))
    assert shown["fears"][0] == OPEN


def test_runs_of_which_none_is_clean_are_drawn_and_judge_nothing(chapter):
    shown, drawn = chapter([line(study, label, 0, collapsed=True) for study in ALL for label in STUDIES[study].recipes])
    assert drawn["recorded"] == 2 and drawn["gradients-recorded"] == 0 and drawn["overfitting"] == 1
    assert shown["fears"][0] == OPEN
    assert len(shown["measures-table"][0]) == 7 and (shown["measures-table"][0]["clean runs"] == 0).all()


def test_predictions_are_answered_by_what_is_recorded(chapter, monkeypatch):
    """First gradients and new heads by the experiments' cases, the information by clean runs; else none is right."""
    cases = [{"case": {"recipe": recipe, "head": head}, "relative": [2.0 * factor, 3.0 * factor, 5.1 * factor]}
             for recipe in ("the section's recipe", "a sound recipe") for head, factor in (("block", 1), ("3x3", 4))]
    bodies = [{"accuracy": {"3x3": [0.9 + body / 100], "block": [0.89 + body / 99], "gradual": [0.91 + body / 98]},
               "loss": dict.fromkeys(("3x3", "block", "gradual"), [0.2]), "own": 0.9 + body / 1000}
              for body in range(5)]
    monkeypatch.setattr(read, "cases", lambda name: {
        "frozen-bodies": bodies, "frozen-bodies-one-step": bodies[:1]}.get(name, cases))
    shown, _ = chapter([line(TWO[0], "one-step 3×3, a sound recipe", seed, information=0.02) for seed in range(5)])
    for cell, right in (("gradient-options", "The one-step 3×3, under"), ("information-options", "By one point or"),
                        ("frozen-options", "The gradual head")):
        options = shown[cell][0].split("<details>")[1:]
        assert [option.split("<summary>")[1].startswith(right) for option in options] == [
            "**Yes.**" in option for option in options], cell
        assert sum("**No.**" in option for option in options) == 2
    assert list(shown["first-gradients"][0]["starts"]) == [3] * 4
    assert list(shown["frozen"][0]["test accuracy (%)"]) == ["92.00", "91.02", "93.04"]
    assert len(shown["frozen-own"][0]) == 1  # of one body there is no interval
    assert list(shown["frozen-own"][0]["that head"]) == ["90.20 [90.00, 90.40]"]
    assert list(shown["frozen-own"][0]["a new one-step 3×3"]) == ["92.00 [90.04, 93.96]"]
    monkeypatch.setattr(read, "cases", lambda name: [])
    shown, _ = chapter([])
    predictions = ("gradient-options", "information-options", "frozen-options")
    assert not any("**Yes.**" in text or "**No.**" in text for cell in predictions for text in shown[cell])
    assert shown["first-gradients"] == ["Not recorded yet: `python -m nin record first-gradients`."]
