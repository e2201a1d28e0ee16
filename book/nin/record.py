"""The runs that a chapter's claims rest on: which ones, recorded one JSON line each, and read back.

    python -m nin.record CHAPTER --seeds N      trains what is missing; safe to stop and start again
"""

import argparse
import datetime
import functools
import hashlib
import json
import os
import platform
import sys
import time
import warnings
from dataclasses import asdict, replace
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[1] / "results"
SEEN = 10_000  # training images, the first ones, on which a finished network is measured


def studies():
    """All studies, by the name of the chapter that shows them."""
    from .studies import STUDIES  # torch is needed to record, not to read

    return STUDIES


def recipe_id(recipe):
    """What tells two recipes apart, their seeds left out."""
    fields = {name: value for name, value in recipe.items() if name != "seed"}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:12]


def load(chapter, folder=RESULTS, scale="full"):
    """The recorded runs of a chapter as a list of dicts; empty where nothing is recorded yet."""
    path = Path(folder) / f"{chapter}.jsonl"
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    runs = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            runs.append(json.loads(line))
        except json.JSONDecodeError:
            warnings.warn(f"{path.name}, line {number} is not a whole record, as after an interruption: left out; "
                          f"recording again adds its run")
    return [run for run in runs if run["scale"] == scale]


def by_label(runs):
    """Recorded runs grouped by variant, in the order of their first appearance."""
    groups = {}
    for run in runs:
        groups.setdefault(run["label"], []).append(run)
    return groups


def not_recorded(chapter, images_per_second=40_000):
    """What a chapter says where its runs are missing: the command, and its minutes at the speed that is aimed at.

    That speed is the section's network's; another one's is taken to be as much lower as its MACs are higher.
    """
    study = studies()[chapter]
    runs = {label: study.seeds_of(label) for label in study.recipes}
    epochs = {label: (55_000 if study.validation else 60_000) * runs[label] * recipe.num_epochs
              for label, recipe in study.recipes.items()}
    images = sum(epochs.values())
    work = sum(epochs[label] * relative_macs(recipe.variant) for label, recipe in study.recipes.items())
    speed = f"{images_per_second:,} images/s"
    if abs(work / images - 1) > 0.01:
        speed += ", networks unlike the section's in proportion to their MACs"
    return (f"**Not yet recorded.** On a machine with a GPU, in `book/`: `python -m nin.record {chapter}` trains "
            f"{sum(runs.values())} networks on {images / 1e6:,.0f} million images in all, which takes "
            f"{work / images_per_second / 60:,.0f} minutes at {speed}.")


@functools.cache
def relative_macs(variant):
    """The MACs of a variant's network divided by those of the section's."""
    import torch

    from . import model, resources

    def macs(variant):
        with torch.device("meta"):  # to be counted, a network needs no weights
            shape = (1, variant.in_channels, variant.side, variant.side)
            return sum(row.macs for row in resources.layers(model.build(variant), shape))

    return macs(variant) / macs(model.Variant())


def missing(study, chapter, seeds, scale, folder=RESULTS):
    """(label, recipe) of the runs still to be trained, every variant's first seed before any second.

    `seeds` is their number for every variant; None leaves it to the study.
    """
    done = {(run["label"], run["recipe"]["seed"], recipe_id(run["recipe"]))
            for run in load(chapter, folder, scale.name)}
    numbers = {label: seeds or study.seeds_of(label) for label in study.recipes}
    wanted = ((label, replace(scale.fit(recipe), seed=seed)) for seed in range(max(numbers.values()))
              for label, recipe in study.recipes.items() if seed < numbers[label])
    return [(label, recipe) for label, recipe in wanted
            if (label, recipe.seed, recipe_id(asdict(recipe))) not in done]


def append(run, path):
    """Add one run as one line, on the disk before this returns; mends a last line that an interruption cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(run, ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def record_one(label, recipe, sets, scale, how=None, step=None, checkpoint=None, extras=(), final_set=None):
    """Train one run and return (what is kept of it, the step that another seed can take over).

    `final_set` is measured once, when the training is over: the test set, where the test images are held-out ones.
    `how` is a Speed, by default the fastest, or "d2l", for which the images of both sets are already enlarged.
    `extras` is the study's: what else is measured, see `Study`.
    """
    import torch

    from . import compare, model, resources
    from .d2l_run import train_d2l
    from .data import enlarge, to_float
    from .scale import device, device_name
    from .training import INITIALISATIONS, Diverged, evaluate, fastest, train

    train_set, test_set = sets
    speed, images = how or fastest(), test_set.images[:48]
    images = (images.float() / 255 if how == "d2l" else to_float(images)).to(device())
    images = images if how == "d2l" or recipe.variant.native else enlarge(images)
    torch.manual_seed(recipe.seed)
    net = INITIALISATIONS[recipe.init](model.build(recipe.variant)).to(device())
    maps = recipe.variant.head not in ("fc", "fc-4096") and not recipe.variant.linear_logits
    line = {"label": label, "scale": scale, "recipe": asdict(recipe),
            "speed": "d2l" if how == "d2l" else asdict(speed), "device": device_name(),
            "torch": torch.__version__, "python": platform.python_version(), "date": str(datetime.date.today()),
            "train_images": len(train_set), "test_images": len(test_set),
            "parameters": resources.parameter_count(net),
            "dead_maps_before": model.dead_maps(net, images) if maps else None}
    start = time.perf_counter()
    try:
        if how == "d2l":
            run = train_d2l(recipe, train_set, test_set)
        else:
            watch = (model.last_of_body(net),) if "gradient" in extras else ()
            run = train(recipe, train_set, test_set, speed, checkpoint=checkpoint, step=step, watch=watch)
            step = run.step
    except Diverged as error:
        return {**line, "diverged": str(error), "history": [], "collapsed": True,
                "wall_seconds": time.perf_counter() - start}, step
    if run.interrupted:
        raise KeyboardInterrupt
    line |= {"history": run.history, "collapsed": compare.collapsed(run.history),
             "losses": [round(mean, 5) for mean in _means(run.losses)],
             "dead_maps_after": model.dead_maps(run.net, images) if maps else None,
             "images_per_second": run.images_per_second,
             "train_seconds": sum(epoch["seconds"] for epoch in run.history),
             "wall_seconds": time.perf_counter() - start}
    if final_set is not None:
        line |= {"final_test_acc": evaluate(run.net, final_set, speed, recipe.mirrored),
                 "final_test_images": len(final_set)}
    return {**line, **_afterwards(run, sets, how, extras),
            "seconds_afterwards": time.perf_counter() - start - line["wall_seconds"]}, step


def _afterwards(run, sets, how, extras):
    """What is measured on a finished network: its accuracy on training images, and what the study asks for."""
    from .d2l_run import evaluate_d2l
    from .probe import readable
    from .training import evaluate

    seen, test_set = sets[0].take(SEEN), sets[1]
    found = {"seen_images": len(seen),
             "seen_acc": evaluate_d2l(run.net, seen) if how == "d2l" else evaluate(run.net, seen, how, run.recipe.mirrored)}
    if "gradient" in extras:  # means of the norms, not of their logarithms: one large step is to be seen
        found["gradient"] = [float(f"{mean:.4g}") for values in run.gradients.values() for mean in _means(values)]
    if "probe" in extras:
        found["readable"] = readable(run.net, seen, test_set)
    return found


def _means(values, n=20):
    """The mean of every n values, and of the rest."""
    parts = (values[i:i + n] for i in range(0, len(values), n))
    return [sum(part) / len(part) for part in parts]


def minutes(todo, runs, device):
    """How long the runs (label, recipe) will take, from what recorded runs took on this device; None without any.

    A variant that none of these had is taken to need as much longer as it has more epochs and MACs.
    """
    from .model import Variant

    seconds, work = {}, {}
    for run in runs:
        if run["device"] == device and "wall_seconds" in run:
            recipe = run["recipe"]
            seconds.setdefault(run["label"], []).append(run["wall_seconds"] + run.get("seconds_afterwards", 0))
            work[run["label"]] = recipe["num_epochs"] * relative_macs(Variant(**recipe["variant"]))
    means = {label: sum(values) / len(values) for label, values in seconds.items()}
    if not means:
        return None
    usual = sum(means.values()) / sum(work.values())
    return sum(means[label] if label in means else usual * recipe.num_epochs * relative_macs(recipe.variant)
               for label, recipe in todo) / 60


def record(chapter, seeds=None, folder=RESULTS):
    """Train and append every missing run of a chapter's study at the present scale; returns how many."""
    from .d2l_run import enlarged_by_pil
    from .data import hold_out
    from .data import load as load_data
    from .scale import current, device, device_name

    scale, study = current(), studies()[chapter]
    todo, path = missing(study, chapter, seeds, scale, folder), Path(folder) / f"{chapter}.jsonl"
    recorded = load(chapter, folder, scale.name)
    _say(f"{chapter}: {len(todo)} runs to record at scale {scale}", minutes(todo, recorded, device_name()))
    if not todo:
        return 0
    train_set, test_set = load_data(train=True), load_data(train=False)
    final_set = test_set.take(scale.test_images) if study.validation else None
    if study.validation:
        train_set, test_set = hold_out(train_set, min(5_000, len(train_set) // 4))  # a quarter where the set is drawn
    sets = train_set.take(scale.train_images), test_set.take(scale.test_images)
    sets, enlarged = tuple(part.to(device()) for part in sets), None
    steps, start = {}, time.perf_counter()
    for number, (label, recipe) in enumerate(todo, start=1):
        how = study.how.get(label)
        if how == "d2l" and enlarged is None:
            enlarged = tuple(enlarged_by_pil(part).to(device()) for part in sets)
        name = f"{chapter}-{scale.name}-{recipe_id({'label': label, **asdict(recipe)})}-{recipe.seed}.part"
        checkpoint = path.with_name(name)  # a run that is stopped goes on from its last epoch
        path.parent.mkdir(parents=True, exist_ok=True)
        run, steps[label] = record_one(label, recipe, enlarged if how == "d2l" else sets, scale.name, how,
                                       steps.get(label), checkpoint, study.extras, final_set)
        append(run, path)
        checkpoint.unlink(missing_ok=True)
        recorded.append(run)
        last = run["history"][-1] if run["history"] else {}
        _say(f"{number}/{len(todo)} {label}, seed {recipe.seed}: test accuracy {last.get('test_acc', float('nan')):.4f}"
             f"{', collapsed' if run['collapsed'] else ''}", minutes(todo[number:], recorded, device_name()))
    _say(f"{chapter}: took {(time.perf_counter() - start) / 60:.1f} minutes")
    return len(todo)


def _say(text, left=None):
    print(text + (f"; about {left:.1f} minutes to go" if left else ""), file=sys.stderr, flush=True)


def main(arguments=None):
    """The command line."""
    from .scale import current

    parser = argparse.ArgumentParser(prog="python -m nin.record", description=__doc__.split("\n")[0])
    parser.add_argument("chapter", choices=["all", *studies()])
    parser.add_argument("--seeds", type=int, help="seeds per variant (default: the study's own number)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the .jsonl files")
    options = parser.parse_args(arguments)
    if options.seeds is not None and options.seeds < 1:
        parser.error("--seeds must be at least 1")
    if current().name != "full" and not os.environ.get("NIN_SCALE"):
        parser.error("there is no CUDA GPU here, and only full-scale runs are shown in the book; "
                     "NIN_SCALE=smoke or NIN_SCALE=taste rehearses on the CPU all the same")
    try:
        for chapter in studies() if options.chapter == "all" else [options.chapter]:
            record(chapter, options.seeds, options.results)
    except KeyboardInterrupt:
        sys.exit("stopped: every finished run is recorded; the same command goes on from here")


if __name__ == "__main__":
    main()
