"""How a run ended: each outcome, their order, and the run that ended at the top of its loss."""

import math

import pytest

from nin import outcome
from nin.runs.read import load

EVEN, LOST = [1000] * 10, [1050, 1050, 99, 1050, 1050, 1050, 1050, 1050, 1050, 1501]


def test_the_mark_lies_5_hundredths_below_equal_logits():
    assert outcome.mark() == pytest.approx(2.252585, abs=1e-6)
    assert outcome.mark(100) == pytest.approx(4.555170, abs=1e-6)


@pytest.mark.parametrize("means, steps, answered, end", [
    ([2.3] * 4 + [1.0] * 6, 200, EVEN, "clean"),
    ([2.3] * 4 + [1.0] * 6, 200, LOST, "classes lost"),
    ([2.3] * 5 + [1.0] * 5, 200, EVEN, "late"),  # below the mark for the first time in the steps 101 to 120
    ([2.3] * 4 + [1.0] * 3 + [2.3] * 3, 200, EVEN, "collapsed"),  # it had left the plateau
    ([2.3] * 10, 200, EVEN, "collapsed"),
    ([2.3] * 4 + [1.0] * 5 + [2.3], 200, EVEN, "clean"),  # 60 steps count, not the last 20
    ([2.3] * 4 + [1.0] * 3 + [2.3, 2.3, 2.2], 200, EVEN, "collapsed"),
    ([2.3, math.nan], 200, None, "diverged"), ([math.inf], 20, EVEN, "diverged"),
    ([2.3] * 4 + [1.0] * 6, 200, None, None)])
def test_each_outcome(means, steps, answered, end):
    assert outcome.outcome(means, steps, answered) == end
    assert end is None or end in outcome.OUTCOMES
    assert outcome.outcome(means, steps, answered, diverged=True) == "diverged"


def test_of_several_ends_the_first_one_counts():
    late, stuck = [2.3] * 8 + [1.0] * 3, [2.3] * 20
    assert outcome.outcome(late, 220, LOST) == "late" == outcome.outcome(late, 220)
    assert outcome.outcome(stuck, 400, LOST) == "collapsed" == outcome.outcome(stuck, 400)
    assert outcome.outcome([], 400, EVEN) == "collapsed" and outcome.outcome([], 400, diverged=True) == "diverged"


def test_at_the_mark_itself_a_run_has_not_left_the_plateau():
    below, at = outcome.mark() - 1e-9, outcome.mark()
    assert outcome.plateau_end([at, at, below, at]) == 60
    assert outcome.plateau_end([at, at]) is outcome.plateau_end([]) is None
    assert outcome.outcome([at] * 10, 200, EVEN) == "collapsed"
    assert outcome.outcome([below] * 10, 200, EVEN) == "clean"


def test_half_of_the_steps_is_not_yet_late():
    assert outcome.outcome([2.3] * 4 + [1.0] * 6, 200, EVEN) == "clean"  # left at step 100
    assert outcome.outcome([2.3] * 4 + [1.0] * 6, 199, EVEN) == "late"


def test_the_last_sixty_steps_make_whole_groups():
    assert outcome.last_mean([9.0, 1.0, 2.0, 3.0], 80) == pytest.approx(2.0)
    # 67 steps: the last group holds 7, so that 60 steps begin within the first group, which then counts whole.
    assert outcome.last_mean([4.0, 1.0, 1.0, 8.0], 67) == pytest.approx((20 * 4 + 40 * 1 + 7 * 8) / 67)
    assert outcome.last_mean([9.0, 4.0, 1.0, 1.0, 8.0], 87) == pytest.approx((20 * 4 + 40 * 1 + 7 * 8) / 67)
    assert outcome.last_mean([2.0, 5.0], 30) == pytest.approx((20 * 2 + 10 * 5) / 30)  # a short run: all of it


def test_lost_classes_are_answered_on_fewer_than_one_in_a_hundred_images():
    assert outcome.lost([100] * 10) == [] == outcome.lost(EVEN)
    assert outcome.lost([99, 100, 0, *[1000] * 6, 3801]) == [0, 2]  # of 10,000
    assert outcome.lost([0, 1, *[4] * 7, 19]) == [0]  # of 48
    assert outcome.lost([0] * 9 + [10_000]) == list(range(9))


def test_dead_maps_are_zero_on_every_image():
    assert outcome.dead([0.0, 1e-9, 3.0, 0.0]) == [0, 3] and outcome.dead([1.0]) == []


def test_a_crash_is_a_fall_by_more_than_ten_points():
    assert outcome.crashed([0.5, 0.8, 0.65, 0.9]) and outcome.crashed([0.8, 0.1])
    assert not outcome.crashed([0.1, 0.8, 0.75, 0.9]) and not outcome.crashed([]) and not outcome.crashed([0.9])
    assert outcome.crashed([0.8, 0.69]) and not outcome.crashed([0.8, 0.71])


def test_the_run_that_answers_sandal_to_everything_has_collapsed():
    """At pocket size, seed 4: right on 78% after nine epochs, and the mean loss of its last epoch is below the mark."""
    run, = (run for run in load("training") if run["label"] == "the section, lr 0.1" and run["recipe"]["seed"] == 4)
    assert 0.77 < run["history"][-2]["test_acc"] < 0.79 and run["history"][-1]["loss"] < outcome.mark()
    assert run["answered"] == [10_000 * (k == 5) for k in range(10)]
    assert outcome.outcome(run["losses"], 4690, run["answered"]) == run["outcome"] == "collapsed"
    assert run["lost"] == [k for k in range(10) if k != 5] and run["crashed"]
