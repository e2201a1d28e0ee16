"""Chapter 3's "One ReLU too many" with recorded runs and experiments that are made up: nothing, some, all of them."""

import pytest

import notebooks
from made_up import run_of, write
from nin import plots
from nin.runs import read
from nin.runs.studies import STUDIES

CELLS = {cell.id: cell.source for cell in notebooks.read(notebooks.BOOK / "training.ipynb").cells}
SHOWN = ("relu", "relu-count", "relu-cost", "relu-when", "relu-cause", "relu-dead", "relu-why-labels",
         "relu-why-trace", "relu-why", "relu-cure", "relu-cure-words")
LABELS = tuple(STUDIES["training"].recipes)
SECTION, KAIMING, LINEAR, BOTH = LABELS


@pytest.fixture
def chapter(monkeypatch, tmp_path):
    """Runs the cells on given lines and cases; returns {cell: the texts and tables that it displayed}."""
    monkeypatch.setattr(plots, "style", lambda: None)
    load = read.load
    monkeypatch.setattr(read, "load", lambda study, size="pocket": load(study, size, tmp_path))

    def show(lines, cases=None):
        write(tmp_path / "all.jsonl", lines)
        monkeypatch.setattr(read, "cases", lambda name: (cases or {}).get(name, []))
        shown, names = {}, {}
        exec(CELLS["setup"], names)
        names["study"] = [run for name in ("training", "training-rate") for run in read.load(name)]
        for cell in SHOWN:
            shown[cell] = []
            names["display"] = names["Markdown"] = lambda thing, cell=cell: shown[cell].append(thing)
            exec(CELLS[cell], names)
        return {cell: [str(thing) for thing in things if thing is not None] for cell, things in shown.items()}, names

    return show


def lines(seeds=range(4), lost=(2,)):
    """The study of lr 0.1: with the ReLU every other seed loses classes; linear logits and both end clean."""
    return [run_of("training", label, seed, accuracy=0.8, lost=lost if seed % 2 and label in (SECTION, KAIMING) else ())
            for label in LABELS for seed in seeds]


def test_without_lines_every_cell_says_so(chapter):
    shown, _ = chapter([])
    for cell in ("relu", "relu-cure-words"):
        assert any("ot yet recorded" in text for text in shown[cell]), cell
    assert shown["relu-why"] == ["Not recorded yet: " + ", ".join(
        f"`python -m nin record lost-classes-{name}`" for name in ("labels", "trace", "dose")) + "."]


def test_runs_are_counted_in_pairs(chapter):
    shown, names = chapter(lines())
    text = shown["relu"][0]
    assert "Of 4 runs of the section's recipe: clean 2, classes lost 2, late 0, collapsed 0, diverged 0" in text
    assert "With the ReLU, 4 of 8 runs" in text and "and 0 of 8 runs" in text and "on 8 pairs" in text
    assert names["cured"](names["recipes"])[0].startswith("both, warm-up: not yet recorded")
    assert "These 4 runs lost 4 classes." in shown["relu-cost"][0]
    assert "last changed in epoch 1 to 1" in shown["relu-when"][-1]


def test_what_a_lost_class_costs(chapter):
    worse = [run_of("training", SECTION, seed, accuracy=0.8 - 0.1 * (seed == 3), lost=(2,) * (seed == 3))
             for seed in range(4)]
    shown, _ = chapter(worse + [run_of("training", LINEAR, 0)])
    assert "They lie 10.0 to 10.0 points a class below" in shown["relu-cost"][0]
    assert "right on 78% on average" in shown["relu-cost"][0]  # 0.7 of all images, 0.778 of nine classes' ones


def test_contrasts_by_holm_and_the_smallest_change(chapter):
    rate = [run_of("training-rate", label, seed) for label, seeds in (
        ("both, lr 0.05", range(20)), ("linear logits, lr 0.05", range(8)), ("both, warm-up", range(20)))
        for seed in seeds]
    shown, names = chapter(lines(range(20)) + rate)
    warm, half, least = shown["relu-cure-words"]
    assert warm.startswith("- both, warm-up: 20 of 20 runs") and warm.endswith("by Holm: more.")
    p = names["fisher"]((10, 20), (20, 20))
    assert f"p = {2 * p:.2g} by Holm" in warm and f"p = {2 * p:.2g} by Holm" in half
    assert least.endswith("ended clean: no last ReLU (20 of 20 runs [84%, 100%]).")
    shown, _ = chapter(lines(range(20), lost=()) + rate)
    assert "no difference detected" in shown["relu-cure-words"][0]
    worse = [run_of("training-rate", "both, warm-up", seed, collapsed=True) for seed in range(20)]
    shown, _ = chapter(lines(range(20)) + worse)
    warm, *_ = shown["relu-cure-words"]
    assert "both, warm-up: 0 of 20 runs" in warm and warm.endswith("fewer.")


def test_map_or_garment(chapter):
    relabelled = [run_of("lost-classes-labels", "the section, relabelled", seed, accuracy=0.8, lost=lost)
                  for seed, lost in ((1, (2,)), (3, (7,)))]  # the map of seed 1, the garment of seed 3
    text, missing = chapter(lines() + relabelled)[0]["relu-why"]
    assert "2 seeds lost 2 classes" in text and "1 of the same maps and 1 of the same garments" in text
    assert "chance alone would give 0.2 of either" in text
    assert "labels" not in missing and missing.startswith("Not recorded yet: ")


def trace(init, highest, gone):
    """A made-up trace of three looks; the classes `gone` are never answered."""
    confusion = [[0 if a in gone else 10 for a in range(10)] for _ in range(10)]
    return {"case": {"seed": 0, "init": init}, "highest": highest, "hidden": [1.0, 2.0, 4.0], "every": 10,
            "moved": [[0.0] * 10, [0.1] * 10, [0.2] * 10], "confusion": confusion}


def test_wakings_and_doses(chapter):
    highest = [[-1.0] * 4 + [1.0] * 6, [-1.0] * 3 + [1.0] * 7, [-1.0, -1.0, 1.0, 1.0] + [1.0] * 5 + [-1.0]]
    doses = [{"case": {"seed": seed, "init": "xavier", "at": at, "below": 0.2}, "class": 0, "woke": woke}
             for seed, at, woke in ((0, 0, 50), (1, 0, None), (0, 1000, None))]
    none = {"case": {"seed": 2, "init": "xavier", "at": 0, "below": 0.2}, "class": None}
    shown, names = chapter(lines(), {"lost-classes-trace": [trace("xavier", highest, (0, 8, 9))],
                                     "lost-classes-dose": [*doses, none]})
    text = shown["relu-why"][0]
    assert text.startswith("**Waking, Xavier.** 4 of 10 maps are dead at the start; 2 of these wake. ")
    # Map 3 woke at the second look, map 2 at the third: of two, the second in order is the median.
    assert "after 20 steps, its own weights have moved by 20.0%; ‖h‖ is then 4.00 times" in text
    assert text.endswith("After two epochs 3 classes are missing. Of their maps are: 1 dead at the start, 1 alive at "
                         "first and dead for a time, 1 never dead.")
    assert not any("Kaiming" in text for text in shown["relu-why"])
    table = names["wakes"](doses)
    assert table.loc[("xavier", "step 0"), "0.2 below 0"] == "1 of 2"
    assert table.loc[("xavier", "step 1,000"), "0.2 below 0"] == "0 of 1"


def test_what_runs_of_one_size_say(chapter):
    _, names = chapter(lines(lost=(2, 3)) + [run_of("training", SECTION, 4, collapsed=True)])
    exec(CELLS["sizes-recorded"], names)
    own = [run for run in names["study"] if run["label"] == SECTION]
    own[0]["logit_std"] = [0.05] + 9 * [1.0]
    said = names["told"](own)
    assert said["runs"] == 5 and said["seeds"] == "0 to 4"
    assert said["outcomes"] == "2 clean, 2 with classes lost, 1 collapsed"
    assert said["classes lost"] == "0 to 2" and said["mute logits"] == "0 to 1"  # the collapsed run left out
    ends = [run["plateau_end"] for run in own if run["plateau_end"]]
    assert said["left ln 10 at step"] == f"{min(ends)} to {max(ends)}"
    nothing = names["told"]([])
    assert nothing["runs"] == 0 and nothing["mute logits"] == "–" and "loss, steps 1 to 100" not in nothing
