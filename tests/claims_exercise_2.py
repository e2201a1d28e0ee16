"""What chapter 5 and the front page say in words of exercise 2's recorded runs: see test_claims.py."""

from claims import HALF_A_POINT, accuracies, ends, left, losses
from nin.compare import welch

STUDIES = ("exercise-2-one-by-one", "exercise-2-sound", "exercise-4-one-step")
NONE, ONE, TWO = (f"{number}, the section's recipe" for number in ("no 1×1", "one 1×1", "two 1×1s"))
SOUND_NONE, SOUND_ONE, SOUND_TWO = (f"{number}, a sound recipe" for number in ("no 1×1", "one 1×1", "two 1×1s"))
BLOCK = "NiN block, a sound recipe"  # of exercise 4, less accurate: what is not level looks like
PAGE = "exercise-2-one-by-one"
NOTES = 0.869 - 0.874  # the notes' accuracy with one 1×1 less the one with two


def one_1x1_less_starts_earlier(runs):
    """Every run with one 1×1 leaves ln 10, and before the first run with two does."""
    steps = [left(run) for run in runs if run["label"] == ONE]
    return all(steps) and max(steps) < min(ends(runs, TWO, left))


def the_notes_half_point_is_left_out(runs):
    """The interval of the clean runs' difference lies above what the notes' pair shows."""
    return welch(accuracies(runs, TWO), accuracies(runs, ONE)).low > NOTES


def less_than_half_a_point_under_a_recipe_that_starts(runs):
    """Between one 1×1 and two in the body, under the sound recipe, half a point either way is excluded."""
    found = welch(accuracies(runs, SOUND_TWO), accuracies(runs, SOUND_ONE))
    return -HALF_A_POINT < found.low and found.high < HALF_A_POINT


def two_1x1s_fit_better(runs):
    """Under the sound recipe clean runs with two 1×1s in the body end with a smaller training loss than with one."""
    return welch(losses(runs, SOUND_TWO), losses(runs, SOUND_ONE)).low > 0


def the_first_1x1_pays(runs):
    """Without 1×1s in the body clean runs are less accurate than with one, by over twice one's distance from two."""
    none, one, two = (accuracies(runs, label) for label in (SOUND_NONE, SOUND_ONE, SOUND_TWO))
    first, second = welch(none, one), welch(one, two)
    return first.low > 0 and first.mean > 2 * abs(second.mean)


def without_1x1s_a_start_is_gained_and_capacity_lost(runs):
    """Without 1×1s the section's runs leave ln 10 sooner and end higher; those of a recipe that starts end lower."""
    section, sound = (welch(accuracies(runs, two), accuracies(runs, none))
                      for two, none in ((TWO, NONE), (SOUND_TWO, SOUND_NONE)))
    return max(ends(runs, NONE, left)) < min(ends(runs, TWO, left)) and section.low > 0 > sound.high


CLAIMS = {  # name: the page, the check, the exchange: pairs of labels
    "one-1x1-less-starts-earlier": (PAGE, one_1x1_less_starts_earlier, {ONE: TWO}),
    "the-notes-half-point-is-left-out": (PAGE, the_notes_half_point_is_left_out, {ONE: TWO}),
    "front-one-1x1-less-starts-earlier": ("index", one_1x1_less_starts_earlier, {ONE: TWO}),
    "half-a-point-is-excluded-under-a-recipe-that-starts": (
        PAGE, less_than_half_a_point_under_a_recipe_that_starts, {SOUND_ONE: BLOCK}),
    "two-1x1s-fit-better": (PAGE, two_1x1s_fit_better, {SOUND_ONE: SOUND_TWO}),
    "the-first-1x1-pays": (PAGE, the_first_1x1_pays, {SOUND_NONE: SOUND_TWO}),
    "without-1x1s-a-start-is-gained-and-capacity-lost": (
        PAGE, without_1x1s_a_start_is_gained_and_capacity_lost, {NONE: TWO}),
    "front-without-1x1s-a-start-is-gained-and-capacity-lost": (
        "index", without_1x1s_a_start_is_gained_and_capacity_lost, {SOUND_NONE: SOUND_TWO}),
    "front-half-a-point-is-excluded-under-a-recipe-that-starts": (
        "index", less_than_half_a_point_under_a_recipe_that_starts, {SOUND_ONE: BLOCK}),
}
