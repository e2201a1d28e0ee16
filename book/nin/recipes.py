"""What a run computes, as values that need no torch. Chapters 3, 4, 5 and 7."""

import math
from dataclasses import dataclass, fields, replace

HEADS = ("block", "3x3", "1x1", "gradual", "fc", "fc-hidden")
INITS = ("xavier", "kaiming", "xavier, zero biases", "kaiming, torch's biases")
SCHEDULES = ("constant", "cosine", "one-cycle")


def _check(recipe, rules):
    """Raise ValueError for a field that breaks its rule: (whether it holds, words)."""
    for name, (holds, words) in rules.items():
        if not holds:
            raise ValueError(f"{name} must {words}, not {getattr(recipe, name)!r}")


@dataclass(frozen=True)
class Variant:
    """What an exercise changes in the network; by default it is the section's."""

    num_1x1: int = 2  # convolutions after the first one of each block
    window: int = 1  # their window; 3 puts 3×3s in their place
    head: str = "block"  # one of HEADS, see nin.model
    linear_logits: bool = False  # no ReLU after the last convolution
    batch_norm: bool = False  # after every convolution before the dropout
    # Multiplies 96, 256 and 384; a native network rounds to multiples of 4.
    width: float = 1.0
    depth: int = 1  # blocks before each pool, in VGG's manner
    dropout: float = 0.5
    # The 28×28 image as it is: 5×5 with stride 1 in place of 11×11 with stride 4.
    native: bool = False
    in_channels: int = 1
    num_classes: int = 10
    head_1x1: int | None = None  # 1×1s in the head's block; None: as in the body's
    last_width: float = 1.0  # multiplies the last stage's channels once more

    def __post_init__(self):
        _check(self, {
            "head": (self.head in HEADS, f"be one of {', '.join(HEADS)}"),
            "window": (self.window in (1, 3), "be 1 or 3"),
            "width": (self.width > 0, "be above 0"),
            "last_width": (self.last_width > 0, "be above 0"),
            "depth": (self.depth >= 1, "be at least 1"),
            "dropout": (0 <= self.dropout < 1, "be at least 0 and below 1"),
            "num_1x1": (self.num_1x1 >= 0, "be at least 0"),
            "head_1x1": ((self.head_1x1 or 0) >= 0, "be at least 0")})

    @property
    def side(self):
        """Pixels to a side of the images that the network takes."""
        return 28 if self.native else 224

    @property
    def cells(self):
        """Positions of a class map: 5 to a side, 4 in the native network."""
        return 16 if self.native else 25


@dataclass(frozen=True)
class Recipe:
    """What a run computes; by default the section's, plain SGD from Xavier weights."""

    variant: Variant = Variant()
    init: str = "xavier"
    lr: float = 0.1  # the highest, where a schedule changes it
    num_epochs: int = 10
    batch_size: int = 128
    schedule: str = "constant"
    momentum: float = 0.0  # Nesterov's
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    flips: bool = False  # mirror every other image, at random
    shift: int = 0  # move every image by up to this many source pixels
    erase: int = 0  # blacken a square of this many source pixels to a side
    mirrored: bool = False  # measure the mean logits of an image and its mirror image
    seed: int = 0  # of the weights, the examples' order, dropout and augmentation
    # Steps over which the lr rises in proportion to them, on top of the schedule.
    warmup: int = 0
    # Trained before, with the same seed; this run starts with its biases.
    first: "Recipe | None" = None
    relabel: int = 0  # every garment's label is so many places on: class 9 + 1 is 0

    def __post_init__(self):
        classes = self.variant.num_classes
        _check(self, {
            "lr": (0 < self.lr < math.inf, "be above zero (the section's is 0.1)"),
            "num_epochs": (self.num_epochs >= 1, "be at least 1"),
            "batch_size": (self.batch_size >= 1, "be at least 1"),
            "init": (self.init in INITS, f"be one of {', '.join(INITS)}"),
            "schedule": (self.schedule in SCHEDULES,
                         f"be one of {', '.join(SCHEDULES)}"),
            "warmup": (self.warmup >= 0, "be 0 steps or more"),
            "relabel": (0 <= self.relabel < classes,
                        f"lie between 0 and {classes - 1}"),
            "shift": (0 <= self.shift < 28, "lie between 0 and 27 pixels"),
            "erase": (0 <= self.erase <= 28, "lie between 0 and 28 pixels")})
        if self.first is not None and self.first.variant != self.variant:
            raise ValueError("`first` must train the same variant: its biases are "
                             "taken over")


def change(recipe, **changes):
    """A recipe with some of its fields, or of its variant's, replaced."""
    names = {part.name for part in fields(Variant)} & changes.keys()
    variant = replace(recipe.variant, **{name: changes.pop(name) for name in names})
    return replace(recipe, variant=variant, **changes)


SECTION = Recipe()
# Differs from the section's on every count but the layers, to leave the plateau early;
# the studies say how reliably. The best recipe is another one: BEST.
SOUND = Recipe(Variant(linear_logits=True, batch_norm=True), init="kaiming", lr=0.05,
               momentum=0.9, schedule="one-cycle", flips=True)


@dataclass(frozen=True)
class Rung:
    """A recipe that differs by its lever alone from the rung with the label `base`."""

    base: str | None
    recipe: Recipe
    kept: bool  # the next rung goes on from here; else it was tried, and led nowhere


# The lever of every rung in the order of climbing, as fields of Recipe or Variant. A
# label that begins with "+" is kept by all rungs after it, the others by none: fixed
# before any run, for the held-out accuracies of chapter 4 to judge.
LEVERS = {
    "tried: lr 0.05": {"lr": 0.05},
    "tried: 20 epochs": {"num_epochs": 20},
    "the notes: lr 0.05, 20 epochs": {"lr": 0.05, "num_epochs": 20},
    "+ Kaiming": {"init": "kaiming"},
    "+ linear logits": {"linear_logits": True},
    "+ momentum 0.9": {"momentum": 0.9, "lr": 0.02},
    "+ one-cycle": {"schedule": "one-cycle", "lr": 0.05},
    "+ batch norm": {"batch_norm": True},
    "+ class maps in one step": {"head": "3x3"},
    "+ lr 0.1": {"lr": 0.1},
    "+ weight decay 5e-4": {"weight_decay": 5e-4},
    "tried: batches of 256": {"batch_size": 256, "lr": 0.2},
    "+ flips": {"flips": True},
    "tried: label smoothing 0.1": {"label_smoothing": 0.1},
    "tried: no dropout": {"dropout": 0.0},
    "tried: two blocks a stage": {"depth": 2, "width": 2 / 3},
    "+ 20 epochs": {"num_epochs": 20},
    "+ shifts of 1": {"shift": 1},
    "+ erased squares": {"erase": 8},
    "+ mirror image averaged": {"mirrored": True},
    "+ 40 epochs": {"num_epochs": 40},
    "tried: two blocks a stage, 40 epochs": {"depth": 2, "width": 2 / 3},
    "+ 80 epochs": {"num_epochs": 80},
}


def climb(levers):
    """{label: Rung} from the section's recipe on."""
    top = "the section"
    rungs = {top: Rung(None, SECTION, True)}
    for label, changes in levers.items():
        kept = label.startswith("+")
        rungs[label] = Rung(top, change(rungs[top].recipe, **changes), kept)
        top = label if kept else top
    return rungs


LADDER = climb(LEVERS)
TOP = [label for label, rung in LADDER.items() if rung.kept][-1]
# The book's best recipe: the last rung of the ladder. Its network is the live page's.
BEST = LADDER[TOP].recipe
