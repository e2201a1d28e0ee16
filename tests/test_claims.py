"""Sentences that say in words what recorded runs show: true of the lines, and false once two groups are exchanged."""

import pytest

import notebooks
from nin.compare import LEAST, mcnemar, welch
from nin.runs import read


def ends(runs, label, measure):
    """A measure of every run of a label that has it."""
    return [value for run in runs if run["label"] == label and (value := measure(run)) is not None]


def accuracies(runs, label):
    """The test accuracies of a label's clean runs."""
    found = ends([run for run in runs if run["outcome"] == "clean"], label, lambda run: run["test_acc"])
    assert len(found) >= LEAST, f"{label}: accuracies are compared from {LEAST} clean runs on"
    return found


def relu_loses_classes(runs):
    """With the last ReLU more runs lose classes than without it, in pairs that share their first weights."""
    pairs = [pair for labels in ((SECTION, LINEAR), (KAIMING, BOTH))
             for pair in read.paired(runs, *labels, lambda run: run["outcome"] == "classes lost")]
    with_relu, without = (sum(side) for side in zip(*pairs, strict=True))
    return with_relu > without and mcnemar(pairs) < 0.05


def kaiming_starts_earlier(runs):
    """Every Kaiming run that leaves ln 10 has left it before the first of the section's does."""
    section, kaiming = (ends(runs, label, lambda run: run["plateau_end"]) for label in (SECTION, KAIMING))
    return max(kaiming) < min(section)


def kaiming_ends_higher(runs):
    """Clean Kaiming runs are more accurate than the section's clean runs."""
    return welch(accuracies(runs, SECTION), accuracies(runs, KAIMING)).low > 0


def xavier_starts_with_more_dead_maps(runs):
    """More class maps are dead before the first step under Xavier with torch's biases than under Kaiming."""
    section, kaiming = (ends(runs, label, lambda run: run["dead_before"]) for label in (SECTION, KAIMING))
    return welch(kaiming, section).low > 0


def half_the_rate_stays_longer(runs):
    """At half the rate the section's runs stay on the plateau longer, in pairs that share their first weights."""
    pairs = read.paired(runs, SECTION, HALF, lambda run: run["plateau_end"])
    longer = [(half > whole, half <= whole) for whole, half in pairs if whole and half]
    return mcnemar(longer) < 0.05 and sum(a for a, _ in longer) > len(longer) / 2


SECTION, KAIMING, LINEAR, BOTH = (f"{name}, lr 0.1" for name in ("the section", "Kaiming", "linear logits", "both"))
HALF = "the section, lr 0.05"
CLAIMS = {  # name: chapter, the check, the pairs of labels to be exchanged
    "relu-loses-classes": ("training", relu_loses_classes, {SECTION: LINEAR, KAIMING: BOTH}),
    "kaiming-starts-earlier": ("training", kaiming_starts_earlier, {SECTION: KAIMING}),
    "kaiming-ends-higher": ("training", kaiming_ends_higher, {SECTION: KAIMING}),
    "xavier-starts-with-more-dead-maps": ("training", xavier_starts_with_more_dead_maps, {SECTION: KAIMING}),
    "half-the-rate-stays-longer": ("training", half_the_rate_stays_longer, {SECTION: HALF}),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_is_true_and_depends_on_which_group_is_which(name):
    _, check, pairs = CLAIMS[name]
    runs = read.load("training") + read.load("training-rate")
    assert check(runs), f"the recorded runs no longer say: {check.__doc__}"
    other = pairs | {b: a for a, b in pairs.items()}
    exchanged = [{**run, "label": other.get(run["label"], run["label"])} for run in runs]
    assert not check(exchanged), "a claim that survives the exchange says nothing"


def test_each_claim_stands_where_it_is_made():
    lines = [(path.stem, line) for path in notebooks.chapters() for cell in notebooks.read(path).cells
             for line in cell.source.splitlines()]
    made = {(chapter, line.removeprefix("<!-- claim: ").removesuffix(" -->")) for chapter, line in lines
            if line.startswith("<!-- claim: ")}
    assert made == {(chapter, name) for name, (chapter, *_) in CLAIMS.items()}
