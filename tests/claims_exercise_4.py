"""What chapter 7 and the front page say in words of exercise 4's recorded runs: see test_claims.py."""

from statistics import mean

from claims import HALF_A_POINT, accuracies, ends, left, losses
from nin.compare import mean_interval, welch
from nin.runs import fears, read

STUDIES = ("exercise-4-one-step",)
ONE_STEP, BLOCK, GRADUAL = (f"{name}, a sound recipe" for name in ("one-step 3×3", "NiN block", "gradual"))
PAGE = "exercise-4-one-step"
FROZEN = {"frozen-bodies": "NiN block", "frozen-bodies-one-step": "one-step 3×3"}  # the head they were trained with


def one_step_ends_higher_than_the_block(runs):
    """The interval of the clean runs' difference in accuracy, one step less the NiN block, lies above 0."""
    return welch(accuracies(runs, BLOCK), accuracies(runs, ONE_STEP)).low > 0


def one_step_learns_more_than_the_block(runs):
    """Clean runs with one step end with a smaller training loss, and the interval of the difference leaves out 0."""
    return welch(losses(runs, BLOCK), losses(runs, ONE_STEP)).high < 0


def the_block_starts_later(runs):
    """No run with the NiN block leaves ln 10 before all runs with one step have, and on average they are later."""
    steps = {label: ends(runs, label, left) for label in (BLOCK, ONE_STEP)}
    return min(steps[BLOCK]) >= max(steps[ONE_STEP]) and mean(steps[BLOCK]) > mean(steps[ONE_STEP])


def gradual_is_level_with_one_step(runs):
    """Between a gradual head and one step, differences of half a point either way are excluded."""
    found = welch(accuracies(runs, ONE_STEP), accuracies(runs, GRADUAL))
    return -HALF_A_POINT < found.low < 0 < found.high < HALF_A_POINT


def networks_differ(runs):
    """By how much networks trained with one step are more accurate than those with the block."""
    return welch(accuracies(runs, BLOCK), accuracies(runs, ONE_STEP)).mean


def what_the_block_costs_is_in_its_body(runs):
    """Whichever head reads them, bodies trained with one step are ahead by half to one and a half of the networks."""
    networks = networks_differ(runs)
    through_block, through_one_step = ({head: mean([body[head][0] / 100 for body in fears.on_frozen_bodies(name)])
                                        for head in ("one-step 3×3", "NiN block")} for name in FROZEN)
    return all(networks / 2 < through_one_step[head] - through_block[head] < 1.5 * networks for head in through_block)


def a_new_head_costs_less_than_the_block(runs):
    """A new head lies below the one of its kind that the body was trained with by less than half of the networks."""
    costs = [mean_interval([case["own"] - body[head][0] / 100 for case, body in zip(
        read.cases(name), fears.on_frozen_bodies(name), strict=True)]) for name, head in FROZEN.items()]
    return max(cost.high for cost in costs) < networks_differ(runs) / 2


def on_one_body_one_step_is_level_with_the_block(runs):
    """On the same body one step is level with the block or ahead, by less than half of what their networks differ."""
    least = networks_differ(runs) / 2
    leads = [fears.lead(fears.on_frozen_bodies(name), "one-step 3×3", "NiN block") for name in FROZEN]
    return all(-least < lead.low / 100 <= lead.high / 100 < least and lead.high > 0 for lead in leads)


CLAIMS = {  # name: the page, the check, the exchange: pairs of labels
    "one-step-ends-higher-than-the-block": (PAGE, one_step_ends_higher_than_the_block, {ONE_STEP: BLOCK}),
    "one-step-learns-more-than-the-block": (PAGE, one_step_learns_more_than_the_block, {ONE_STEP: BLOCK}),
    "the-block-starts-later": (PAGE, the_block_starts_later, {ONE_STEP: BLOCK}),
    "gradual-is-level-with-one-step": (PAGE, gradual_is_level_with_one_step, {GRADUAL: BLOCK}),
    "what-the-block-costs-is-in-its-body": (PAGE, what_the_block_costs_is_in_its_body, {ONE_STEP: BLOCK}),
    "a-new-head-costs-less-than-the-block": (PAGE, a_new_head_costs_less_than_the_block, {ONE_STEP: BLOCK}),
    "on-one-body-one-step-is-level-with-the-block": (
        PAGE, on_one_body_one_step_is_level_with_the_block, {ONE_STEP: BLOCK}),
    "front-one-step-ends-higher-than-the-block": (
        "index", one_step_ends_higher_than_the_block, {ONE_STEP: BLOCK}),
    "front-gradual-is-level-with-one-step": ("index", gradual_is_level_with_one_step, {GRADUAL: BLOCK}),
}
