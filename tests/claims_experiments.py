"""What chapters say in words of recorded experiments, whose lines are cases and no runs: see test_claims.py."""

from statistics import median, stdev

import numpy as np

from nin.runs import read, starts
from nin.runs.starts import HEADS, SECTIONS, SOUNDS, VANISHED, against

STUDIES = ()  # no study's runs: a check gets the exchanged groups, or nothing for those that are recorded
BLOCK, ONE_STEP = "NiN block", ("one-step 3×3", "one-step 1×1")


def recorded(groups):
    """The gradients on the first batch, {(recipe, head): values}: as exchanged, else as recorded."""
    return dict(groups) or starts.on_first_batch()


def exchange(*pairs):
    """Puts groups in each other's place: pairs of (recipe, head)."""
    def exchanged(_):
        found = starts.on_first_batch()
        other = dict(pairs) | {b: a for a, b in pairs}
        return [(other.get(group, group), values) for group, values in found.items()]
    return exchanged


def one_step_passes_more(groups):
    """Under the section's recipe the gradient through either one-step head is larger than through the block."""
    return all(against(recorded(groups), SECTIONS, head).low > 1 for head in ONE_STEP)


def one_step_varies_less(groups):
    """Under both recipes the logarithm of a one-step head's gradients varies by less than two thirds of the block's."""
    def spread(recipe, head):
        return stdev(np.log(recorded(groups)[recipe, head]))
    return all(spread(recipe, head) < 2 / 3 * spread(recipe, BLOCK) for recipe in (SECTIONS, SOUNDS)
               for head in ONE_STEP)


def no_head_is_ten_times_the_block(groups):
    """Under either recipe the interval of every head against the block lies between a tenth and ten."""
    found = [against(recorded(groups), recipe, head) for recipe in (SECTIONS, SOUNDS) for head in HEADS]
    return all(1 / VANISHED < each.low <= each.high < VANISHED for each in found)


def the_recipe_moves_them_tenfold(groups):
    """Every head's median grows more than tenfold from the section's recipe to the sound one."""
    found = recorded(groups)
    return all(np.median(found[SOUNDS, head]) > 10 * np.median(found[SECTIONS, head]) for head in HEADS)


def wakings(init, groups):
    """Of the maps dead at the start: (how many, [(step, own weights' move, growth of ‖h‖) where one wakes])."""
    cases = [case for name, case in groups if name == init] if groups else [
        case for case in read.cases("lost-classes-trace") if case["case"]["init"] == init]
    dead, woke = 0, []
    for case in cases:
        for k in range(10):
            course = [row[k] > 0 for row in case["highest"]]
            dead += not course[0]
            if not course[0] and True in course:
                at = course.index(True)
                woke.append((at * case["every"], case["moved"][at][k], case["hidden"][at] / case["hidden"][0]))
    return dead, woke


def later_for_sooner(_):
    """The traces with every map's course turned round: what was at the end comes first."""
    return [(case["case"]["init"], {**case, "highest": case["highest"][::-1], "moved": case["moved"][::-1],
                                    "hidden": case["hidden"][::-1]}) for case in read.cases("lost-classes-trace")]


def inits_exchanged(_):
    """The traces of the two initialisations in each other's place."""
    other = {"xavier": "kaiming", "kaiming": "xavier"}
    return [(other[case["case"]["init"]], case) for case in read.cases("lost-classes-trace")]


def dead_maps_wake_by_their_input(groups):
    """Under either start four of five dead maps wake or more, their own weights moved by less than 1% in the median."""
    found = [wakings(init, groups) for init in ("xavier", "kaiming")]
    return all(len(woke) >= 0.8 * dead and median(moved for _, moved, _ in woke) < 0.01 for dead, woke in found)


def growing_input_wakes_under_xavier_alone(groups):
    """Where a map wakes ‖h‖ has grown under Xavier and shrunk under Kaiming, where it is within tens of steps."""
    (many, xavier), (few, kaiming) = (wakings(init, groups) for init in ("xavier", "kaiming"))
    grown = [median(size for *_, size in woke) for woke in (xavier, kaiming)]
    return grown[0] > 1.2 and grown[1] < 1 and few < many and median(step for step, *_ in kaiming) < 100


CHAPTER_7 = "exercise-4-one-step"
OF_HEADS = exchange(*(((recipe, BLOCK), (recipe, ONE_STEP[0])) for recipe in (SECTIONS, SOUNDS)))
OF_RECIPES = exchange(*(((SECTIONS, head), (SOUNDS, head)) for head in HEADS))
CLAIMS = {  # name: the page, the check, the exchange
    "one-step-passes-more-at-the-start": (CHAPTER_7, one_step_passes_more, OF_HEADS),
    "one-step-varies-less-at-the-start": (CHAPTER_7, one_step_varies_less, OF_HEADS),
    "no-head-is-ten-times-the-block-at-the-start": (
        CHAPTER_7, no_head_is_ten_times_the_block, exchange(((SECTIONS, BLOCK), (SOUNDS, BLOCK)))),
    "the-recipe-moves-first-gradients-tenfold": (CHAPTER_7, the_recipe_moves_them_tenfold, OF_RECIPES),
    "dead-maps-wake-by-their-input": ("training", dead_maps_wake_by_their_input, later_for_sooner),
    "growing-input-wakes-maps-under-xavier-alone": (
        "training", growing_input_wakes_under_xavier_alone, inits_exchanged),
}
