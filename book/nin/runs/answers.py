"""What recorded runs answer to exercises 1 and 2, in Markdown that is true at any number of runs. Needs no torch.

Exercise 4's answer is in `fears.py`.
"""

from typing import NamedTuple

from ..recipes import TOP
from . import read
from .studies import STUDIES

SECTIONS, SOUNDS = "the section's recipe", "a sound recipe"
EXERCISE_2 = {SECTIONS: ("exercise-2-one-by-one",), SOUNDS: ("exercise-2-sound", "exercise-2-more")}
EXERCISE_4 = {SOUNDS: ("exercise-4-one-step",), SECTIONS: ("exercise-4-section",)}
# The comparisons that were named before their runs: {exercise: [(recipe, label, reference)]}; all others explore.
PRIMARY = {
    2: [(SOUNDS, "one 1×1", "two 1×1s"), (SECTIONS, "one 1×1", "two 1×1s")],
    4: [(SOUNDS, "gradual", "one-step 3×3"), (SOUNDS, "NiN block", "one-step 3×3"),
        (SOUNDS, "fully connected", "NiN block")]}


def unanswered(what):
    """A line on what no recorded run answers yet, in Markdown."""
    return f"- **Not answered yet:** {what}. The runs are not recorded."


def under(studies, recipe, scale="pocket"):
    """The runs of some studies under a recipe, labelled without the recipe's name."""
    return [{**run, "label": run["label"].removesuffix(f", {recipe}")}
            for name in studies[recipe] for run in read.load(name, scale)]


class Contrast(NamedTuple):
    """A difference between two variants, and how many runs of each it rests on."""

    difference: tuple  # a nin.compare.Difference
    n: int
    reference_n: int

    def text(self, digits=2):
        """Difference, 95% interval, runs a side: "+0.31 [+0.10, +0.52], 10 and 9"."""
        mean, low, high = (f"{value:+.{digits}f}" for value in self.difference[:3])
        return f"{mean} [{low}, {high}], {self.n} and {self.reference_n}"


def contrast(groups, label, reference, measure):
    """mean(label) - mean(reference) of a measure over clean runs; None below 8 a side.

    `groups` is {label: recorded runs}; `measure` takes a run, and returns None where
    its line lacks what is needed.
    """
    from ..compare import LEAST, welch

    sides = []
    for name in (reference, label):
        clean = [run for run in groups.get(name, []) if run["outcome"] == "clean"]
        sides.append([value for run in clean if (value := measure(run)) is not None])
    if min(map(len, sides)) < LEAST:
        return None
    return Contrast(welch(*sides), len(sides[1]), len(sides[0]))


class Compared(NamedTuple):
    """Two groups of runs: clean runs of all (k, n), the p-value of their shares, and the accuracies' contrast or None.

    The contrast is that of the clean runs' test accuracies, in points, from eight clean runs a side on.
    """

    clean: tuple
    reference: tuple
    p: float
    accuracy: object

    def seen(self, adjusted=None):
        """What differs at 5%, in words: shares of clean runs, accuracies of these, both, or nothing.

        By its own two p-values, or by those adjusted for other tests: {"share": p, "accuracy": p}.
        """
        from ..compare import LEAST

        ps = adjusted or {"share": self.p, "accuracy": self.accuracy.difference.p if self.accuracy else 1.0}
        found = []
        if ps["share"] < 0.05:
            more = self.clean[0] / self.clean[1] > self.reference[0] / self.reference[1]
            found.append(f"{'more' if more else 'fewer'} runs end clean")
        if ps["accuracy"] < 0.05:
            found.append(f"clean runs are {'more' if self.accuracy.difference.mean > 0 else 'less'} accurate")
        few = min(self.clean[1], self.reference[1]) < LEAST
        nothing = f"no difference is {'established' if adjusted else 'seen'}"
        return " and ".join(found) or ("too few runs to tell" if few else nothing)

    def figures(self):
        """The figures behind it: counts and p in one sentence, the accuracies' difference in another."""
        text = (f"{self.clean[0]} of {self.clean[1]} runs end clean, against {self.reference[0]} of "
                f"{self.reference[1]} (p = {self.p:.2g}). ")
        if self.accuracy is None:
            return text + "With fewer than eight clean runs on one side, accuracies are not compared."
        mean, low, high, _ = self.accuracy.difference
        return text + f"Their accuracy differs by {mean:+.2f} points [{low:+.2f}, {high:+.2f}]."

    def words(self, adjusted=None):
        """Both: the verdict, then its figures. `adjusted`, {"share": p, "accuracy": p}, if it was named before."""
        text = f"**{self.seen(adjusted)}.** {self.figures()}"
        if adjusted and self.accuracy:
            text += (f" The verdict is by Holm's method over this chapter's named tests: p = {adjusted['share']:.2g} "
                     f"for the share, {adjusted['accuracy']:.2g} for the accuracy.")
        return text


def accuracy(run):
    """A run's test accuracy in %, or None."""
    return None if run["test_acc"] is None else 100 * run["test_acc"]


def compared(runs, label, reference):
    """A label's runs `Compared` with the reference's; None where one of them has no run."""
    from ..compare import fisher, mcnemar

    groups = read.by_label(runs)
    if not (label in groups and reference in groups):
        return None
    counts = [(sum(run["outcome"] == "clean" for run in group), len(group))
              for group in (groups[label], groups[reference])]
    if read.share_weights(groups[label][0], groups[reference][0]):
        p = mcnemar(read.paired(runs, reference, label))
    else:
        p = fisher(*counts)
    return Compared(*counts, p, contrast(groups, label, reference, accuracy))


def _list(words):
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def options(answers):
    """A prediction's options, each folded over its answer, in Markdown and HTML, from {option: answer}."""
    parts = [f"<details><summary>{option}</summary>\n\n{answer}\n\n</details>" for option, answer in answers.items()]
    return '<div class="options">\n\n' + "\n".join(parts) + "\n</div>"


def chosen(meanings, right, text):
    """{option: answer} of a prediction from {option: what it would mean}.

    `right` is the option that the runs bear out, `text` their figures; where `right` is None none is called right.
    """
    if right is None:
        return {option: f"This would mean: {meaning[0].lower()}{meaning[1:]} {text}".strip()
                for option, meaning in meanings.items()}
    return {option: f"**Yes.** {text} {meaning}" if option == right else f"**No.** {text}"
            for option, meaning in meanings.items()}


def decided(found, meanings, ps):
    """{option: answer} of a prediction on two groups, from `meanings`: {option: (outcome, what it would mean)}.

    The outcomes are "less", "more" and "no difference": of the clean runs' accuracy, judged by ps["accuracy"], the
    p-value adjusted for all named tests. Without runs, or with too few clean ones, no option is called right.
    """
    means = {option: meaning for option, (_, meaning) in meanings.items()}
    if found is None or found.accuracy is None:
        return chosen(means, None, f"So far: {found.figures()}" if found else "")
    difference, n = found.accuracy.difference, found.accuracy
    outcome = "no difference" if ps["accuracy"] >= 0.05 else "more" if difference.mean > 0 else "less"
    return chosen(means, next(option for option, (named, _) in meanings.items() if named == outcome),
                  f"The difference is {difference.mean:+.2f} points [{difference.low:+.2f}, {difference.high:+.2f}], "
                  f"with {n.n} against {n.reference_n} clean runs (p = {ps['accuracy']:.2g} by Holm's method).")


def early_losses():
    """{body: the mean losses of steps 101 to 120} of exercise 2's runs under the sound recipe: two 1×1s, and none."""
    groups = read.by_label(under(EXERCISE_2, SOUNDS))
    return {label: [run["losses"][5] for run in groups.get(label, ()) if len(run.get("losses", ())) > 5]
            for label in ("two 1×1s", "no 1×1")}


def left_early(runs, steps):
    """(how many runs, how many of them left ln 10 within so many steps)."""
    return len(runs), sum(bool(run["plateau_end"]) and run["plateau_end"] <= steps for run in runs)


def judged(exercise, studies):
    """The comparisons named before the runs: {each: Compared or None}, and {each: {test: p}} by Holm over all tests.

    A comparison without runs, or accuracies of fewer than eight clean runs a side, counts as a test with p = 1.
    """
    from ..compare import holm

    runs = {recipe: under(studies, recipe) for recipe in studies}
    found = {named: compared(runs[named[0]], *named[1:]) for named in PRIMARY[exercise]}
    ps = {}
    for named, result in found.items():
        ps[named, "share"] = result.p if result else 1.0
        ps[named, "accuracy"] = result.accuracy.difference.p if result and result.accuracy else 1.0
    values = holm(ps)
    return found, {named: {test: values[named, test] for test in ("share", "accuracy")} for named in found}


def first_look(named, studies, found):
    """A sentence where a named comparison rests on fewer runs than were fixed beforehand, else an empty text."""
    recipe, *labels = named
    seeds = {label: study.seeds_for(label) for study in map(STUDIES.get, studies[recipe]) for label in study.recipes}
    planned = tuple(len(seeds[f"{label}, {recipe}"]) for label in labels)
    if (found.clean[1], found.reference[1]) == planned:
        return ""
    return f" A first look: {planned[0]} against {planned[1]} runs are planned."


def primary(exercise, studies):
    """Lines on the comparisons named before the runs: both tests of each, by Holm over all of them, in Markdown."""
    found, adjusted = judged(exercise, studies)
    lines, n = [], 2 * len(found)
    for (recipe, label, reference), result in found.items():
        name = f"{label} against {reference}, {recipe}"
        if result is None:
            lines.append(f"- {name}: not recorded yet.")
            continue
        tests = {"share of clean runs": "share", **({"accuracy": "accuracy"} if result.accuracy else {})}
        values = {words: adjusted[recipe, label, reference][test] for words, test in tests.items()}
        seen = [words for words, p in values.items() if p < 0.05]
        lines.append(f"- {name}: **{'a difference in ' + _list(seen) if seen else 'no difference'} is established.** "
                     f"{result.figures()} By Holm's method over all {n} tests: "
                     + ", ".join(f"p = {p:.2g} ({words})" for words, p in values.items()) + "."
                     + first_look((recipe, label, reference), studies, result))
    return lines


def left_after(runs):
    """The least and the most steps after which runs left ln 10, "340 to 2,060", or "20"; empty where none did."""
    steps = {run["plateau_end"] for run in runs if run["plateau_end"]}
    return " to ".join(f"{step:,}" for step in sorted({min(steps), max(steps)})) if steps else ""


def _starts(runs, label, reference):
    """When two labels' runs left ln 10, in a sentence; none where it is the same or no run of one of them did."""
    one, other = (left_after([run for run in runs if run["label"] == name]) for name in (label, reference))
    told = one and other and one != other
    return f" The runs that leave ln 10 do so after {one} steps, against {other}." if told else ""


def exercise_2():
    """The short answer's recorded part: what removing 1×1s and adding one does, and what of it is the head's."""
    names = {"one 1×1": ("one 1×1 in place of two", "removing one"), "no 1×1": ("none", "removing both"),
             "three 1×1s": ("three", "a third")}
    recipes = {SECTIONS: "the section's recipe, which may not start", SOUNDS: "a recipe that starts"}
    lines, missing, (_, adjusted) = [], [], judged(2, EXERCISE_2)
    for recipe, title in recipes.items():
        runs, clauses, absent = under(EXERCISE_2, recipe), [], []
        for label in list(names)[:3 if recipe == SOUNDS else 2]:
            words, short = names[label]
            if found := compared(runs, label, "two 1×1s"):
                named = (recipe, label, "two 1×1s")
                look = first_look(named, EXERCISE_2, found) if named in adjusted else ""
                clauses.append(f"  - With {words}: {found.words(adjusted.get(named))}{look}"
                               f"{_starts(runs, label, 'two 1×1s')}")
            else:
                absent.append(short)
        if clauses:
            lines.append("\n".join([f"- **Under {title}:**", *clauses]))
        if absent:
            missing.append(f"{_list(absent)} under {title.split(',')[0]}")
    runs, parts = under(EXERCISE_2, SECTIONS), {"in the head alone": "two, head one", "in the body alone":
                                                "one, head two"}
    known = {part: found for part, label in parts.items() if (found := compared(runs, label, "two 1×1s"))}
    if known:
        lines.append("\n".join(["- **The head's part**, under the section's recipe, with one 1×1 less:",
                                *(f"  - {part.capitalize()}: {found.words()}" for part, found in known.items())]))
    if not lines:
        return [unanswered("what removing one 1×1, removing both or adding a third does, under a recipe that may not "
                           "start and under one that does, and how much of it is the head's")]
    missing += [f"removing one {part}" for part in parts if part not in known]
    return lines + ([unanswered("; ".join(missing))] if missing else [])


def exercise_1():
    """The short answer's recorded part: half the rate, twice the epochs, kept biases, and the ladder's top."""
    from ..compare import mean_interval

    runs = [{**run, "label": f"lr {lr}"} for study, lr in (("training", 0.1), ("training-rate", 0.05))
            for run in read.load(study) if run["label"] == f"the section, lr {lr}"]
    runs += [{**run, "label": run["label"].replace("lr 0.05, ", "")} for run in read.load("exercise-1-notes")]
    lines, waiting = [], []
    for label, reference, words, missing in (
            ("lr 0.05", "lr 0.1", "Half the rate, ten epochs", "half the rate alone"),
            ("20 epochs", "lr 0.1", "The notes' answer, half the rate and twice the epochs, from a fresh network",
             "the notes' answer from a fresh network"),
            ("20 epochs, biases kept", "20 epochs", "The notes' answer as their code runs it, with the biases of a "
             "network already trained, against a fresh network", "keeping the biases")):
        if found := compared(runs, label, reference):
            lines.append(f"- {words}: {found.words()}")
        else:
            waiting.append(missing)
    if waiting:
        lines.append(unanswered(f"what {_list(waiting)} {'do' if len(waiting) > 1 else 'does'}"))
    top = [run for run in read.load("exercise-1-tuning") if run["label"] == TOP]
    clean = [run["test_acc"] for run in top if run["outcome"] == "clean"]
    if clean:
        mean = mean_interval(clean)
        spread = f" [{mean.low:.4f}, {mean.high:.4f}]" if mean.n > 1 else ""
        lines.append(f"- The ladder of this chapter ends at {top[0]['parameters']:,} parameters and a mean test "
                     f"accuracy of **{mean.mean:.4f}**{spread}, {mean.n} of {len(top)} runs clean."
                     + read.first_look(TOP, len(top), "exercise-1-tuning"))
    else:
        lines.append(unanswered("how high the ladder of this chapter ends"))
    return lines
