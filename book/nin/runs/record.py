"""Trains the runs of a study that are not recorded yet, side by side, and keeps one JSON line of each.

    python -m nin record STUDY [--seeds A-B] [--jobs N] [--results FOLDER] [--dask ADDRESS]

It can be stopped at any moment, by any signal, and started again: a run goes on from its last finished epoch.
"""

import argparse
import datetime
import fcntl
import functools
import json
import os
import platform
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import joblib
import torch
from joblib.externals.loky.process_executor import BrokenProcessPool
from tqdm import tqdm

from .. import costs, data, model, outcome
from ..augmentation import relabelled
from ..evaluation import evaluate
from ..probe import readable
from ..recipes import Recipe, Variant, recipe_id
from ..scale import RESULTS, current, device, device_name
from ..step import Speed, fastest
from ..training import Diverged, train
from . import read
from .experiments import EXPERIMENTS
from .studies import STUDIES

SEEN = 10_000  # training images, the first ones, on which a finished network is measured
KEPT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nin-book"
TRIES = 10  # how often in a row the workers may be ended from outside before any of them has finished a run


@dataclass(frozen=True)
class Job:
    """One run to be trained, with all that a process elsewhere needs to know."""

    label: str
    recipe: Recipe
    scale: str
    sizes: tuple  # training and test images
    validation: bool
    speed: Speed
    extras: tuple
    kept: Path  # folder of checkpoints and final weights
    threads: int
    parent: int | None  # the process to end with, where it is on the same machine

    @property
    def name(self):
        """The run's identity as a file name."""
        precision = "bfloat16" if self.speed.bf16 else "float32"
        return "-".join(map(str, (recipe_id(self.recipe), *self.sizes, precision, self.recipe.seed)))

    @property
    def work(self):
        """MACs of the training, forward passes alone."""
        epochs = self.recipe.num_epochs + (self.recipe.first.num_epochs if self.recipe.first else 0)
        return macs(self.recipe.variant) * self.sizes[0] * epochs


@functools.cache
def macs(variant):
    """The MACs of one forward pass of a variant's network on one image."""
    with torch.device("meta"):  # to be counted, a network needs no weights
        return sum(row.macs for row in costs.layers(
            model.build(variant), (1, variant.in_channels, variant.side, variant.side)))


def missing(study, scale, lines, seeds=None, **how):
    """The Jobs of a study's runs that are not among the lines, one seed of every recipe before the second of any.

    Where another study wants the same run for more epochs, that longer run is trained in its place; what any study
    wants measured besides is measured. `seeds` limits them to some; `how` are a Job's other fields.
    """
    longest, extras = {}, {}
    for other in STUDIES.values():
        for _, recipe in other.runs():
            key = _key(other, scale, recipe)
            longest[key] = max(longest.get(key, 0), scale.fit(recipe).num_epochs)
            extras.setdefault(key, set()).update(other.extras)
    done, jobs = read.found(study, scale, lines), []
    for label, recipe in study.runs():
        if done[label, recipe.seed] is None and (seeds is None or recipe.seed in seeds):
            key = _key(study, scale, recipe)
            jobs.append(Job(label, replace(scale.fit(recipe), num_epochs=longest[key]), scale.name,
                            read.sizes(study, scale), study.validation, extras=tuple(sorted(extras[key])), **how))
    return jobs


def _key(study, scale, recipe):
    precision = "float32" if study.float32 else "any"
    return read.course(asdict(scale.fit(recipe)), precision, read.sizes(study, scale))


def run(job):
    """Train a Job's run, keep its weights, and return its line. Its checkpoint stays, for the writer to remove."""
    if job.parent and job.parent != os.getpid():
        _end_with(job.parent)
    torch.set_num_threads(job.threads)
    job.kept.mkdir(parents=True, exist_ok=True)
    with _alone(job.kept / f"{job.name}.lock"):
        return _line(job)


@functools.cache
def _end_with(parent):
    """From now on this process ends within half a second of its parent, which may have been killed."""
    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class Unfinished(RuntimeError):
    """Recording cannot go on; the message says what to do."""


class _alone:
    """Waits until no other process trains the run that a lock file stands for, as one that is about to end."""

    def __init__(self, path, seconds=20):
        self.path, self.deadline = path, time.monotonic() + seconds

    def __enter__(self):
        self.file = open(self.path, "w")
        while True:
            try:
                return fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > self.deadline:
                    raise Unfinished(f"another process trains this run already ({self.path.name}): give two "
                                     f"recorders different --seeds") from None
                time.sleep(0.1)

    def __exit__(self, *_):
        self.path.unlink(missing_ok=True)
        self.file.close()


@functools.lru_cache(maxsize=2)
def _sets(validation, sizes):
    """The two sets of a run, on the device."""
    whole = data.load(train=True)
    if validation:  # a quarter where the set is small
        parts = data.hold_out(whole, min(5_000, len(whole) // 4))
    else:
        parts = whole, data.load(train=False)
    return tuple(part.take(n).to(device()) for part, n in zip(parts, sizes))


def _line(job):
    recipe, (train_set, test_set) = job.recipe, _sets(job.validation, job.sizes)
    line = {"label": job.label, "scale": job.scale, "recipe": asdict(recipe), "speed": asdict(job.speed),
            "device": device_name(job.threads), "torch": torch.__version__, "python": platform.python_version(),
            "train_images": len(train_set), "test_images": len(test_set)}
    watch = (model.last_of_body(model.build(recipe.variant)),) if "gradient" in job.extras else ()
    try:
        trained = train(recipe, train_set, test_set, job.speed, progress=False, watch=watch,
                        checkpoint=job.kept / f"{job.name}.part")
    except Diverged as error:
        trained, line["diverged"] = error.run, str(error)
    if trained.interrupted:
        raise KeyboardInterrupt
    line |= {"parameters": costs.parameter_count(trained.net), "before": trained.before,
             "history": [{**_rounded(epoch), **found} for epoch, found in zip(trained.history, trained.examined)],
             "losses": [round(mean, 5) for mean in _means(trained.losses)],
             "seconds": round(sum(epoch["seconds"] + epoch["test_seconds"] for epoch in trained.history), 2)}
    if "diverged" not in line:
        line |= _afterwards(job, trained, *(relabelled(split, recipe) for split in (train_set.take(SEEN), test_set)))
        weights = job.kept / f"{job.name}.pt"
        torch.save(trained.net.state_dict(), weights.with_suffix(".new"))
        weights.with_suffix(".new").replace(weights)
    return {**line, "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}


def _afterwards(job, trained, seen, test_set):
    """What is measured on a finished network: its accuracy on training images, and what the study asks for."""
    found = {"seen_images": len(seen), "seen_acc": evaluate(trained.net, seen, job.speed, job.recipe.mirrored)}
    if "gradient" in job.extras:  # means of the norms, not of their logarithms: one large step is to be seen
        found["gradient"] = [float(f"{mean:.4g}") for values in trained.gradients.values() for mean in _means(values)]
    if "probe" in job.extras:
        found["readable"] = readable(trained.net, seen, test_set, job.speed)
    return found


def _means(values, n=outcome.MEANS):
    """The mean of every n values, and of the rest."""
    parts = (values[i:i + n] for i in range(0, len(values), n))
    return [sum(part) / len(part) for part in parts]


def _rounded(epoch):
    return {name: round(value, 6) for name, value in epoch.items()}


def append(line, path):
    """Add one run as one line, on the disk before this returns; mends a last line that an interruption cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # another recorder may be writing
        file.seek(0, os.SEEK_END)
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


class Progress:
    """The bar: finished runs, minutes to go, the last result."""

    def __init__(self, name, jobs, lines, side_by_side, stream=None):
        self.left, self.side_by_side = {job.name: job.work for job in jobs}, side_by_side
        self.pace = [(line["seconds"], macs(_variant(line)) * line["train_images"] * len(line["history"]))
                     for line in lines if line["device"] == device_name(jobs[0].threads) and line.get("seconds")]
        self.bar = tqdm(total=len(jobs), desc=name, unit="run", file=stream or sys.stderr, mininterval=0,
                        bar_format="{desc}: {n_fmt}/{total_fmt} runs, {elapsed}{postfix}")
        self._show("")
        self.bar.refresh()

    def add(self, job, line):
        """One more run is recorded."""
        if line["history"]:
            self.pace.append((line["seconds"], job.work * len(line["history"]) / line["recipe"]["num_epochs"]))
        self.left.pop(job.name, None)
        counted = read.described(line, line["label"], line["scale"])
        accuracy = "" if counted["test_acc"] is None else f"{counted['test_acc']:.4f}, "
        self._show(f"last: {job.label}, seed {job.recipe.seed}: {accuracy}{counted['outcome']}")
        self.bar.update()

    def _show(self, last):
        seconds, work = (sum(values) for values in zip(*self.pace)) if self.pace else (0, 0)
        minutes = sum(self.left.values()) * seconds / work / self.side_by_side / 60 if work else None
        to_go = "" if minutes is None else f"about {minutes:,.0f} min to go"
        self.bar.set_postfix_str("; ".join(filter(None, (to_go, last))), refresh=False)


def _variant(line):
    return Variant(**line["recipe"]["variant"])


def record(name, seeds=None, folder=RESULTS, jobs=None, kept=KEPT, dask=None):
    """Train and append every missing run of a study at the present scale; returns how many lines were added.

    `jobs` processes work side by side, by default one to a core of the CPU, and one where there is a GPU; `dask` is
    the address of a scheduler whose workers take their place. This process alone writes.
    """
    scale, study = current(), STUDIES[name]
    jobs = jobs or _side_by_side()
    threads = max(1, (os.cpu_count() or 1) // jobs)
    torch.set_num_threads(threads)  # the precision is chosen as it will be used
    speed = Speed(**{**asdict(fastest()), **({"bf16": False} if study.float32 else {})})
    how = {"speed": speed, "kept": Path(kept), "threads": threads, "parent": None if dask else os.getpid()}
    todo, path, added, tries = _todo(name, scale, folder, seeds, how), Path(folder) / f"{name}.jsonl", 0, 0
    if not todo:
        print(f"{name}: nothing to record at scale {scale.name}", file=sys.stderr)
        return 0
    progress = Progress(name, todo, read.lines(folder), jobs)
    while todo:
        by_name, before = {job.name: job for job in todo}, added
        try:
            with _workers(jobs, dask) as parallel:
                for key, line in parallel(joblib.delayed(_named)(job) for job in todo):
                    job = by_name[key]
                    append(line, path)
                    _clear(job)
                    progress.add(job, line)
                    added += 1
        except BrokenProcessPool:  # a worker was killed; the others end with it, and go on from their last epochs
            tries = tries + 1 if added == before else 0
            if tries == TRIES:
                raise Unfinished(f"the workers were ended {TRIES} times in a row before one had finished a run: is "
                                 f"there too little memory? Try --jobs 1") from None
        todo = _todo(name, scale, folder, seeds, how)
    progress.bar.close()
    return added


def record_experiment(name, folder=RESULTS, jobs=None, dask=None):
    """Measure and append every case of an experiment that is not recorded at the present scale; how many they were."""
    path, scale = Path(folder) / "experiments" / f"{name}.jsonl", current().name
    known = [line["case"] for line in read.cases(name, scale, folder)]
    todo, jobs = [case for case in EXPERIMENTS[name].cases if case not in known], jobs or _side_by_side()
    bar = tqdm(total=len(todo), desc=name, unit="case")
    parent = None if dask else os.getpid()
    try:
        with _workers(jobs, dask) as parallel, bar:
            for line in parallel(joblib.delayed(run_case)(name, case, scale, parent) for case in todo):
                append(line, path)
                bar.update()
    except BrokenProcessPool:
        raise Unfinished("a worker was ended: finished cases are recorded, and the same command goes on; is there too "
                         "little memory? Try --jobs 1") from None
    return len(todo)


def run_case(name, case, scale, parent=None):
    """Measure one case of an experiment, on one thread; returns its line. It ends with the process `parent`."""
    if parent and parent != os.getpid():
        _end_with(parent)
    torch.set_num_threads(1)
    found = EXPERIMENTS[name].measure(**case)
    return {"experiment": name, "case": case, "scale": scale, "device": device_name(1), "torch": torch.__version__,
            "python": platform.python_version(), "bf16": fastest().bf16, **found,
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}


def _side_by_side():
    """How many processes work side by side: one to a core of the CPU, and one where there is a GPU."""
    if device().type == "cuda":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _todo(name, scale, folder, seeds, how):
    """The Jobs still to be done, each run once; what an earlier end left behind of recorded ones is removed."""
    lines, study = read.lines(folder), STUDIES[name]
    for job in missing(study, scale, [], seeds, **how):
        if (job.kept / f"{job.name}.part").exists() and _recorded(job, lines):
            _clear(job)
    return list({job.name: job for job in missing(study, scale, lines, seeds, **how)}.values())


def _recorded(job, lines):
    key = recipe_id(job.recipe), *job.sizes, job.recipe.seed
    return any(line_key[1:] == key for line_key in map(read.identity, lines))


def _clear(job):
    for ending in ("part", "part.first", "part.part", "part.first.part"):
        (job.kept / f"{job.name}.{ending}").unlink(missing_ok=True)


def _named(job):
    return job.name, run(job)


class _workers:
    """joblib's Parallel, on this machine or a Dask cluster: results come as they are finished."""

    def __init__(self, jobs, dask):
        self.jobs, self.dask = jobs, dask

    def __enter__(self):
        if not self.dask:
            return joblib.Parallel(self.jobs, return_as="generator_unordered", batch_size=1, pre_dispatch=self.jobs)
        from distributed import Client  # an option: pip install distributed

        self.client = Client(self.dask, timeout=20)
        self.config = joblib.parallel_config(backend="dask")
        self.config.__enter__()
        return joblib.Parallel(return_as="generator_unordered", batch_size=1)

    def __exit__(self, *error):
        if self.dask:
            self.config.__exit__(*error)
            self.client.close()


def check_dask(address):
    """Raise ValueError, with what to do, unless a Dask scheduler answers whose workers have one thread each."""
    try:
        from distributed import Client
    except ImportError:
        raise ValueError("--dask needs the package distributed: pip install distributed") from None
    try:
        with Client(address, timeout=20) as client:
            workers = client.scheduler_info(n_workers=-1)["workers"].values()
    except OSError:
        raise ValueError(f"no Dask scheduler answers at {address}: start one with `dask scheduler`") from None
    if not workers or any(worker["nthreads"] != 1 for worker in workers):
        raise ValueError(f"the scheduler at {address} needs workers of one thread each: "
                         f"dask worker {address} --nworkers -1 --nthreads 1")


def seeds_of(text):
    """A range of seeds from "A-B", both included, or from "A" alone."""
    first, dash, last = text.partition("-")
    if not first.isdecimal() or not (last if dash else first).isdecimal():
        raise argparse.ArgumentTypeError(f"seeds are a number or a range, as 3 or 0-9, not {text!r}")
    seeds = range(int(first), int(last if dash else first) + 1)
    if not seeds:
        raise argparse.ArgumentTypeError(f"{text} holds no seed: the smaller number comes first")
    return seeds


def main(arguments=None):
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m nin record", description=__doc__.split("\n")[0])
    names = [*STUDIES, *EXPERIMENTS]
    parser.add_argument("study", choices=["all", *names], metavar="STUDY", help=f"all, or {', '.join(names)}")
    parser.add_argument("--seeds", type=seeds_of, metavar="A-B", help="only these of the study's seeds, both included: "
                        "two recorders take different ones")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes side by side (default: one to a core)")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="of the .jsonl files")
    parser.add_argument("--weights", type=Path, default=KEPT, metavar="FOLDER",
                        help=f"of checkpoints and final weights (default: {KEPT})")
    parser.add_argument("--dask", metavar="ADDRESS", help="of a Dask scheduler: its workers train")
    options = parser.parse_args(arguments)
    if options.jobs is not None and options.jobs < 1:
        parser.error("--jobs must be at least 1")
    names = names if options.study == "all" else [options.study]
    if options.seeds is not None and options.study in EXPERIMENTS:
        parser.error(f"{options.study} is no study but an experiment: its cases are recorded together, without --seeds")
    if options.study != "all" and options.seeds is not None:
        own = {seed for label in STUDIES[names[0]].recipes for seed in STUDIES[names[0]].seeds_for(label)}
        if not own & set(options.seeds):
            parser.error(f"{names[0]} has the seeds {min(own)} to {max(own)}, fixed before its runs, and none of those")
    try:
        if current().name == "smoke" and options.results == RESULTS:
            parser.error("smoke-scale runs are no results: name another folder with --results")
        if options.dask:
            check_dask(options.dask)
        for name in names:
            if name in STUDIES:
                record(name, options.seeds, options.results, options.jobs, options.weights, options.dask)
            else:
                record_experiment(name, options.results, options.jobs, options.dask)
    except ValueError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        sys.exit("\nstopped: every finished run is recorded, every finished epoch kept; the same command goes on")
    except (Unfinished, data.DataUnreachable) as error:
        sys.exit(str(error))
