"""What chapter 4 and the front page say in words of the ladder's recorded runs: see test_claims.py."""

from claims import ends
from nin.recipes import TOP

STUDIES = ("training", "exercise-1-tuning")
SECTION = "the section, lr 0.1"


def the_ladders_top_is_ahead(runs):
    """Every run of the ladder's top is more accurate than every run of the section's recipe.

    The runs themselves, not their means: with fewer than eight clean runs a side, means are not compared.
    """
    top, section = (ends(runs, label, lambda run: run["test_acc"]) for label in (TOP, SECTION))
    return min(top) > max(section)


CLAIMS = {  # name: the page, the check, the exchange: pairs of labels
    "front-the-ladders-top-is-ahead": ("index", the_ladders_top_is_ahead, {TOP: SECTION}),
}
