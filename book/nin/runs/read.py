"""Recorded runs, read back and named by the study that asks for them, counted and compared. Needs no torch.

Where pages are only rendered, scipy and pandas are missing too: what counts and compares imports them itself.
"""

import json
import math
import warnings
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from .. import outcome
from ..scale import RESULTS, SCALES
from .studies import STUDIES, recipe_id


def identity(line):
    """What makes two lines the same run: the trainer's precision, recipe, numbers of images and seed."""
    return ("bfloat16" if line["speed"]["bf16"] else "float32", recipe_id(line["recipe"]), line["train_images"],
            line["test_images"], line["recipe"]["seed"])


def lines(folder=RESULTS):
    """Every whole line of a folder's runs, oldest first, each identity once; what is left out is warned of.

    Of two lines with one identity the earlier counts: by its date, then by its place.
    """
    found, left = [], Counter()
    for path in sorted(Path(folder).glob("*.jsonl")):
        if path.name.startswith("bench-"):  # timings, not runs
            continue
        for number, text in enumerate(path.read_text(encoding="utf-8", errors="replace").split("\n"), start=1):
            if not text:
                continue
            try:
                line = json.loads(text)
                found.append((line["date"], identity(line), line))
            except (json.JSONDecodeError, KeyError, TypeError):
                left[f"{path.name}, line {number} is not a whole record, as after an interruption: recording again "
                     f"adds its run"] += 1
    kept = {}
    for _, key, line in sorted(found, key=lambda entry: entry[0]):
        if kept.setdefault(key, line) is not line:
            left[f"an earlier line holds the same run: {line['label']}, seed {line['recipe']['seed']}"] += 1
    for reason, count in left.items():
        warnings.warn(f"left out {count} line{'s' * (count > 1)}: {reason}", stacklevel=3)
    return list(kept.values())


def sizes(study, scale):
    """(training images, test images) of a study's runs at a scale; the test images may be held-out ones."""
    if study.validation:
        return min(55_000, scale.train_images), min(5_000, scale.test_images)
    return min(study.train_images, scale.train_images), scale.test_images


def course(recipe, precision, images):
    """What makes a run begin as another one does: all of its identity, its epochs left out where the lr is constant.

    With a constant lr the first epochs of a long run are the short run; `recipe` is the dict that a line holds.
    """
    epochs = {} if recipe["schedule"] != "constant" else {"num_epochs": None}
    return precision, recipe_id({**recipe, **epochs}), *images, recipe["seed"]


def found(study, scale, kept):
    """{(label, seed): line, or None} for every run of a study at a scale, from `lines`; a longer run is cut."""
    courses = {}
    for line in kept:
        precision = "bfloat16" if line["speed"]["bf16"] else "float32"
        key = course(line["recipe"], precision, (line["train_images"], line["test_images"]))
        courses.setdefault(key, []).append(line)
    runs = {}
    for label, recipe in study.runs():
        recipe = asdict(scale.fit(recipe))
        best = None
        for precision in ("float32",) if study.float32 else ("bfloat16", "float32"):
            long = [line for line in courses.get(course(recipe, precision, sizes(study, scale)), [])
                    if line["recipe"]["num_epochs"] >= recipe["num_epochs"]]
            best = best or min(long, key=lambda line: line["recipe"]["num_epochs"], default=None)
        runs[label, recipe["seed"]] = best and cut(best, recipe["num_epochs"])
    return runs


def cut(line, num_epochs):
    """The run of the first epochs of a longer run; what was measured at its end alone is left out."""
    if line["recipe"]["num_epochs"] == num_epochs:
        return line
    steps = num_epochs * steps_per_epoch(line)
    kept = {name: line[name] for name in ("label", "speed", "device", "torch", "python", "date", "train_images",
                                          "test_images", "parameters", "before", "dead_maps_before") if name in line}
    return {**kept, "recipe": {**line["recipe"], "num_epochs": num_epochs}, "history": line["history"][:num_epochs],
            "losses": line.get("losses", [])[:steps // outcome.MEANS],
            **({"diverged": line["diverged"]} if "diverged" in line and len(line["history"]) < num_epochs else {})}


def steps_per_epoch(line):
    """Steps to an epoch of a recorded run."""
    return math.ceil(line["train_images"] / line["recipe"]["batch_size"])


def answered(epoch):
    """How often each class was answered after an epoch; None where that was not kept."""
    if "confusion" in epoch:
        return [sum(column) for column in zip(*epoch["confusion"])]
    return epoch.get("answered")


def described(line, label, scale):
    """A line with its label, scale and what follows from it: see `load`."""
    history, losses = line["history"], line.get("losses", [])
    last = history[-1] if history else {}
    counts = answered(last) or line.get("answered")
    steps = line["recipe"]["num_epochs"] * steps_per_epoch(line)
    variant = line["recipe"]["variant"]
    maps = not variant["linear_logits"] and variant["head"] not in ("fc", "fc-hidden")
    before = line.get("before", {}).get("logit_max")
    end = outcome.outcome(losses, steps, counts, "diverged" in line)
    return {**line, "label": label, "scale": scale, "outcome": end, "answered": counts,
            "device": line.get("cpu") or line.get("device"),
            "lost": None if counts is None else outcome.lost(counts),
            "logit_std": last.get("logit_std") or line.get("logit_std"),
            "plateau_end": outcome.plateau_end(losses),
            "crashed": outcome.crashed([epoch["test_acc"] for epoch in history]),
            "dead_before": None if not maps else len(outcome.dead(before)) if before else line.get("dead_maps_before"),
            "dead_after": len(outcome.dead(last["logit_max"])) if maps and "logit_max" in last else None,
            "test_acc": last.get("test_acc")}


def load(name, scale="pocket", folder=RESULTS):
    """The recorded runs of a study, as dicts, in the order in which a study wants them.

    Beside what `record` kept, a run has "label" and "scale"; "outcome", see nin.outcome, with "lost" (the classes
    nearly never answered), "plateau_end" (a step), "crashed"; "device", "answered" (counts by class), "logit_std",
    "test_acc", "dead_before" and "dead_after" (class maps that are 0 on every test image). What a line lacks is None.
    """
    kept = found(STUDIES[name], SCALES[scale], lines(folder))
    return [described(line, label, scale) for (label, _), line in kept.items() if line is not None]


def cases(name, scale="pocket", folder=RESULTS):
    """The recorded cases of an experiment, each once, as dicts: see nin.runs.experiments."""
    path, found = Path(folder) / "experiments" / f"{name}.jsonl", {}
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:  # cut by an interruption: its case is recorded again
            continue
        if line["scale"] == scale:
            found.setdefault(json.dumps(line["case"], sort_keys=True), line)
    return list(found.values())


def by_label(runs):
    """Recorded runs grouped by variant, in the order of their first appearance."""
    groups = {}
    for run in runs:
        groups.setdefault(run["label"], []).append(run)
    return groups


def not_recorded(name):
    """What a chapter says where a study's runs are missing: the command, and how long it takes at pocket size."""
    runs = [recipe for _, recipe in STUDIES[name].runs()]
    epochs = sum(recipe.num_epochs for recipe in runs)
    return (f"**Not yet recorded.** In `book/`, `python -m nin record {name}` trains {len(runs)} networks for "
            f"{epochs:,} epochs in all: at pocket size, at half a minute an epoch, about "
            f"{max(0.5, _hours(name)):.1f} hours of one core.")


def coverage(*names):
    """How many of some studies' runs are recorded at pocket size, with the commands that train them, in Markdown."""
    parts, hours = [], 0
    for name in names:
        wanted, n = len([*STUDIES[name].runs()]), len(load(name))
        parts.append(f"{n if n < wanted else 'all'} of {wanted} runs (`python -m nin record {name}`)")
        hours += _hours(name)
    return (f"Recorded at pocket size: {', '.join(parts)}; to train all of them takes about "
            f"{max(0.5, hours):.1f} hours of one core.")


def first_look(label, n, name):
    """A sentence where a study's recipe has fewer runs, n, than were fixed before the runs; else an empty text."""
    planned = len(STUDIES[name].seeds_for(label))
    return f" A first look: {planned} runs are planned." if n < planned else ""


def _hours(name, test_images=10_000):
    """The core-hours of a study at half a minute for an epoch of the section's recipe.

    By the images, of which a test takes a third of the time, and by the width.
    """
    study = STUDIES[name]
    images = (study.train_images + test_images / 3) / (60_000 + test_images / 3)
    epochs = sum((recipe.num_epochs + (recipe.first.num_epochs if recipe.first else 0)) * recipe.variant.width**2
                 for _, recipe in study.runs())
    return epochs * images / 120


def summarise(runs):
    """One dict per label of recorded runs, in the order of first appearance.

    "n"; "outcomes" ({outcome: how many}); "clean" (how many), with Wilson's interval as "clean_interval"; and of the
    clean runs "accuracies" (test accuracies, 0 to 1) with their mean and t interval as "interval", or None.
    """
    from ..compare import fraction_interval, mean_interval

    rows = []
    for label, group in by_label(runs).items():
        counts = {end: count for end in (*outcome.OUTCOMES, None)
                  if (count := sum(run["outcome"] == end for run in group))}
        accuracies = [run["test_acc"] for run in group if run["outcome"] == "clean"]
        rows.append({"label": label, "n": len(group), "outcomes": counts, "clean": len(accuracies),
                     "clean_interval": fraction_interval(len(accuracies), len(group)), "accuracies": accuracies,
                     "interval": mean_interval(accuracies) if accuracies else None})
    return rows


def table(runs):
    """Recorded runs as a DataFrame, a row per label: how many ended how, and the accuracy of the clean ones."""
    import pandas as pd

    rows = {}
    for row in summarise(runs):
        share, mean = row["clean_interval"], row["interval"]
        accuracy = "–"
        if mean:
            accuracy = f"{100 * mean.mean:.1f} " + (
                f"[{100 * mean.low:.1f}, {100 * mean.high:.1f}]" if mean.n > 2 else "(no interval)")
        rows[row["label"]] = {
            "n": row["n"], "clean": f"{row['clean']} [{share.low:.0%}, {share.high:.0%}]",
            **{end: row["outcomes"].get(end, 0) for end in outcome.OUTCOMES[1:]},
            "accuracy of the clean runs (%)": accuracy}
    return pd.DataFrame(rows).T.rename_axis("recipe")


def paired(runs, a, b, truth=lambda run: run["outcome"] == "clean"):
    """[(truth of label a's run, truth of label b's)] for every seed that both have."""
    groups = by_label(runs)
    by_seed = [{run["recipe"]["seed"]: truth(run) for run in groups.get(label, [])} for label in (a, b)]
    return [(by_seed[0][seed], by_seed[1][seed]) for seed in by_seed[0] if seed in by_seed[1]]


def share_weights(a, b):
    """Whether two runs begin with the same weights where their seeds are the same; dropout and a ReLU have none."""
    def start(run):
        variant = {name: value for name, value in run["recipe"]["variant"].items()
                   if name not in ("dropout", "linear_logits")}
        return recipe_id({"variant": variant, "init": run["recipe"]["init"]}), run["recipe"].get("first")

    return start(a) == start(b)


def verdicts(runs, reference):
    """Sentences that compare every label with the reference: shares of clean runs, then accuracies of these.

    Shares by McNemar's test where runs of one seed share their weights, else by Fisher's.
    """
    from ..compare import fisher, mcnemar, verdict

    rows, groups = {row["label"]: row for row in summarise(runs)}, by_label(runs)
    base, sentences = rows.get(reference), []
    for label, row in rows.items():
        if base is None or row is base:
            continue
        if share_weights(groups[reference][0], groups[label][0]):
            pairs = paired(runs, reference, label)
            test = f"McNemar's p = {mcnemar(pairs):.2g} on {len(pairs)} seeds that both have"
        else:
            test = f"Fisher's p = {fisher((base['clean'], base['n']), (row['clean'], row['n'])):.2g}"
        sentences.append(f"{label} against {reference}: {row['clean']} of {row['n']} runs clean against "
                         f"{base['clean']} of {base['n']}, {test}.")
        sentences.append(verdict(reference, base["accuracies"], label, row["accuracies"]))
    return sentences
