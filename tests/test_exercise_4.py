"""Chapter 7 with recorded runs that are made up: tables, figures and verdicts, whole, in part, in every direction."""

import random

import matplotlib
import matplotlib.pyplot as plt
import notebooks
import pytest
from nin import plots, record
from nin.studies import STUDIES

from made_up import run, write

matplotlib.use("agg")
CELLS = {cell.id: cell.source for cell in notebooks.read(notebooks.BOOK / "exercise-4-one-step.ipynb").cells}
SHOWN = ("recorded", "measures", "recorded-table", "recorded-verdicts", "gradients-recorded", "probe-recorded",
         "judged", "fears", "family", "family-accuracy", "family-table", "found")


def line(label, seed, accuracy=0.9, gap=0.02, lost=0.01, gradient=0.1, **more):
    """A line of the study with all that exercise 4 keeps, a little noise on everything."""
    noise = random.Random(f"{label}, {seed}").gauss
    accuracy += noise(0, 0.002)
    after = {"after, all": accuracy} if "4096" in label else {"after, means": accuracy - 0.01, "after, all": accuracy}
    made = run(label, seed, accuracy=accuracy)
    made["history"][-1]["loss"] += noise(0, 0.01)
    return {**made, "seen_acc": accuracy + gap + noise(0, 0.002), "seen_images": 10_000,
            "gradient": [gradient * (1 + abs(noise(0, 0.1))) / (1 + i) for i in range(47)],
            "readable": {"before, means": accuracy + lost + noise(0, 0.001), "before, all": accuracy + lost, **after},
            "dead_maps_before": 3 if "section" in label else None, "dead_maps_after": 1 if "section" in label else None,
            **more}


@pytest.fixture
def chapter(monkeypatch, tmp_path):
    """Runs the recorded part on given lines; returns {cell: what it displayed} and the numbers of drawn axes."""
    monkeypatch.setattr(plots, "style", lambda: None)
    plt.close("all")  # what other tests left open

    def show(lines, family=()):
        write(tmp_path / "exercise-4-one-step.jsonl", lines)
        write(tmp_path / "family.jsonl", list(family))
        shown, drawn, names = {}, {}, {}
        exec(CELLS["setup"], names)
        names["display"] = lambda thing: None
        exec(CELLS["heads"], names)
        # What the last cell takes from live ones.
        names |= {"middle": {"xavier": 2.0, "kaiming": 1.0}, "ranked": {"one-step 3×3": 2, "NiN block": 5}}
        names["load_runs"] = lambda study: record.load(study, tmp_path)
        for cell in SHOWN:
            shown[cell], drawn[cell] = [], 0
            names["display"] = lambda thing, cell=cell: shown[cell].append(thing)
            exec(CELLS[cell], names)
            for number in plt.get_fignums():
                figure = plt.figure(number)
                figure.canvas.draw()  # what is only wrong when it is drawn fails here
                drawn[cell] += len(figure.axes)
            plt.close("all")
        return {cell: [getattr(thing, "data", thing) for thing in things] for cell, things in shown.items()}, drawn

    monkeypatch.setattr(plt, "show", lambda: None)
    return show


def labels(study):
    return list(STUDIES[study].recipes)


def verdicts(shown):
    return dict(text.removeprefix("- One step ").split(": ", 1) for text in shown["fears"][0].split("\n"))


def test_without_lines_it_says_what_to_run(chapter):
    shown, drawn = chapter([])
    assert not any(drawn.values())
    assert "python -m nin.record exercise-4-one-step" in shown["recorded"][0]
    assert "python -m nin.record family" in shown["family-accuracy"][0]
    assert set(verdicts(shown).values()) == {"**not yet recorded**."}


def test_heads_that_are_equal_bear_no_fear_out(chapter):
    runs = [line(label, seed) for label in labels("exercise-4-one-step") for seed in range(10)]
    shown, drawn = chapter(runs, [line(label, seed) for label in labels("family") for seed in range(5)])
    assert drawn["recorded"] == drawn["probe-recorded"] == 2 and drawn["gradients-recorded"] == 6
    assert drawn["family-accuracy"] == 1
    # At 95%, one in twenty comparisons of equal heads leaves out 0: which fears fall to that is chance.
    found = verdicts(shown)
    assert len(found) == 6 and sum(text.startswith("**not seen** (effects above") for text in found.values()) >= 4
    table, = shown["recorded-table"]
    assert len(table) == 18 and (table["collapsed"] == "0 of 10").all()
    assert table.loc[("the section's recipe", "gradual"), "dead maps"] == "3.0 → 1.0"
    assert len(shown["recorded-verdicts"][0]) == 14


def test_fears_that_come_true_are_seen(chapter):
    """One step overfits, is less accurate and has vanishing gradients; information is lost under one recipe alone."""
    runs = []
    for label in labels("exercise-4-one-step"):
        one = label.startswith("one-step 3×3")
        more = {"gap": 0.05, "accuracy": 0.85, "gradient": 0.001} if one else {}
        more["lost"] = 0.06 if one and "sound" in label else 0.01
        runs += [line(label, seed, **more) for seed in range(10)]
    found = verdicts(chapter(runs)[0])
    assert found["overfits"].startswith("**seen**: 2.")
    assert found["breaks the fusion of features"].startswith("**seen**: 4.")
    assert found["makes gradients vanish"].startswith("**seen**: a factor of ")
    assert found["makes gradients explode"].startswith("**not seen**")
    assert found["loses information"].startswith(
        "**depends on** the comparison: seen against NiN block, a sound recipe; against gradual, a sound recipe; "
        "not against")
    assert all("n = 10" in text for text in found.values())


def test_incomplete_records_are_shown_as_far_as_they_go(chapter):
    """Variants missing, one seed alone, runs that collapsed or diverged, lines of the old format."""
    label, other, third = (f"{head}, the section's recipe" for head in ("one-step 3×3", "NiN block", "gradual"))
    diverged = {**run(label, 3), "history": [], "collapsed": True, "diverged": "step 7", "dead_maps_before": 3}
    del diverged["losses"]
    old = [{**run(third, seed, accuracy=0.9 + seed / 100), "dead_maps_before": 2, "dead_maps_after": 2} for seed in range(2)]
    runs = [line(label, 0), line(label, 1), line(label, 2, collapsed=True), diverged, line(other, 0), line(other, 1),
            line("fully connected, the section's recipe", 0), line("one-step 1×1, a sound recipe", 0, collapsed=True)]
    runs += old
    shown, drawn = chapter(runs, [run("width 2, depth 1", 0), {**run("width 1, depth 1", 0), "collapsed": True}])
    assert drawn["recorded"] == drawn["probe-recorded"] == 1 and drawn["gradients-recorded"] == 6
    assert "one-step 3×3, the section's recipe: 2 of 4 [" in shown["fears"][2]
    found = verdicts(shown)
    assert "n = 2, 1 of 4 comparisons recorded" in found["overfits"]  # the old lines have no gap
    assert "n = 2, 2 of 4 comparisons recorded" in found["limits what is learnt"]
    assert shown["family-table"][0].startswith("- width 2, depth 1: 90.00% (n = 1).")
    shown, drawn = chapter([{**run(label, 0), "collapsed": True, "dead_maps_before": None} for label in labels(
        "exercise-4-one-step")])
    assert not any(drawn.values()) and set(verdicts(shown).values()) == {"**not yet recorded**."}
