"""What is timed: one epoch by every path, the first step of a fresh process, the way to an accuracy."""

import contextlib
import statistics
import time
from dataclasses import replace
from unittest import mock

import torch
from torch import nn

from . import first_step
from .d2l_run import d2l_quietly, printed_numbers
from .data import d2l_folder, enlarge, load, to_float
from .model import build
from .profiling import measured_peak
from .recipes import SECTION, SOUND
from .scale import SCALES, current, device
from .step import Speed, fastest
from .training import train


def levers(pocket=False):
    """The helper's paths from the plainest on, each with one lever more; those that this device can pull.

    The pocket network takes its images as they are: there is nothing to fold.
    """
    changes = {"+ channels last": {"channels_last": True}}
    changes = changes if pocket else {"+ folded stem": {"fold": True}} | changes
    if device().type == "cpu":
        changes |= {"+ kept memory": {"keep_memory": True}, "+ bfloat16": {"bf16": True}}
    else:
        changes |= {"+ bfloat16": {"bf16": True}, "+ cuDNN's fastest": {"autotune": True},
                    "+ fused update": {"fused": True}, "+ CUDA graph": {"graph": True},
                    "compiled instead": {"graph": False, "compile": True}, "compiled, CUDA graph": {"graph": True}}
    paths = {"plain": Speed(fold=pocket)}
    for name, change in changes.items():
        paths[name] = replace(list(paths.values())[-1], **change)
    return paths


# Batches of d2l's loaders that are timed on a CPU: of the section's network, and of the pocket network.
BATCHES = {False: 2, True: 40}


def size(pocket=False):
    """The Scale that is timed: the section's network or the pocket's, on as many batches as a benchmark can wait for."""
    scale = current()
    if scale.name != "smoke":
        scale, on_gpu = SCALES["pocket" if pocket else "full"], device().type == "cuda"
        scale = scale if on_gpu else replace(scale, loader_batches=BATCHES[pocket])
    return replace(scale, pocket=pocket)


def d2l_loaders(scale):
    """d2l's own loaders, of images as large as the scale's network takes them, cut to the scale."""
    with d2l_folder(), d2l_quietly() as (d2l, _):
        loaders = d2l.load_data_fashion_mnist(scale.batch_size(SECTION.batch_size), resize=None if scale.pocket else 224)
    return [scale.limit(loader) for loader in loaders]


def d2l_train(scale, loaders, num_epochs):
    """d2l's own training of the scale's network; returns its examples/s."""
    with d2l_quietly() as (d2l, printed):
        d2l.train_ch6(build(scale.variant(SECTION.variant)), *loaders, num_epochs, SECTION.lr, device())
    return printed_numbers(printed.getvalue())[-1]


def speed(rounds, pocket=False):
    """Time one epoch with its evaluation by every path, `rounds` times in turn, after a round to warm up."""
    scale = size(pocket)
    recipe = replace(scale.fit(SECTION), num_epochs=1)
    loaders = d2l_loaders(scale)
    sets = [load(train=is_train).take(len(loader) * recipe.batch_size)
            for is_train, loader in zip((True, False), loaders)]
    steps, times, peaks, failed = {}, {}, {}, {}

    def ours(name, how):
        run = train(recipe, *sets, how, progress=False, step=steps.get(name))
        steps[name] = run.step
        return run.images_per_second

    paths = {"d2l": lambda: d2l_train(scale, loaders, 1)}
    paths |= {name: lambda name=name, how=how: ours(name, how) for name, how in levers(pocket).items()}
    for turn in range(rounds + 1):
        for name, path in paths.items():
            if name in failed:
                continue
            start = time.perf_counter()
            try:
                if turn:
                    times.setdefault(name, []).append((path(), time.perf_counter() - start))
                elif device().type == "cuda":
                    peaks[name] = measured_peak(path, device())
                else:
                    path()
            except (RuntimeError, AssertionError) as error:  # a compiler is missing, a graph cannot be captured
                if name in ("d2l", "plain"):
                    raise
                failed[name] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    if device().type == "cpu":
        peaks = _cpu_peaks(steps, sets[0], recipe)
    about = {"images": len(sets[0]), "rounds": rounds, "batch size": recipe.batch_size,
             "network": "pocket" if pocket else "section"}
    return [_speed_row(name, times, peaks, failed) | about for name in paths]


def _speed_row(name, times, peaks, failed):
    row = {"path": name, "images/s": None, "s per epoch": None, "peak memory (MB)": None}
    if name in failed:
        return row | {"failed": failed[name]}
    (rate, seconds), first = (tuple(map(statistics.median, zip(*times[path]))) for path in (name, "d2l"))
    return row | {"images/s": rate, "images/s against d2l": rate / first[0], "s per epoch": seconds,
                  "s per epoch, lowest": min(s for _, s in times[name]),
                  "s per epoch, highest": max(s for _, s in times[name]),
                  "wall clock against d2l": first[1] / seconds, "peak memory (MB)": peaks[name] / 1e6}


def _cpu_peaks(steps, train_set, recipe):
    """Of one step, beyond weights and data set: torch counts a CPU's memory only while it profiles."""
    images, labels = train_set.images[:recipe.batch_size], train_set.labels[:recipe.batch_size]
    net = build(recipe.variant)
    optimizer = torch.optim.SGD(net.parameters(), recipe.lr)

    def d2l_step():
        optimizer.zero_grad()
        x = to_float(images) if recipe.variant.native else enlarge(to_float(images))
        nn.functional.cross_entropy(net(x), labels).backward()
        optimizer.step()

    work = {"d2l": d2l_step} | {name: lambda step=step: step(images, labels, recipe.lr) for name, step in steps.items()}
    for once in work.values():
        once()
    return {name: measured_peak(once, "cpu") for name, once in work.items()}


def start():
    """Seconds from a fresh Python to the end of the first training step."""
    return [{"path": path, "s to first step": min(first_step.seconds(path) for _ in range(2))}
            for path in ("d2l", "plain", "fastest")]


class _Reached(Exception):
    pass


def accuracy(target):
    """Seconds until the test accuracy first reaches the target, from reading the files on; warm-up apart."""
    return [_d2l_until(target)] + [_ours_until(name, current().fit(recipe), target) for name, recipe in (
        ("the section's recipe", SECTION), ("the sound recipe", SOUND))]


def _d2l_until(target):
    from d2l import torch as d2l

    evaluate, start, seen = d2l.evaluate_accuracy_gpu, time.perf_counter(), []

    def noting(*args):
        seen.append((evaluate(*args), time.perf_counter() - start))
        if seen[-1][0] >= target:
            raise _Reached
        return seen[-1][0]

    with mock.patch.object(d2l, "evaluate_accuracy_gpu", noting), contextlib.suppress(_Reached):
        scale = current()
        d2l_train(scale, d2l_loaders(scale), scale.epochs(SECTION.num_epochs))
    return _until("d2l", seen, target, 0.0)


def _ours_until(name, recipe, target):
    how, start = fastest(), time.perf_counter()
    few = load(train=True).take(2 * recipe.batch_size)
    step = train(replace(recipe, num_epochs=1), few, few, how, progress=False).step
    warm_up, start = time.perf_counter() - start, time.perf_counter()
    sets = [load(train=is_train).take(n) for is_train, n in (
        (True, current().train_images), (False, current().test_images))]
    run = train(recipe, *sets, how, progress=False, step=step)
    set_up = time.perf_counter() - start - sum(epoch["seconds"] + epoch["test_seconds"] for epoch in run.history)
    seen, now = [], set_up
    for epoch in run.history:
        now += epoch["seconds"] + epoch["test_seconds"]
        seen.append((epoch["test_acc"], now))
    return _until(name, seen, target, warm_up)


def _until(name, seen, target, warm_up):
    """One row from (test accuracy, seconds so far) after every epoch."""
    reached = next(((epoch, seconds) for epoch, (test_acc, seconds) in enumerate(seen, start=1)
                    if test_acc >= target), (None, None))
    return {"path": name, "target": target, "epochs to target": reached[0], "s to target": reached[1],
            "epochs": len(seen), "last test acc": seen[-1][0], "s in all": seen[-1][1], "warm-up (s)": warm_up}
