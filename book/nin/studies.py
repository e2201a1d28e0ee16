"""Which runs each chapter's comparisons rest on."""

from dataclasses import dataclass, field, replace

from .ladder import LADDER, TOP
from .model import Variant
from .training import SECTION, SOUND, Recipe, Speed


@dataclass(frozen=True)
class Study:
    """Named recipes to be compared over seeds."""

    question: str
    recipes: dict  # label: Recipe
    seeds: int  # enough for the effect that the question is about
    validation: bool = False  # accuracies on 5,000 held-out training images; the test set once, after the last epoch
    how: dict = field(default_factory=dict)  # label: a Speed other than the fastest, or "d2l" for d2l's own functions
    more_seeds: dict = field(default_factory=dict)  # label: seeds of a recipe that wants another number
    # Measured besides: "gradient", per step the relative one of the body's last convolution, and "probe", on the
    # finished network, what a linear classifier reads before and after the reduction (see nin.probe).
    extras: tuple = ()

    def __post_init__(self):
        if unknown := set(self.extras) - {"gradient", "probe"}:
            raise ValueError(f"extras may hold 'gradient' and 'probe', not {', '.join(sorted(unknown))}")
        if unknown := (set(self.how) | set(self.more_seeds)) - set(self.recipes):
            raise ValueError(f"no recipe is labelled {', '.join(sorted(unknown))}: the labels are "
                             f"{', '.join(self.recipes)}")

    def seeds_of(self, label):
        """How many seeds a recipe is recorded with."""
        return self.more_seeds.get(label, self.seeds)


def _variants(recipes, variants):
    """Every variant under every recipe, labelled "variant, recipe"; a recipe's own linear logits and norm stay."""
    return {f"{label}, {name}": replace(recipe, variant=replace(recipe.variant, **changes))
            for name, recipe in recipes.items() for label, changes in variants.items()}


_LINEAR = Variant(linear_logits=True)

STUDIES = {
    "training": Study(
        "Does the section's network start to learn?",
        {f"{name}, lr {lr}": replace(recipe, lr=lr) for lr in (0.05, 0.1) for name, recipe in {
            "the section": SECTION,
            "Kaiming": Recipe(init="kaiming"),
            "linear logits": Recipe(variant=_LINEAR),
            "both": Recipe(init="kaiming", variant=_LINEAR)}.items()},
        seeds=20),
    "training-parity": Study(
        "Does the faster trainer reach the accuracy of d2l's?",
        {"d2l's functions": SECTION, "the helper, plain": SECTION, "the helper, fastest": SECTION},
        seeds=5, how={"d2l's functions": "d2l", "the helper, plain": Speed()}),
    "exercise-1-tuning": Study(
        "What does each lever of tuning bring?", {label: rung.recipe for label, rung in LADDER.items()},
        seeds=5, validation=True, more_seeds={TOP: 10}),
    "exercise-2-one-by-one": Study(
        "How many 1×1 convolutions does a block want?",
        _variants({"the section's recipe": SECTION, "a sound recipe": SOUND}, {
            "no 1×1": {"num_1x1": 0}, "one 1×1": {"num_1x1": 1}, "two 1×1s": {"num_1x1": 2},
            "three 1×1s": {"num_1x1": 3}, "two 3×3s": {"window": 3}}),
        seeds=20),
    "exercise-4-one-step": Study(
        "What does it cost to go from 384 channels to 10 in one step?",
        _variants({"the section's recipe": SECTION, "a sound recipe": SOUND}, {
            "one-step 3×3": {"head": "3x3"}, "one-step 1×1": {"head": "1x1"}, "NiN block": {"head": "block"},
            "NiN block, no dropout": {"dropout": 0.0}, "gradual": {"head": "gradual"},
            "fully connected": {"head": "fc"}, "fully connected, no dropout": {"head": "fc", "dropout": 0.0},
            "4096 hidden units": {"head": "fc-4096"},
            "4096 hidden units, no dropout": {"head": "fc-4096", "dropout": 0.0}}),
        seeds=10, extras=("gradient", "probe")),  # 10 find an effect of 1.3 sd 78% of the time; --seeds adds more
    "family": Study(
        "What do width and depth buy, at 1 to 16 times the MACs?",
        {f"width {width:g}, depth {depth}": replace(SOUND, variant=replace(SOUND.variant, width=width, depth=depth))
         for width, depth in ((1.0, 1), (1.0, 2), (1.0, 3), (2.0, 1), (2.0, 2), (4.0, 1))},
        seeds=5),
}
