"""What chapter 5 and the front page say in words of exercise 2's recorded runs: see test_claims.py."""

from claims import accuracies, ends, left
from nin.compare import welch

STUDIES = ("exercise-2-one-by-one",)
ONE, TWO = "one 1×1, the section's recipe", "two 1×1s, the section's recipe"
PAGE = "exercise-2-one-by-one"
NOTES = 0.869 - 0.874  # the notes' accuracy with one 1×1 less the one with two


def one_1x1_less_starts_earlier(runs):
    """Every run with one 1×1 leaves ln 10, and before the first run with two does."""
    steps = [left(run) for run in runs if run["label"] == ONE]
    return all(steps) and max(steps) < min(ends(runs, TWO, left))


def the_notes_half_point_is_left_out(runs):
    """The interval of the clean runs' difference lies above what the notes' pair shows."""
    return welch(accuracies(runs, TWO), accuracies(runs, ONE)).low > NOTES


CLAIMS = {  # name: the page, the check, the exchange: pairs of labels
    "one-1x1-less-starts-earlier": (PAGE, one_1x1_less_starts_earlier, {ONE: TWO}),
    "the-notes-half-point-is-left-out": (PAGE, the_notes_half_point_is_left_out, {ONE: TWO}),
    "front-one-1x1-less-starts-earlier": ("index", one_1x1_less_starts_earlier, {ONE: TWO}),
    "front-the-notes-half-point-is-left-out": ("index", the_notes_half_point_is_left_out, {ONE: TWO}),
}
