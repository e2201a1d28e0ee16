"""What the front page says in words of recorded runs: see test_claims.py."""

from claims_1_to_3 import (
    BOTH,
    KAIMING,
    LINEAR,
    SECTION,
    kaiming_starts_earlier,
    relu_loses_classes,
)

STUDIES = ("training", "training-rate")
BOTH_HALF = "both, lr 0.05"


def bad_ends_are_lost_classes_or_ln_10(runs):
    """The section's recipe ends clean only in part; what else it does is to lose classes or to fall back to ln 10."""
    found = {run["outcome"] for run in runs if run["label"] == SECTION}
    return found == {"clean", "classes lost", "collapsed"}


def no_cure_is_always_clean(runs):
    """At the section's rate each cure, and both together, have runs that do not end clean."""
    return all(any(run["outcome"] != "clean" for run in runs if run["label"] == label)
               for label in (KAIMING, LINEAR, BOTH))


CLAIMS = {  # name: the page, the check, the exchange: pairs of labels
    "front-bad-ends-are-lost-classes-or-ln-10": ("index", bad_ends_are_lost_classes_or_ln_10, {SECTION: BOTH}),
    "front-relu-loses-classes": ("index", relu_loses_classes, {SECTION: LINEAR, KAIMING: BOTH}),
    "front-no-cure-is-always-clean": ("index", no_cure_is_always_clean, {BOTH: BOTH_HALF}),
    "front-kaiming-starts-earlier": ("index", kaiming_starts_earlier, {SECTION: KAIMING}),
}
