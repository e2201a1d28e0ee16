"""Which runs each chapter's comparisons rest on. Values only, fixed before the runs; needs no torch."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ..recipes import LADDER, SECTION, SOUND, TOP, Recipe, Variant, change

EXTRAS = ("gradient", "probe")
KEPT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nin-book"  # checkpoints and final weights


@dataclass(frozen=True)
class Study:
    """Named recipes to be compared over seeds; a scale fits them to its size when they are recorded."""

    question: str
    isolates: str  # which difference the comparisons isolate
    recipes: dict  # label: Recipe
    seeds: range  # fixed before the runs
    seeds_of_label: dict = field(default_factory=dict)  # label: the seeds of a recipe that has others
    validation: bool = False  # accuracies on 5,000 held-out training images; the test set is left alone
    train_images: int = 60_000  # of the training set, the first ones
    float32: bool = False  # nothing in bfloat16, also where that is faster
    # Measured besides: "gradient", per step the relative one of the body's last convolution, and "probe", on the
    # finished network, what a linear classifier reads before and after the reduction (see nin.probe).
    extras: tuple = ()

    def __post_init__(self):
        if unknown := set(self.extras) - set(EXTRAS):
            raise ValueError(f"extras may hold {' and '.join(map(repr, EXTRAS))}, not {', '.join(sorted(unknown))}")
        if unknown := set(self.seeds_of_label) - set(self.recipes):
            raise ValueError(f"no recipe is labelled {', '.join(sorted(unknown))}: the labels are "
                             f"{', '.join(self.recipes)}")
        if any(recipe.seed for recipe in self.recipes.values()):
            raise ValueError("a study's recipes have seed 0; its seeds stand apart")

    def seeds_for(self, label):
        """The seeds that a recipe is recorded with."""
        return self.seeds_of_label.get(label, self.seeds)

    def runs(self):
        """(label, recipe with its seed) of every run, one seed of every recipe before the second of any."""
        seeds = {label: self.seeds_for(label) for label in self.recipes}
        for turn in range(max(map(len, seeds.values()))):
            for label, recipe in self.recipes.items():
                if turn < len(seeds[label]):
                    yield label, replace(recipe, seed=seeds[label][turn])


def recipe_id(recipe):
    """A hash of the fields that differ from the defaults, the seeds left out.

    Takes a Recipe, or the dict of a recorded line; what that lacks is at its default.
    """
    recipe = recipe if isinstance(recipe, dict) else asdict(recipe)
    text = json.dumps(_differing(recipe, asdict(Recipe())), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def run_name(recipe, sizes, bf16):
    """A run's identity as a file name; `sizes` are its numbers of training and test images."""
    precision = "bfloat16" if bf16 else "float32"
    return "-".join(map(str, (recipe_id(recipe), *sizes, precision, recipe.seed)))


def _differing(values, defaults):
    """The items of a nested dict that are not the defaults', seeds left out."""
    kept = {}
    for name, value in values.items():
        default = defaults.get(name)
        if name == "first" and value is not None:
            kept[name] = _differing(value, defaults)
        elif isinstance(value, dict):
            if inner := _differing(value, default):
                kept[name] = inner
        elif name != "seed" and value != default:
            kept[name] = value
    return kept


def _under(name, recipe, variants):
    """{"variant, name": the recipe with the variant's changes}."""
    return {f"{label}, {name}": change(recipe, **changes) for label, changes in variants.items()}


KAIMING, LINEAR = Recipe(init="kaiming"), Recipe(variant=Variant(linear_logits=True))
BOTH = replace(LINEAR, init="kaiming")
# Sound, with one 3×3 to the class maps: so 1×1s change the body alone.
ONE_STEP = change(SOUND, head="3x3")
WIDER = 1.15  # the body without 1×1s that costs as many MACs as the one with two, at pocket size

STUDIES = {
    "training": Study(
        "Does it start, and does it end well?",
        "the initialisation and the last ReLU, each with and without the other, at the section's rate",
        {"the section, lr 0.1": SECTION, "Kaiming, lr 0.1": KAIMING, "linear logits, lr 0.1": LINEAR,
         "both, lr 0.1": BOTH},
        seeds=range(20)),
    "training-rate": Study(
        "Does a smaller rate, or a smaller one at the start, help?",
        "the rate: half of it all the way, or the section's own reached over 500 steps",
        {"both, lr 0.05": replace(BOTH, lr=0.05), "the section, lr 0.05": replace(SECTION, lr=0.05),
         "Kaiming, lr 0.05": replace(KAIMING, lr=0.05), "linear logits, lr 0.05": replace(LINEAR, lr=0.05),
         "both, warm-up": replace(BOTH, warmup=500), "the section, warm-up": replace(SECTION, warmup=500)},
        seeds=range(10), seeds_of_label={"both, lr 0.05": range(20), "both, warm-up": range(20)}),
    "training-biases": Study(
        "Are it the weights or the biases?",
        "biases apart from weights, at lr 0.1: the section and Kaiming, each with the other's biases",
        {"Xavier, zero biases": Recipe(init="xavier, zero biases"),
         "Kaiming, torch's biases": Recipe(init="kaiming, torch's biases")},
        seeds=range(10)),
    "training-float32": Study(
        "Does rounding make the plateau?",
        "bfloat16 against float32, over the first three of the section's epochs",
        {"the section, float32": replace(SECTION, num_epochs=3)},
        seeds=range(10), float32=True),
    "exercise-2-one-by-one": Study(
        "What do the notes' runs show: one 1×1 less under the section's recipe?",
        "the body's 1×1s against the head's: (body, head) = (0, 0), (1, 1), (1, 2), (2, 1) and the section's (2, 2)",
        _under("the section's recipe", SECTION, {
            "two 1×1s": {}, "one 1×1": {"num_1x1": 1}, "no 1×1": {"num_1x1": 0},
            "one, head two": {"num_1x1": 1, "head_1x1": 2}, "two, head one": {"head_1x1": 1}}),
        seeds=range(10), seeds_of_label={"two 1×1s, the section's recipe": range(20),
                                         "one 1×1, the section's recipe": range(20)}),
    "exercise-2-sound": Study(
        "How many 1×1 convolutions does a block want, under a recipe that starts?",
        "depth against capacity: only the body's 1×1s change, and no 1×1 also at the MACs of two",
        _under("a sound recipe", ONE_STEP, {
            "two 1×1s": {}, "one 1×1": {"num_1x1": 1}, "no 1×1": {"num_1x1": 0},
            "no 1×1, wider": {"num_1x1": 0, "width": WIDER}}),
        seeds=range(10), seeds_of_label={"two 1×1s, a sound recipe": range(20), "one 1×1, a sound recipe": range(20)}),
    "exercise-4-one-step": Study(
        "What does it cost to go from many channels to ten in one step?",
        "the way from many channels to ten, everything before it unchanged",
        _under("a sound recipe", SOUND, {
            "one-step 3×3": {"head": "3x3"}, "NiN block": {}, "gradual": {"head": "gradual"},
            "fully connected": {"head": "fc"}}),
        seeds=range(10), extras=EXTRAS),
    "exercise-4-section": Study(
        "And under the section's recipe?",
        "the way from many channels to ten, under the recipe that may not start",
        _under("the section's recipe", SECTION, {
            "one-step 3×3": {"head": "3x3"}, "NiN block": {}, "gradual": {"head": "gradual"}}),
        seeds=range(10), extras=EXTRAS),
    "exercise-1-notes": Study(
        "Is the notes' second answer better, and was it a fresh network?",
        "twenty epochs at half the rate from new biases, or from those of a network already trained, as the notes' "
        "code leaves them",
        {"lr 0.05, 20 epochs": replace(SECTION, lr=0.05, num_epochs=20),
         "lr 0.05, 20 epochs, biases kept": replace(SECTION, lr=0.05, num_epochs=20, first=SECTION)},
        seeds=range(10)),
    "exercise-1-choice": Study(
        "Which levers does the ladder keep?",
        "one lever a rung, judged on 5,000 held-out training images, the test set left alone",
        {label: rung.recipe for label, rung in LADDER.items()},
        seeds=range(3), validation=True),
    "exercise-1-tuning": Study(
        "What does the chosen ladder bring, on seeds that chose nothing?",
        "each kept lever on top of those before it, on the test set",
        {label: LADDER[label].recipe for label in ("the section", "+ Kaiming", "+ one-cycle", "+ batch norm",
                                                   "+ 20 epochs", TOP)},
        seeds=range(10, 15), seeds_of_label={TOP: range(10, 20)}),
    "lost-classes-labels": Study(
        "Is it the map that is lost, or the garment?",
        "the labels alone, every garment's five places on; weights and order of the images as in the section's runs",
        {"the section, relabelled": replace(SECTION, relabel=5)},
        seeds=range(10)),
    "exercise-2-more": Study(
        "Does a third 1×1 add anything, or a wider window?",
        "three 1×1s, and two 3×3s in the place of two 1×1s, in the body alone",
        _under("a sound recipe", ONE_STEP, {"three 1×1s": {"num_1x1": 3}, "two 3×3s": {"window": 3}}),
        seeds=range(5)),
    "exercise-4-overfitting": Study(
        "Does one step overfit, where there is something to overfit?",
        "the head, with and without dropout, on a tenth of the images for 60 epochs",
        {f"{head}{name}": change(SOUND, num_epochs=60, **changes, **dropout) for head, changes in {
            "one-step 3×3": {"head": "3x3"}, "NiN block": {}, "fully connected": {"head": "fc"}}.items()
         for name, dropout in {"": {}, ", no dropout": {"dropout": 0.0}}.items()},
        seeds=range(5), train_images=6_000),
    "exercise-4-wide": Study(
        "Is it different from 384 channels?",
        "the exercise's own reduction, from a last stage four times as wide",
        {label: change(SOUND, last_width=4.0, **changes) for label, changes in {
            "one-step 3×3 from 384": {"head": "3x3"}, "gradual from 384": {"head": "gradual"}}.items()},
        seeds=range(3)),
    "family": Study(
        "What do two and four times the MACs buy?",
        "width alone, by a factor of √2 and 2",
        {"2 × the MACs": change(ONE_STEP, width=2 ** 0.5), "4 × the MACs": change(ONE_STEP, width=2.0)},
        seeds=range(3), seeds_of_label={"2 × the MACs": range(5)}),
}
