"""Made-up recorded runs, for tests only: none of their numbers has been measured."""

import json
import math
from dataclasses import asdict, replace

from nin.recipes import SECTION
from nin.runs.read import sizes as sizes_of
from nin.runs.studies import STUDIES
from nin.scale import SCALES

POCKET = SCALES["pocket"]
LEVERS = ("fold", "channels_last", "keep_memory", "autotune", "fused", "graph")


def run(label, seed, losses=None, accuracy=0.9, collapsed=False, epochs=2, recipe=None, sizes=(60_000, 10_000),
        bf16=True, lost=()):
    """One line as nin.runs.record writes it: a smooth curve from the plateau, or the plateau alone.

    Without a `recipe`, which brings its own epochs, it is the section's at pocket size. Classes that are `lost` are
    never answered. "answered" is what follows from the last epoch's "confusion", which counts where both are there.
    """
    recipe = replace(recipe or replace(POCKET.fit(SECTION), num_epochs=epochs), seed=seed)
    epochs, plateau = recipe.num_epochs, math.log(10)
    steps = epochs * math.ceil(sizes[0] / recipe.batch_size)
    curve = [plateau if collapsed else plateau * math.exp(-(20 * i / steps) * (1 + seed / 10)) for i in
             range(math.ceil(steps / 20))]
    reached = 0.1 if collapsed else accuracy
    history = [{"epoch": epoch, "loss": curve[epoch * len(curve) // epochs - 1],
                "train_acc": 0.1 + (reached - 0.1) * epoch / epochs, "seconds": 1.0, "test_seconds": 0.1,
                **_examined(0.1 + (reached - 0.1) * epoch / epochs, sizes[1], range(1, 10) if collapsed else lost)}
               for epoch in range(1, epochs + 1)]
    before = _examined(0.1, sizes[1], range(1, 10))
    del before["test_acc"]
    return {"label": label, "scale": "pocket" if recipe.variant.native else "full", "recipe": asdict(recipe),
            "speed": {"bf16": bf16, **{lever: lever in LEVERS[:3] for lever in LEVERS}}, "device": "made up",
            "torch": "0", "python": "0", "train_images": sizes[0], "test_images": sizes[1], "parameters": 131_494,
            "before": before, "history": history, "losses": losses or [round(value, 5) for value in curve],
            "seconds": 1.1 * epochs, "seen_images": 10_000, "seen_acc": reached,
            "answered": [sum(column) for column in zip(*history[-1]["confusion"], strict=True)],
            "date": f"2026-12-01T{seed % 24:02}:00:00+00:00"}


def run_of(study, label, seed, **more):
    """`run` with the recipe, the numbers of images and the precision that a study asks for: nin.runs.read finds it."""
    study = STUDIES[study]
    return run(label, seed, recipe=POCKET.fit(study.recipes[label]), sizes=sizes_of(study, POCKET),
               bf16=not study.float32, **more)


def _examined(accuracy, images, lost):
    """What nin.training.examine gives: so many answers right, no lost class answered, every logit alive."""
    answers, each = [k for k in range(10) if k not in lost], images // 10
    shares = _shares(min(round(accuracy * images), len(answers) * each), len(answers))
    right = dict(zip(answers, shares, strict=True))
    confusion = [[right.get(k, 0) if a == k else 0 for a in range(10)] for k in range(10)]
    for k, row in enumerate(confusion):
        others = [a for a in answers if a != k] or answers
        for a, wrong in zip(others, _shares(each - row[k], len(others)), strict=True):
            row[a] += wrong
    total = sum(confusion[k][k] for k in range(10))
    return {"test_acc": total / images, "confusion": confusion, "logit_mean": [1.0] * 10, "logit_std": [1.0] * 10,
            "logit_min": [0.0] * 10, "logit_max": [5.0] * 10}


def _shares(total, n):
    """n whole numbers, as equal as can be, with this sum."""
    return [total // n + (i < total % n) for i in range(n)]


def write(path, runs):
    """Write the runs as a .jsonl file; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in runs), encoding="utf-8")
    return path
