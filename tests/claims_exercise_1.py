"""What chapter 4 and the front page say in words of the ladder's recorded runs: see test_claims.py."""

from claims import ends
from nin.costs import parameter_count
from nin.model import nin
from nin.recipes import TOP

STUDIES = ("training", "exercise-1-tuning")
SECTION = "the section, lr 0.1"
PARAMETERS = parameter_count(nin())
REPORTED = 0.939  # the best of chapter 4's landmarks with up to 174,000 parameters


def the_ladders_top_is_ahead(runs):
    """Every run of the ladder's top is more accurate than every run of the section's recipe.

    The runs themselves, not their means: with fewer than eight clean runs a side, means are not compared.
    """
    top, section = (ends(runs, label, lambda run: run["test_acc"]) for label in (TOP, SECTION))
    return min(top) > max(section)


def the_top_is_ahead_of_networks_of_its_size(runs):
    """Every run of the ladder's top, with fewer parameters, is ahead of the landmarks of up to 174,000 parameters."""
    top = [run for run in runs if run["label"] == TOP]
    return all(run["test_acc"] > REPORTED and 14 < PARAMETERS / run["parameters"] < 16 for run in top)


CLAIMS = {  # name: the page, the check, the exchange: pairs of labels
    "the-top-is-ahead-of-networks-of-its-size": (
        "exercise-1-tuning", the_top_is_ahead_of_networks_of_its_size, {TOP: SECTION}),
    "front-the-ladders-top-is-ahead": ("index", the_ladders_top_is_ahead, {TOP: SECTION}),
}
