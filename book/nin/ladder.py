"""Exercise 1's ladder: one lever at a time from the section's recipe up to BEST, and what was tried beside it."""

from dataclasses import dataclass, fields, replace

from .model import Variant
from .training import SECTION, Recipe


@dataclass(frozen=True)
class Rung:
    """A recipe, and the label of the rung that it is compared with: it differs from that one by its lever alone."""

    base: str | None
    recipe: Recipe
    kept: bool  # the next rung goes on from here; otherwise it was tried beside, and led nowhere


# The lever of every rung in the order of climbing, as fields of Recipe or Variant. A label that begins with "+" is
# kept by all rungs after it, the others by none; which is which, the held-out accuracies of chapter 4 decide.
LEVERS = {
    "tried: lr 0.05": {"lr": 0.05},
    "tried: 20 epochs": {"num_epochs": 20},
    "the notes: lr 0.05, 20 epochs": {"lr": 0.05, "num_epochs": 20},
    "+ Kaiming": {"init": "kaiming"},
    "+ linear logits": {"linear_logits": True},
    "+ momentum 0.9": {"momentum": 0.9, "lr": 0.02},
    "+ one-cycle": {"schedule": "one-cycle", "lr": 0.05},
    "+ batch norm": {"batch_norm": True},
    "+ no enlargement": {"native": True},
    "tried: half as wide": {"width": 0.5},
    "+ class maps in one step": {"head": "3x3"},
    "+ lr 0.1": {"lr": 0.1},
    "+ batches of 256": {"batch_size": 256, "lr": 0.2},
    "+ weight decay 5e-4": {"weight_decay": 5e-4},
    "+ flips": {"flips": True},
    "tried: shifts of 1": {"shift": 1},
    "tried: label smoothing 0.1": {"label_smoothing": 0.1},
    "tried: no dropout": {"dropout": 0.0},
    "tried: two blocks a stage": {"depth": 2, "width": 2 / 3},
    "+ 40 epochs": {"num_epochs": 40},
    "+ two blocks a stage": {"depth": 2, "width": 2 / 3},
    "+ shifts of 1": {"shift": 1},
    "+ erased squares": {"erase": 8},
    "+ mirror image averaged": {"mirrored": True},
}


def change(recipe, **changes):
    """A recipe with some of its fields, or of its variant's, replaced."""
    of_variant = {field.name: changes.pop(field.name) for field in fields(Variant) if field.name in changes}
    return replace(recipe, variant=replace(recipe.variant, **of_variant), **changes)


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
# The book's best recipe: the last rung of the ladder. Its network is that of the live page.
BEST = LADDER[TOP].recipe
