"""What chapters 1 to 3, and the pages that quote them, say in words of recorded runs: see test_claims.py."""

from statistics import mean, median

from claims import accuracies, ends, left
from nin import outcome
from nin.compare import mcnemar, welch
from nin.runs import read

STUDIES = ("training", "training-rate", "training-float32")
SECTION, KAIMING, LINEAR, BOTH = (f"{name}, lr 0.1" for name in ("the section", "Kaiming", "linear logits", "both"))
HALF, FLOAT32 = "the section, lr 0.05", "the section, float32"


def a_hundred_steps_are_too_few(runs):
    """No run of the section's recipe has left ln 10 after a hundred steps."""
    return min(ends(runs, SECTION, left)) > 100


def kaiming_starts_earlier(runs):
    """Every Kaiming run that leaves ln 10 has left it before the first of the section's does."""
    return max(ends(runs, KAIMING, left)) < min(ends(runs, SECTION, left))


def kaiming_starts_earlier_without_the_relu(runs):
    """Without the last ReLU, too, Kaiming's runs leave ln 10 earlier on average."""
    return welch(ends(runs, LINEAR, left), ends(runs, BOTH, left)).high < 0


def kaiming_ends_higher(runs):
    """Clean Kaiming runs are more accurate than the section's clean runs."""
    return welch(accuracies(runs, SECTION), accuracies(runs, KAIMING)).low > 0


def kaiming_ends_higher_without_the_relu(runs):
    """And so they are without the last ReLU."""
    return welch(accuracies(runs, LINEAR), accuracies(runs, BOTH)).low > 0


def xavier_starts_with_more_dead_maps(runs):
    """More class maps are dead before the first step under Xavier with torch's biases than under Kaiming."""
    section, kaiming = (ends(runs, label, lambda run: run["dead_before"]) for label in (SECTION, KAIMING))
    return welch(kaiming, section).low > 0


def mostly(pairs, first_is_greater):
    """Whether one side of the pairs is the greater one in most of them, by McNemar's test."""
    differ = [(a > b, a < b) for a, b in pairs if a and b and a != b]
    greater = sum(a for a, _ in differ)
    return mcnemar(differ) < 0.05 and (greater > len(differ) / 2) == first_is_greater


def linear_logits_start_earlier(runs):
    """Without the last ReLU the section's first weights leave the plateau earlier."""
    return mostly(read.paired(runs, SECTION, LINEAR, left), True)


def half_the_rate_stays_longer(runs):
    """At half the rate the section's runs stay on the plateau longer, in pairs that share their first weights."""
    return mostly(read.paired(runs, SECTION, HALF, left), False)


def the_seed_sets_the_plateau(runs):
    """How long a seed stays differs far less between float32 and bfloat16 than between seeds."""
    pairs = [pair for pair in read.paired(runs, FLOAT32, SECTION, left) if all(pair)]
    own = mean(abs(a - b) for a, b in pairs)
    others = mean(abs(a - b) for i, (a, _) in enumerate(pairs) for j, (_, b) in enumerate(pairs) if i != j)
    return own < others / 4


def next_seeds(runs):
    """The float32 runs as if each had the seed before its own."""
    return [{**run, "recipe": {**run["recipe"], "seed": run["recipe"]["seed"] - 1}} if run["label"] == FLOAT32 else run
            for run in runs]


def woke(runs, label):
    """The share of the maps dead at the start of a label's runs that is left at their end, net of those that died."""
    both = [(run["dead_before"], run["dead_after"]) for run in runs if run["label"] == label
            and run["dead_before"] is not None and run["dead_after"] is not None]
    before, after = (sum(side) for side in zip(*both, strict=True))
    return after / before if before else float("inf")


def nearly_all_dead_maps_wake(runs):
    """Under Xavier as under Kaiming at most an eighth as many maps are dead at the end as at the start."""
    return max(woke(runs, SECTION), woke(runs, KAIMING)) <= 1 / 8


def dead_maps_wake(runs):
    """Of the maps that are dead at the start of the section's runs, fewer than a quarter as many are at the end."""
    return woke(runs, SECTION) < 1 / 4


def ends_for_starts(runs):
    """The dead maps at the end in the place of those at the start."""
    return [{**run, "dead_before": run["dead_after"], "dead_after": run["dead_before"]} for run in runs]


def relu_loses_classes(runs):
    """Where one run of a pair with the same first weights loses classes, it is the one with the ReLU, beyond chance."""
    pairs = [pair for labels in ((SECTION, LINEAR), (KAIMING, BOTH))
             for pair in read.paired(runs, *labels, lambda run: run["outcome"] == "classes lost")]
    return not any(without and not relu for relu, without in pairs) and mcnemar(pairs) < 0.05


def linear_runs_fall_back(runs):
    """Without the last ReLU no run loses classes; the others that end badly had left ln 10, or diverge."""
    bad = [run for run in runs if run["label"] in (LINEAR, BOTH) and run["outcome"] != "clean"]
    return bool(bad) and all(run["outcome"] == "diverged" or (run["outcome"] == "collapsed" and left(run))
                             for run in bad)


def losing(runs):
    """The runs with a last ReLU, at the section's rate, that lost classes."""
    return [run for run in runs if run["label"] in (SECTION, KAIMING) and run["outcome"] == "classes lost"]


def a_lost_class_costs(runs):
    """A run that lost classes lies below the clean ones, by at most ten points a class."""
    means = {label: mean(ends([run for run in runs if run["outcome"] == "clean"], label, lambda run: run["test_acc"]))
             for label in (SECTION, KAIMING)}
    return all(0 < means[run["label"]] - run["test_acc"] <= len(run["lost"]) / 10 for run in losing(runs))


def clean_ones_for_lost(runs):
    """The outcomes "clean" and "classes lost" in each other's place."""
    other = {"clean": "classes lost", "classes lost": "clean"}
    return [{**run, "outcome": other.get(run["outcome"], run["outcome"])} for run in runs]


def kaiming_finds_classes_sooner(runs):
    """After one epoch fewer classes are missing under Kaiming than under the section's recipe."""
    missing = [ends(runs, label, lambda run: len(outcome.lost(counts)) if run["history"] and (
        counts := read.answered(run["history"][0])) else None) for label in (KAIMING, SECTION)]
    return welch(*missing).low > 0


def of_lost(runs):
    """(spread of a lost class's logit, the median spread of its run's other logits) for each that is kept."""
    return [(run["logit_std"][k], median(std for i, std in enumerate(run["logit_std"]) if i not in run["lost"]))
            for run in losing(runs) if run["logit_std"] for k in run["lost"]]


def most_lost_classes_are_not_dead(runs):
    """Of more lost classes the logit varies over the test images than is the same for all."""
    dead = [std == 0 for std, _ in of_lost(runs)]
    return sum(dead) < len(dead) / 2


def dead_for_varying(runs):
    """Logits that vary in the place of those that do not."""
    return [{**run, "logit_std": [float(std == 0) for std in run["logit_std"]]} if run["logit_std"] else run
            for run in runs]


def a_lost_class_hardly_varies(runs):
    """Every lost class's logit varies less than half as much as the median of those that are answered."""
    return all(std < other / 2 for std, other in of_lost(runs))


def answered_for_lost(runs):
    """The classes that are answered in the place of those that are lost."""
    return [{**run, "lost": [k for k in range(10) if k not in run["lost"]]} if run["lost"] else run for run in runs]


def most_lost_classes_are_never_answered(runs):
    """Of the lost classes more than half are not answered once on the test images."""
    counts = [run["answered"][k] for run in losing(runs) for k in run["lost"]]
    return sum(count == 0 for count in counts) > len(counts) / 2


def one_answer_at_the_start(runs):
    """Before training every run gives more than half of the test images the same answer."""
    counts = [read.answered(run["before"]) for run in runs if "confusion" in run.get("before", {})]
    return bool(counts) and all(max(count) > sum(count) / 2 for count in counts)


def ends_for_beginnings(runs):
    """What was looked at after the last epoch in the place of what was looked at before the first."""
    return [{**run, "before": run["history"][-1]} if run["history"] else run for run in runs]


def most_classes_are_missing_after_an_epoch(runs):
    """After one epoch of the section's recipe more than half of the classes are hardly answered, on average."""
    return mean(ends(runs, SECTION, lambda run: len(outcome.lost(counts)) if run["history"] and (
        counts := read.answered(run["history"][0])) else None)) > 5


def full_size(runs):
    """The section's runs at its own size: those among the runs, where an exchange puts them, else the recorded."""
    found = [run for run in runs if run["scale"] == "full"] or read.load("training", "full")
    return [run for run in found if run["label"] == SECTION]


def the_first_300_steps_lie_on_the_plateau(runs):
    """At both sizes the mean loss of each hundred of the first 300 steps lies less than 0.05 below ln 10."""
    own = [run for run in runs if run["label"] == SECTION and run["scale"] == "pocket"] + full_size(runs)
    means = [mean(run["losses"][i:i + 5]) for run in own for i in (0, 5, 10) if len(run.get("losses", [])) >= 15]
    return bool(means) and all(value > outcome.mark() for value in means)


def the_large_network_loses_classes_too(runs):
    """At full size, too, a run of the section's recipe ends with classes lost."""
    return any(run["outcome"] == "classes lost" for run in full_size(runs))


def other_ends_at_full_size(runs):
    """The full-size runs with "clean" and "classes lost" in each other's place."""
    return [*runs, *clean_ones_for_lost(read.load("training", "full"))]


def hundreds_of_steps_or_the_end(runs):
    """Half of the section's runs stay on the plateau for more than 300 steps, and some end at ln 10."""
    ended = [run for run in runs if run["label"] == SECTION and run["outcome"] == "collapsed"]
    return median(ends(runs, SECTION, left)) > 300 and bool(ended)


def some_fall_back_and_some_lose_classes(runs):
    """Some of the section's runs fall back to the plateau that they had left; others lose classes."""
    own = [run for run in runs if run["label"] == SECTION]
    return (any(run["outcome"] == "collapsed" and left(run) for run in own)
            and any(run["outcome"] == "classes lost" for run in own))


RELU = {SECTION: KAIMING}
CLAIMS = {  # name: the page, the check, the exchange: pairs of labels, or a function of the runs
    "a-hundred-steps-are-too-few": ("training", a_hundred_steps_are_too_few, RELU),
    "kaiming-starts-earlier": ("training", kaiming_starts_earlier, RELU),
    "kaiming-starts-earlier-without-the-relu": ("training", kaiming_starts_earlier_without_the_relu, {LINEAR: BOTH}),
    "kaiming-ends-higher": ("training", kaiming_ends_higher, RELU),
    "kaiming-ends-higher-without-the-relu": ("training", kaiming_ends_higher_without_the_relu, {LINEAR: BOTH}),
    "xavier-starts-with-more-dead-maps": ("training", xavier_starts_with_more_dead_maps, RELU),
    "linear-logits-start-earlier": ("training", linear_logits_start_earlier, {SECTION: LINEAR}),
    "half-the-rate-stays-longer": ("training", half_the_rate_stays_longer, {SECTION: HALF}),
    "the-seed-sets-the-plateau": ("training", the_seed_sets_the_plateau, next_seeds),
    "dead-maps-wake": ("nin-model", dead_maps_wake, ends_for_starts),
    "relu-loses-classes": ("training", relu_loses_classes, {SECTION: LINEAR, KAIMING: BOTH}),
    "linear-runs-fall-back": ("training", linear_runs_fall_back, {SECTION: LINEAR, KAIMING: BOTH}),
    "a-lost-class-costs": ("training", a_lost_class_costs, clean_ones_for_lost),
    "kaiming-finds-classes-sooner": ("training", kaiming_finds_classes_sooner, RELU),
    "most-lost-classes-are-not-dead": ("training", most_lost_classes_are_not_dead, dead_for_varying),
    "a-lost-class-hardly-varies": ("training", a_lost_class_hardly_varies, answered_for_lost),
    "nearly-all-dead-maps-wake": ("training", nearly_all_dead_maps_wake, ends_for_starts),
    "most-lost-classes-are-never-answered": ("training", most_lost_classes_are_never_answered, answered_for_lost),
    "one-answer-at-the-start": ("training", one_answer_at_the_start, ends_for_beginnings),
    "most-classes-are-missing-after-an-epoch": ("training", most_classes_are_missing_after_an_epoch, RELU),
    "the-first-300-steps-lie-on-the-plateau": ("training", the_first_300_steps_lie_on_the_plateau, RELU),
    "the-large-network-loses-classes-too": ("training", the_large_network_loses_classes_too, other_ends_at_full_size),
    "hundreds-of-steps-or-the-end": ("afterwards", hundreds_of_steps_or_the_end, RELU),
    "some-fall-back-and-some-lose-classes": ("how-sure", some_fall_back_and_some_lose_classes, {SECTION: BOTH}),
}
