"""What chapters 4 to 7 say in words of recorded runs and of the benchmark's rows: see test_claims.py."""

from statistics import median

from nin.bench.rows import benched, gaps
from nin.runs import read

STUDIES = ("training", "training-rate")
SECTION, HALF = "the section, lr 0.1", "the section, lr 0.05"


def half_the_rate_stays_twice_as_long(runs):
    """At half the rate a seed's run stands at ln 10 for one and a half to three times as many steps, in the median."""
    pairs = [pair for pair in read.paired(runs, SECTION, HALF, lambda run: run["plateau_end"]) if all(pair)]
    return len(pairs) >= 5 and 1.5 < median(half / whole for whole, half in pairs) < 3


def dead_maps_wake(runs):
    """Of the section's clean runs more end with fewer dead maps than they began with than the other way, ten to one."""
    pairs = [(run["dead_before"], run["dead_after"]) for run in runs
             if run["label"] == SECTION and run["outcome"] == "clean" and None not in (run["dead_before"],
                                                                                       run["dead_after"])]
    woke, died = (sum(better) for better in zip(*((a > b, a < b) for a, b in pairs), strict=True))
    return woke >= 5 and woke >= 10 * died


def before_for_after(runs):
    """The runs with their dead maps at the start and at the end in each other's place."""
    return [{**run, "dead_before": run["dead_after"], "dead_after": run["dead_before"]} for run in runs]


def rows_of(part, runs):
    """A part of the benchmark, as dicts: those among the runs, which an exchange puts there, else the recorded ones."""
    rows = [run for run in runs if run.get("part") == part]
    if not rows:
        rows = benched(part)[0]
        rows = (gaps(rows) if part == "memory" else rows).reset_index().to_dict("records")
    return rows


def exchange(part, column, *pairs):
    """Puts a part's rows among the runs, two groups in each other's place, by a column's values."""
    other = dict(pairs) | {b: a for a, b in pairs}
    return lambda runs: [*runs, *({**row, column: other.get(row[column], row[column])} for row in rows_of(part, []))]


def memory(runs, path, n, column="measured (MB)"):
    """A number of a case with n images."""
    return next(row[column] for row in rows_of("memory", runs) if (row["path"], row["batch size"]) == (path, n))


def prediction_has_the_wider_gap(runs):
    """With 128 images more lies above the prediction's formula than above the training step's, in percent."""
    return (memory(runs, "prediction, float32", 128, "gap (%)") > 2 * memory(runs, "training, float32, SGD", 128,
                                                                              "gap (%)"))


def adam_shows_with_one_image(runs):
    """Adam needs half as much again as plain SGD with one image, and less than 3% more with 128."""
    ratio = [memory(runs, "training, float32, Adam", n) / memory(runs, "training, float32, SGD", n) for n in (1, 128)]
    return ratio[0] > 1.5 and 1 < ratio[1] < 1.03


def bf16_needs_less_with_many_images(runs):
    """A training step with 128 images needs less in bf16 than in float32, by a third or more."""
    return memory(runs, "training, bfloat16, SGD", 128) < memory(runs, "training, float32, SGD", 128) * 2 / 3


def bf16_needs_more_for_one_prediction(runs):
    """A prediction of one image needs more under bf16 autocast."""
    return memory(runs, "prediction, bfloat16", 1) > memory(runs, "prediction, float32", 1)


def layer(runs, name):
    """(share of the time, share of the arithmetic, GFLOP a millisecond) of the first layer of a name."""
    rows = [row for row in rows_of("layers", runs) if row["type"] == "float32" and row["path"] not in ("all layers",
                                                                                                      "whole step")]
    work = [row["forward, GFLOP"] + row["backward, GFLOP"] for row in rows]
    times = [row["both (ms)"] for row in rows]
    at = next(i for i, row in enumerate(rows) if row["layer"] == name)
    return times[at] / sum(times), work[at] / sum(work), work[at] / times[at]


def the_5x5_takes_longest(runs):
    """The layer with the most MACs takes the longest, twice as long as the 3×3 of block 3."""
    names = {row["layer"] for row in rows_of("layers", runs) if row["path"] not in ("all layers", "whole step")}
    times = {name: layer(runs, name)[0] for name in names}
    return max(times, key=times.get) == FIVE and times[FIVE] > 2 * times[THREE]


def the_5x5_takes_less_than_its_share(runs):
    """The 5×5's share of the time is smaller than its share of the arithmetic, by three points or more."""
    time, work, _ = layer(runs, FIVE)
    return time < work - 0.03


def the_11x11_takes_more_than_its_share(runs):
    """The 11×11's share of the time is twice its share of the arithmetic, or more."""
    time, work, _ = layer(runs, ELEVEN)
    return time > 2 * work


def a_1x1_computes_slower_than_the_5x5(runs):
    """A 1×1 of block 1 computes at less than three quarters of the 5×5's rate."""
    return layer(runs, ONE)[2] < 0.75 * layer(runs, FIVE)[2]


ELEVEN, ONE, FIVE, THREE = "conv 11×11, 1→96", "conv 1×1, 96→96", "conv 5×5, 96→256", "conv 3×3, 256→384"
EXERCISE_3 = "exercise-3-resources"
CLAIMS = {  # name: the page, the check, the exchange: pairs of labels, or a function of the runs
    "half-the-rate-stays-twice-as-long": (
        "exercise-1-tuning", half_the_rate_stays_twice_as_long, {SECTION: HALF}),
    "dead-maps-wake": ("exercise-4-one-step", dead_maps_wake, before_for_after),
    "prediction-has-the-wider-gap": (EXERCISE_3, prediction_has_the_wider_gap, exchange(
        "memory", "path", ("prediction, float32", "training, float32, SGD"))),
    "adam-shows-with-one-image": (EXERCISE_3, adam_shows_with_one_image, exchange(
        "memory", "path", ("training, float32, SGD", "training, float32, Adam"))),
    "bf16-needs-less-with-many-images": (EXERCISE_3, bf16_needs_less_with_many_images, exchange(
        "memory", "path", ("training, float32, SGD", "training, bfloat16, SGD"))),
    "bf16-needs-more-for-one-prediction": (EXERCISE_3, bf16_needs_more_for_one_prediction, exchange(
        "memory", "path", ("prediction, float32", "prediction, bfloat16"))),
    "the-5x5-takes-longest": (EXERCISE_3, the_5x5_takes_longest, exchange("layers", "layer", (FIVE, THREE))),
    "the-5x5-takes-less-than-its-share": (
        EXERCISE_3, the_5x5_takes_less_than_its_share, exchange("layers", "layer", (FIVE, ELEVEN))),
    "the-11x11-takes-more-than-its-share": (
        EXERCISE_3, the_11x11_takes_more_than_its_share, exchange("layers", "layer", (FIVE, ELEVEN))),
    "a-1x1-computes-slower-than-the-5x5": (
        EXERCISE_3, a_1x1_computes_slower_than_the_5x5, exchange("layers", "layer", (FIVE, ONE))),
}
