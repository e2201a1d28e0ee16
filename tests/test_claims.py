"""Sentences that say in words what recorded runs show: true of the lines, and false once two groups are exchanged."""

import pytest

import notebooks
from nin.compare import LEAST, mcnemar, welch
from nin.runs import read


def runs(*studies):
    """The recorded runs of studies at pocket size, by label."""
    return read.by_label([run for study in studies for run in read.load(study)])


def clean(groups, label):
    """The test accuracies of a label's clean runs."""
    found = [run["test_acc"] for run in groups[label] if run["outcome"] == "clean"]
    assert len(found) >= LEAST, f"{label}: accuracies are compared from {LEAST} clean runs on"
    return found


def relu_loses_classes(groups):
    """With the last ReLU more runs lose classes than without it, in pairs that share their first weights."""
    pairs = [pair for labels in (("the section, lr 0.1", "linear logits, lr 0.1"), ("Kaiming, lr 0.1", "both, lr 0.1"))
             for pair in seeds(groups, *labels, lambda run: run["outcome"] == "classes lost")]
    with_relu, without = (sum(side) for side in zip(*pairs, strict=True))
    return with_relu > without and mcnemar(pairs) < 0.05


def kaiming_starts_earlier(groups):
    """Every Kaiming run that leaves ln 10 has left it before the first of the section's does."""
    section, kaiming = ([run["plateau_end"] for run in groups[label] if run["plateau_end"]]
                        for label in ("the section, lr 0.1", "Kaiming, lr 0.1"))
    return max(kaiming) < min(section)


def kaiming_ends_higher(groups):
    """Clean Kaiming runs are more accurate than the section's clean runs."""
    return welch(clean(groups, "the section, lr 0.1"), clean(groups, "Kaiming, lr 0.1")).low > 0


def xavier_starts_with_more_dead_maps(groups):
    """More class maps are dead before the first step under Xavier with torch's biases than under Kaiming."""
    section, kaiming = ([run["dead_before"] for run in groups[label]] for label in (
        "the section, lr 0.1", "Kaiming, lr 0.1"))
    return welch(kaiming, section).low > 0


def half_the_rate_stays_longer(groups):
    """At half the rate the section's runs stay on the plateau longer, in pairs that share their first weights."""
    pairs = seeds(groups, "the section, lr 0.1", "the section, lr 0.05", lambda run: run["plateau_end"])
    longer = [(half > whole, half <= whole) for whole, half in pairs if whole and half]
    return mcnemar(longer) < 0.05 and sum(a for a, _ in longer) > len(longer) / 2


def seeds(groups, a, b, truth):
    """[(truth of a's run, truth of b's)] for the seeds of both."""
    first, second = ({run["recipe"]["seed"]: truth(run) for run in groups[label]} for label in (a, b))
    return [(first[seed], second[seed]) for seed in first.keys() & second.keys()]


RATE = ("training", "training-rate")
CLAIMS = {  # name: chapter, the check, the studies it reads, the pairs of labels to be exchanged
    "relu-loses-classes": ("training", relu_loses_classes, RATE, [
        ("the section, lr 0.1", "linear logits, lr 0.1"), ("Kaiming, lr 0.1", "both, lr 0.1")]),
    "kaiming-starts-earlier": ("training", kaiming_starts_earlier, RATE, [("the section, lr 0.1", "Kaiming, lr 0.1")]),
    "kaiming-ends-higher": ("training", kaiming_ends_higher, RATE, [("the section, lr 0.1", "Kaiming, lr 0.1")]),
    "xavier-starts-with-more-dead-maps": (
        "training", xavier_starts_with_more_dead_maps, RATE, [("the section, lr 0.1", "Kaiming, lr 0.1")]),
    "half-the-rate-stays-longer": (
        "training", half_the_rate_stays_longer, RATE, [("the section, lr 0.1", "the section, lr 0.05")]),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_is_true_and_depends_on_which_group_is_which(name):
    _, check, studies, exchanged = CLAIMS[name]
    groups = runs(*studies)
    assert check(groups), f"the recorded runs no longer say: {check.__doc__}"
    for a, b in exchanged:
        groups[a], groups[b] = groups[b], groups[a]
    assert not check(groups), "a claim that survives the exchange says nothing"


def test_each_claim_stands_where_it_is_made():
    lines = [(path.stem, line) for path in notebooks.chapters() for cell in notebooks.read(path).cells
             for line in cell.source.splitlines()]
    made = {(chapter, line.removeprefix("<!-- claim: ").removesuffix(" -->")) for chapter, line in lines
            if line.startswith("<!-- claim: ")}
    assert made == {(chapter, name) for name, (chapter, *_) in CLAIMS.items()}
