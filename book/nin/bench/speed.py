"""What is timed: an epoch by every path, the first step of a fresh process, the way to an accuracy.

    python -m nin.bench.speed d2l|plain|fastest     takes one step in this fresh process; prints the time at its end
"""

import contextlib
import io
import re
import statistics
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest import mock

import torch

from ..costs import training_work
from ..d2l import d2l_folder
from ..data import enlarge, load, to_float
from ..model import build
from ..recipes import SECTION, SOUND
from ..scale import SCALES, current, device
from ..step import Speed, Step, fastest
from ..training import train
from .layers import operation_seconds
from .memory import measured_peak, plain_step

# Batches of d2l's loaders that are timed on a CPU: of the section's network (d2l needs five), of the pocket's.
BATCHES = {False: 5, True: 40}
LEVERS = {"+ folded stem": "fold", "+ channels last": "channels_last", "+ kept memory": "keep_memory",
          "+ bfloat16": "bf16", "+ cuDNN's fastest": "autotune", "+ fused update": "fused", "+ CUDA graph": "graph"}


def levers(pocket=False):
    """The helper's paths from the plainest on, each with one lever more; those that this device can pull.

    The pocket network takes its images as they are: there is nothing to fold.
    """
    paths = {"plain": Speed(fold=pocket)}
    idle = {"fold"} if pocket else set()
    idle |= {"autotune", "fused", "graph"} if device().type == "cpu" else {"keep_memory"}
    for name, lever in LEVERS.items():
        if lever not in idle:
            paths[name] = replace(list(paths.values())[-1], **{lever: True})
    return paths


def size(pocket=False):
    """The Scale that is timed: the section's network or the pocket's, on as many batches as one can wait for."""
    scale = current()
    if scale.name != "smoke":
        scale = SCALES["pocket" if pocket else "full"]
        scale = scale if device().type == "cuda" else replace(scale, loader_batches=BATCHES[pocket])
    return replace(scale, pocket=pocket)


@contextlib.contextmanager
def d2l_quietly():
    """d2l's module and the text of what it prints; nothing is drawn or warned of."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()) as printed:
        warnings.simplefilter("ignore")  # of its four workers on fewer cores, its plot of a single epoch
        import matplotlib

        matplotlib.use("agg")
        from d2l import torch as d2l

        yield d2l, printed


def d2l_loaders(scale):
    """d2l's own loaders, of images as large as the scale's network takes them, cut to the scale.

    As in the whole set, there is one batch to test on for six to train on.
    """
    with d2l_folder(), d2l_quietly() as (d2l, _):
        batch_size, side = scale.batch_size(SECTION.batch_size), None if scale.pocket else 224
        train_loader, test_loader = d2l.load_data_fashion_mnist(batch_size, resize=side)
    fewer = replace(scale, loader_batches=-(-scale.loader_batches // 6))
    return scale.limit(train_loader), fewer.limit(test_loader)


def d2l_train(scale, loaders, num_epochs):
    """d2l's own training of the scale's network; returns its examples/s."""
    with d2l_quietly() as (d2l, printed):
        d2l.train_ch6(build(scale.variant(SECTION.variant)), *loaders, num_epochs, SECTION.lr, device())
    return float(re.search(r"([\d.]+) examples/sec", printed.getvalue())[1])


def speed(rounds, pocket=False):
    """Time one epoch with its evaluation by every path, `rounds` times in turn, after a round to warm up.

    On a CPU a path warms up by one step alone. The peak is that of an epoch on a GPU; on a CPU that of a step, beyond
    weights and data set, since torch counts a CPU's memory only while it profiles.
    """
    scale = size(pocket)
    recipe, loaders = scale.fit(SECTION), d2l_loaders(scale)
    sets = [load(train=is_train).take(len(loader) * recipe.batch_size)
            for is_train, loader in zip((True, False), loaders)]

    def theirs():
        start = time.perf_counter()
        return d2l_train(scale, loaders, 1), time.perf_counter() - start

    def ours(how):
        epochs = 2 if how.graph else 1  # the first one of the two captures the graph
        run = train(replace(recipe, num_epochs=epochs), *sets, how, progress=False)
        return run.train_images / run.last["seconds"], run.last["seconds"] + run.last["test_seconds"]

    paths = {"d2l": theirs, **{name: partial(ours, how) for name, how in levers(pocket).items()}}
    hows = {"d2l": None, **levers(pocket)}
    times, peaks, failed = {name: [] for name in paths}, {}, {}
    for turn in range(rounds + 1):
        for name in [name for name in paths if name not in failed]:
            try:
                if turn:
                    times[name].append(paths[name]())
                elif device().type == "cuda":
                    peaks[name] = measured_peak(paths[name], device())
                else:
                    peaks[name] = measured_peak(_warm_step(hows[name], recipe, sets[0]), "cpu")
            except RuntimeError as error:  # a graph cannot be captured
                if name in ("d2l", "plain"):
                    raise
                failed[name] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    about = {"images": len(sets[0]), "test images": len(sets[1]), "rounds": rounds, "batch size": recipe.batch_size,
             "network": "pocket" if pocket else "section"}
    return [_speed_row(name, times, peaks, failed) | about for name in paths]


def _speed_row(name, times, peaks, failed):
    row = {"path": name, "images/s": None, "s per epoch": None, "peak memory (MB)": None}
    if name in failed:
        return row | {"failed": failed[name]}
    (rate, seconds), first = (tuple(map(statistics.median, zip(*times[path]))) for path in (name, "d2l"))
    spent = [seconds for _, seconds in times[name]]
    return row | {"images/s": rate, "images/s against d2l": rate / first[0], "s per epoch": seconds,
                  "s per epoch, lowest": min(spent), "s per epoch, highest": max(spent),
                  "wall clock against d2l": first[1] / seconds, "peak memory (MB)": peaks[name] / 1e6}


def _warm_step(how, recipe, train_set):
    """One step as a function, taken once already: by a Speed or, for None, by d2l's path."""
    batch = train_set.take(recipe.batch_size)
    if how is None:
        net = build(recipe.variant)
        optimizer = torch.optim.SGD(net.parameters(), recipe.lr)

        def once():
            x = to_float(batch.images)
            plain_step(net, optimizer, x if recipe.variant.native else enlarge(x), batch.labels)
    else:
        once = partial(Step(recipe, how, "cpu"), batch.images, batch.labels, recipe.lr)
    once()
    return once


def profile():
    """The milliseconds of every operation of a step of the section's network, by the path that is fastest here."""
    scale, how = size(), fastest()
    recipe = scale.fit(SECTION)
    batch, step = load(train=True).take(recipe.batch_size).to(device()), Step(recipe, how, device())
    step.start(recipe)
    step.net.train()
    with how.applied():
        spent = operation_seconds(lambda: step(batch.images, batch.labels, recipe.lr), device())
    work = training_work(recipe.variant, 4)[0] * recipe.batch_size
    rows = [{"path": name, "ms a step": 1000 * seconds} for name, seconds in spent.items() if seconds > 1e-5]
    whole = {"path": "whole step", "ms a step": 1000 * sum(spent.values()), "GFLOP": work / 1e9, "how": str(how)}
    return [{**row, "batch size": recipe.batch_size} for row in (*rows, whole)]


def start():
    """Seconds from the start of Python to the end of the first training step: the better of two tries."""
    return [{"path": path, "s to first step": min(first_step(path) for _ in range(2))}
            for path in ("d2l", "plain", "fastest")]


def first_step(path):
    """The seconds that a fresh process needs for code, data and a first step by "d2l", "plain" or "fastest"."""
    start = time.time()
    result = subprocess.run([sys.executable, "-W", "ignore", "-m", "nin.bench.speed", path], capture_output=True,
                            text=True, cwd=Path(__file__).resolve().parents[2])
    if result.returncode:
        raise RuntimeError(f"the first step by {path} failed:\n{result.stderr}")
    return float(result.stdout) - start


class _Over(Exception):
    """Ends d2l's training from outside."""


def _take_first_step(path):
    """Take one step; the time at its end."""
    scale, update = size(), torch.optim.SGD.step

    def first(optimizer):
        update(optimizer)
        optimizer.param_groups[0]["params"][0].sum().item()  # so that a GPU has finished
        raise _Over(time.time())

    if path == "d2l":
        loaders = d2l_loaders(scale)
        with mock.patch.object(torch.optim.SGD, "step", first):
            try:
                d2l_train(scale, loaders, 1)
            except _Over as over:
                return over.args[0]
    how, recipe = {"plain": Speed, "fastest": fastest}[path](), scale.fit(SECTION)
    batch, step = load(train=True).to(device()).take(recipe.batch_size), Step(recipe, how, device())
    step.start(recipe)
    step.net.train()
    with how.applied():
        step(batch.images, batch.labels, recipe.lr)[0].item()
    return time.time()


def accuracy(target=0.874):
    """Seconds until the test accuracy first reaches the section's, from reading the files on; warm-up apart."""
    return [_d2l_until(target), _ours_until("the section's recipe", SECTION, target),
            _ours_until("the sound recipe", SOUND, target)]


def _d2l_until(target):
    from d2l import torch as d2l

    scale, evaluate, start, seen = current(), d2l.evaluate_accuracy_gpu, time.perf_counter(), []

    def noting(*args):
        seen.append((evaluate(*args), time.perf_counter() - start))
        if seen[-1][0] >= target:
            raise _Over
        return seen[-1][0]

    with mock.patch.object(d2l, "evaluate_accuracy_gpu", noting), contextlib.suppress(_Over):
        d2l_train(scale, d2l_loaders(scale), scale.epochs(SECTION.num_epochs))
    return _until("d2l", seen, target, 0.0)


def _ours_until(name, recipe, target):
    scale, start = current(), time.perf_counter()
    recipe = scale.fit(recipe)
    few = load(train=True).take(2 * recipe.batch_size)
    train(replace(recipe, num_epochs=1), few, few, progress=False)
    warm_up, start = time.perf_counter() - start, time.perf_counter()
    sets = load(train=True).take(scale.train_images), load(train=False).take(scale.test_images)
    run = train(recipe, *sets, progress=False)
    spent = [epoch["seconds"] + epoch["test_seconds"] for epoch in run.history]
    now, seen = time.perf_counter() - start - sum(spent), []  # all before the first epoch
    for epoch, seconds in zip(run.history, spent):
        now += seconds
        seen.append((epoch["test_acc"], now))
    return _until(name, seen, target, warm_up)


def _until(name, seen, target, warm_up):
    """One row from (test accuracy, seconds so far) after every epoch."""
    reached = next(((epoch, s) for epoch, (test_acc, s) in enumerate(seen, 1) if test_acc >= target), (None, None))
    return {"path": name, "target": target, "epochs to target": reached[0], "s to target": reached[1],
            "epochs": len(seen), "last test acc": seen[-1][0], "s in all": seen[-1][1], "warm-up (s)": warm_up}


if __name__ == "__main__":
    print(_take_first_step(sys.argv[1]))
