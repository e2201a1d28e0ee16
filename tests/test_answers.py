"""The short answers, from made-up lines: none, few, all of them, and with two groups exchanged."""

import random

import pytest

from made_up import run_of
from nin.runs import answers, fears, read, starts
from nin.runs.studies import STUDIES

TWO, SOUND, MORE = ("exercise-2-one-by-one", "exercise-2-sound", "exercise-2-more")
FOUR = ("exercise-4-one-step", "exercise-4-section")
BOTH_RECIPES = {TWO: answers.SECTIONS, SOUND: answers.SOUNDS, MORE: answers.SOUNDS, FOUR[0]: answers.SOUNDS,
                FOUR[1]: answers.SECTIONS}


@pytest.fixture
def recorded(monkeypatch):
    """Makes the lines that it is given those that are recorded."""
    return lambda lines: monkeypatch.setattr(read, "lines", lambda folder: lines)


def lines(n, better=None, by=0.01, collapsed=None, studies=(TWO, SOUND, MORE), **how):
    """At most n seeds of each recipe: `better` names the head or block that is so much better, `collapsed` fails."""
    made, known = [], set()
    for study in studies:
        for label in STUDIES[study].recipes:
            name = label.removesuffix(f", {BOTH_RECIPES.get(study)}")
            if (known_as := (str(STUDIES[study].recipes[label]))) in known:
                continue  # the same run in two studies
            known.add(known_as)
            for seed in list(STUDIES[study].seeds_for(label))[:n]:
                noise = random.Random(f"{label}, {seed}").gauss(0, 0.003)
                made.append(run_of(study, label, seed, accuracy=0.88 + noise + by * (name == better),
                                   collapsed=name == collapsed and seed % 4 > 0, **how))
    return made


@pytest.mark.parametrize("answer", [answers.exercise_1, answers.exercise_2, fears.exercise_4])
def test_without_runs_it_says_in_a_line_what_is_not_answered(recorded, answer):
    recorded([])
    experiments = "initialisations", "trained bodies"  # which are no runs
    found = [line for line in answer() if not any(word in line for word in experiments)]
    assert found and all(line.startswith("- **Not answered yet:** ") for line in found)
    assert all(line.endswith(". The runs are not recorded.") for line in found)


def test_five_runs_a_side_are_counted_and_their_accuracies_left(recorded):
    recorded(lines(5, better="one 1×1"))
    section, sound, head = answers.exercise_2()
    title, one, none = section.split("\n")
    assert title == "- **Under the section's recipe, which may not start:**" and none.startswith("  - With none: ")
    assert one == ("  - With one 1×1 in place of two: **too few runs to tell.** 5 of 5 runs end clean, against 5 of 5 "
                   "(p = 1). With fewer than eight clean runs on one side, accuracies are not compared. A first look: "
                   "20 against 20 runs are planned.")  # they leave ln 10 at the same steps, which is not told
    assert "planned" not in none + head  # what was not named before explores
    assert "With three: **too few runs" in sound and "With three" not in section
    assert "In the head alone" in head and "In the body alone" in head


def test_a_comparison_that_was_named_before_is_judged_by_holm(recorded):
    """The interval leaves out 0, and four tests were named: the short answer says what the chapter's list says."""
    recorded(lines(10, better="one 1×1", by=0.004, studies=(TWO,)))
    one = answers.exercise_2()[0].split("\n")[1]
    found = answers.compared(answers.under(answers.EXERCISE_2, answers.SECTIONS), "one 1×1", "two 1×1s")
    p = found.accuracy.difference.p
    assert found.seen() == "clean runs are more accurate" and 0.0125 < p < 0.05
    assert one.startswith("  - With one 1×1 in place of two: **no difference is established.**")
    assert f"p = 1 for the share, {4 * p:.2g} for the accuracy." in one
    assert "**no difference is established.**" in answers.primary(2, answers.EXERCISE_2)[1]


def test_starts_are_told_of_the_runs_that_start_the_label_first():
    runs = [{"label": label, "plateau_end": end}
            for label, end in (("one", 120), ("one", None), ("one", 300), ("two", 2060), ("two", 340), ("none", None))]
    assert answers._starts(runs, "one", "two") == (
        " The runs that leave ln 10 do so after 120 to 300 steps, against 340 to 2,060.")
    assert answers._starts(runs, "none", "two") == answers._starts(runs, "one", "none") == ""
    assert answers._starts(runs, "one", "one") == "" and answers.left_after(runs[:1]) == "120"


def test_what_is_missing_is_named(recorded):
    recorded([line for line in lines(5) if not line["label"].startswith(("no 1×1", "two, head one"))])
    found = answers.exercise_2()
    assert "With none" not in "\n".join(found[:-1]) and "In the head alone" not in "\n".join(found[:-1])
    assert found[-1] == ("- **Not answered yet:** removing both under the section's recipe; removing both under a "
                         "recipe that starts; removing one in the head alone. The runs are not recorded.")


def test_the_answer_turns_when_one_and_two_are_exchanged(recorded):
    recorded(lines(20, better="two 1×1s"))
    for line in answers.exercise_2()[:2]:
        assert "With one 1×1 in place of two: **clean runs are less accurate.** 20 of 20 runs" in line
        assert "differs by -1.0" in line
    recorded(lines(20, better="one 1×1"))
    for line in answers.exercise_2()[:2]:
        assert "With one 1×1 in place of two: **clean runs are more accurate.** 20 of 20 runs" in line
        assert "With none: **no difference is seen.** 10 of 10 runs" in line


def test_shares_are_told_apart_and_turn_too(recorded):
    recorded(lines(20, collapsed="one 1×1"))
    section, _, _ = answers.exercise_2()
    assert "**fewer runs end clean.** 5 of 20 runs end clean, against 20 of 20 (p = " in section
    recorded(lines(20, collapsed="two 1×1s"))
    section, _, head = answers.exercise_2()
    assert "**more runs end clean.** 20 of 20 runs end clean, against 5 of 20 (p = " in section
    assert head.count("**more runs end clean.** 10 of 10") == 2


def test_holm_covers_both_tests_of_each_named_comparison(recorded):
    recorded([])
    assert answers.primary(2, answers.EXERCISE_2) == [
        "- one 1×1 against two 1×1s, a sound recipe: not recorded yet.",
        "- one 1×1 against two 1×1s, the section's recipe: not recorded yet."]
    assert len(answers.primary(4, answers.EXERCISE_4)) == 3
    recorded(lines(20, better="two 1×1s"))
    for line in answers.primary(2, answers.EXERCISE_2):
        assert "**a difference in accuracy is established.** 20 of 20" in line
        assert "By Holm's method over all 4 tests: p = 1 (share of clean runs), p = " in line
    recorded(lines(20))
    assert all("**no difference is established.** " in line and "planned" not in line
               for line in answers.primary(2, answers.EXERCISE_2))
    recorded(lines(19))
    assert all(line.endswith(" A first look: 20 against 20 runs are planned.")
               for line in answers.primary(2, answers.EXERCISE_2))


def test_a_missing_comparison_counts_as_a_test(recorded):
    """Under one recipe alone, the p of a share is multiplied by four, not by two."""
    recorded(lines(10, collapsed="one 1×1", studies=(TWO,)))
    runs = answers.under(answers.EXERCISE_2, answers.SECTIONS)
    p = answers.compared(runs, "one 1×1", "two 1×1s").p
    assert f"p = {4 * p:.2g} (share of clean runs)." in answers.primary(2, answers.EXERCISE_2)[1]


def test_exercise_4_lists_what_is_seen_and_what_is_left_to_the_runs(recorded):
    recorded(lines(10, better="gradual", studies=FOUR))
    found = fears.exercise_4()
    assert found[0].startswith("- The gradual head in the place of one step, under a sound recipe: **clean runs are "
                               "more accurate.** 10 of 10") and "planned" not in found[0]
    assert found[1].startswith("- The NiN block in the place of one step") and "**no difference is est" in found[1]
    assert any(line.startswith("- One step breaks the fusion of features: **it depends**. Seen against gradual (")
               for line in found)
    assert found[-1] == ("- **Not answered yet:** whether one step loses information, makes gradients vanish or makes "
                         "gradients explode. The runs are not recorded.")
    recorded(lines(10, better="one-step 3×3", studies=FOUR))
    assert all("**clean runs are less accurate.**" in line for line in fears.exercise_4()[:2])
    assert any(line.startswith("- One step breaks the fusion of features: **not seen**; the contrary holds")
               for line in fears.exercise_4())


def test_exercise_1_turns_when_the_rates_are_exchanged(recorded):
    studies = ("training", "training-rate")
    recorded(lines(10, better="the section, lr 0.05", studies=studies))
    assert answers.exercise_1()[0].startswith("- Half the rate, ten epochs: **clean runs are more accurate.** 10 of 10")
    recorded(lines(10, better="the section, lr 0.1", studies=studies))
    assert "**clean runs are less accurate.**" in answers.exercise_1()[0]


def test_the_ladders_top_is_a_mean_over_its_clean_runs(recorded):
    runs = [run_of("exercise-1-tuning", answers.TOP, seed, accuracy=0.93 + seed / 1000) for seed in range(10, 20)]
    recorded(runs[:3])
    assert answers.exercise_1()[-1].endswith("a mean test accuracy of **0.9410** [0.9385, 0.9435], 3 of 3 runs clean. "
                                             "A first look: 10 runs are planned.")
    recorded(runs)
    assert answers.exercise_1()[-1].endswith("10 of 10 runs clean.")


def test_options_are_called_right_by_the_adjusted_p_alone(recorded):
    meanings = {"worse": ("less", "Depth counts."), "better": ("more", "Depth costs."),
                "none is established": ("no difference", "Not seen.")}
    named = (answers.SOUNDS, "one 1×1", "two 1×1s")

    def decided():
        found, ps = answers.judged(2, answers.EXERCISE_2)
        return answers.decided(found[named], meanings, ps[named])

    def right():
        return {option: answer for option, answer in decided().items() if answer.startswith("**Yes.**")}

    recorded([])
    assert right() == {}
    recorded(lines(5))
    assert right() == {} and "So far: 5 of 5" in decided()["worse"]
    for better, option in (("two 1×1s", "worse"), ("one 1×1", "better"), (None, "none is established")):
        recorded(lines(20, better=better))
        assert list(right()) == [option] and "with 20 against 20 clean runs (p = " in right()[option]
    recorded(lines(20, better="one 1×1", by=0.0023))
    found, _ = answers.judged(2, answers.EXERCISE_2)
    assert found[named].accuracy.difference.detected and list(right()) == ["none is established"]
    assert answers.options({"a": "b"}) == (
        '<div class="options">\n\n<details><summary>a</summary>\n\nb\n\n</details>\n</div>')


def test_first_gradients_are_compared_by_their_geometric_means(monkeypatch):
    """Twice the block's under the section's recipe, equal under the sound one; a hundred times would be too much."""
    def record(factor):
        cases = [{"case": {"recipe": recipe, "head": head}, "relative": [by * 2 * of for of in apart]}
                 for recipe, one in ((starts.SECTIONS, factor), (starts.SOUNDS, 1.0))
                 for head, by, apart in (("block", 1.0, (1, 2, 3, 5)), ("3x3", one, (0.5, 4, 3, 5)))]
        monkeypatch.setattr(read, "cases", lambda name: cases)

    record(2.0)
    assert starts.one_step().startswith(
        "**they do not vanish or explode because of one step.** Over 4 initialisations the gradient through the "
        "one-step 3×3 is 2.00 times [0.")
    assert " that through the NiN block under the section's recipe, and 1.00 times [0." in starts.one_step()
    assert starts.larger() == "it depends" and starts.against(starts.on_first_batch(), starts.SOUNDS, "gradual") is None
    record(100.0)
    assert starts.one_step().startswith("**they do vanish or explode")
    monkeypatch.setattr(read, "cases", lambda name: [])
    assert starts.one_step() == starts.figures() == "" and starts.larger() is None


def test_new_heads_are_compared_on_the_same_body(monkeypatch):
    """Bodies differ by points, heads by tenths: the difference is taken on each body."""
    def record(more, bodies=5):
        monkeypatch.setattr(read, "cases", lambda name: [
            {"accuracy": {"3x3": [0.9 + body / 100, 0.902 + body / 100],
                          "gradual": [0.901 + body / 100 + more, 0.901 + body / 100 + more + body / 1e5]},
             "loss": {"3x3": [0.2, 0.4], "gradual": [0.1, 0.1]}} for body in range(bodies)
            if name == "frozen-bodies"])

    record(0.002)
    assert fears.on_frozen_bodies()[1]["one-step 3×3"] == pytest.approx((91.1, 0.3))
    assert fears.same_body() == ("On 5 trained bodies that stay as they are, new gradual heads differ from new "
                                 "one-step 3×3s by +0.20 points [+0.20, +0.20].")
    assert f"- The head alone: {fears.same_body()}" in fears.exercise_4()
    record(-0.002)
    assert "by -0.20 points" in fears.same_body()
    record(0.002, bodies=1)
    assert fears.same_body() == ""


def test_a_prediction_says_yes_once_and_no_elsewhere_or_neither():
    meanings = {"a": "It is a.", "b": "It is b."}
    assert answers.chosen(meanings, "b", "3 of 4.") == {"a": "**No.** 3 of 4.", "b": "**Yes.** 3 of 4. It is b."}
    assert answers.chosen(meanings, None, "") == {option: f"This would mean: it is {option}." for option in "ab"}


def test_early_losses_and_starts_are_counted(recorded):
    recorded(lines(3, studies=(SOUND,)))
    found = answers.early_losses()
    assert {name: len(values) for name, values in found.items()} == {"two 1×1s": 3, "no 1×1": 3}
    runs = [{"plateau_end": step} for step in (300, 320, None)]
    assert answers.left_early(runs, 300) == (3, 1) and answers.left_early([], 300) == (0, 0)
