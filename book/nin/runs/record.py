"""Trains the runs of a study that are not recorded yet, side by side, and keeps one JSON line of each.

    python -m nin record STUDY [--seeds A-B] [--jobs N] [--results FOLDER] [--dask ADDRESS]

It can be stopped at any moment, by any signal, and started again: a run goes on from its last finished epoch.
"""

import argparse
import contextlib
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
from ..recipes import Recipe
from ..scale import RESULTS, current, device, device_name
from ..step import Speed, fastest
from ..training import Diverged, train
from . import read
from .experiments import EXPERIMENTS
from .studies import KEPT, STUDIES, recipe_id, run_name

SEEN = 10_000  # training images, the first ones, on which a finished network is measured
TRIES = 10  # how often in a row the workers may be ended from outside before any of them has finished anything


class Unfinished(RuntimeError):
    """Recording cannot go on; the message says what to do."""


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
        return run_name(self.recipe, self.sizes, self.speed.bf16)

    @property
    def work(self):
        """MACs of the training, forward passes alone."""
        epochs = self.recipe.num_epochs + (self.recipe.first.num_epochs if self.recipe.first else 0)
        return macs(self.recipe.variant) * self.sizes[0] * epochs

    def clear(self):
        """Remove the checkpoints: the run is recorded."""
        for path in self.kept.glob(f"{self.name}.part*"):
            path.unlink(missing_ok=True)

    def line(self):
        """Train the run, keep its weights, and return its line. Its checkpoint stays, for the writer to clear."""
        self.kept.mkdir(parents=True, exist_ok=True)
        with _alone(self.kept / f"{self.name}.lock"):
            return _line(self)

    def told(self, line):
        """The result in words, for the bar."""
        run = read.described(line, self.label, self.scale)
        accuracy = "" if run["test_acc"] is None else f"{run['test_acc']:.4f}, "
        return f"{self.label}, seed {self.recipe.seed}: {accuracy}{run['outcome']}"


@dataclass(frozen=True)
class Case:
    """One case of an experiment to be measured, on one thread: to `record` it is as a Job."""

    name: str
    case: dict
    scale: str
    parent: int | None
    threads: int = 1
    work: int = 1

    def clear(self):
        """A case leaves nothing behind."""

    def line(self):
        """Measure the case; returns its line."""
        found = EXPERIMENTS[self.name].measure(**self.case)
        return {"experiment": self.name, "case": self.case, "scale": self.scale, "bf16": fastest().bf16, **found,
                **_here(self.threads)}

    def told(self, _):
        """The case in words, for the bar."""
        return ", ".join(f"{name} {value}" for name, value in self.case.items())


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
    def course(study, recipe):
        precision = "float32" if study.float32 else "any"
        return read.course(asdict(scale.fit(recipe)), precision, read.sizes(study, scale))

    longest, extras = {}, {}
    for other in STUDIES.values():
        for _, recipe in other.runs():
            key = course(other, recipe)
            longest[key] = max(longest.get(key, 0), scale.fit(recipe).num_epochs)
            extras.setdefault(key, set()).update(other.extras)
    done, jobs = read.found(study, scale, lines), {}
    for label, recipe in study.runs():
        if done[label, recipe.seed] is None and (seeds is None or recipe.seed in seeds):
            key = course(study, recipe)
            job = Job(label, replace(scale.fit(recipe), num_epochs=longest[key]), scale.name, read.sizes(study, scale),
                      study.validation, extras=tuple(sorted(extras[key])), **how)
            jobs[job.name] = job
    return list(jobs.values())


def _jobs(name, scale, folder, seeds, how):
    """A study's Jobs still to be done; what an earlier end left behind of recorded ones is removed."""
    lines = read.lines(folder)
    recorded = {read.identity(line)[1:] for line in lines}  # in either precision
    for job in missing(STUDIES[name], scale, [], seeds, **how):
        if (recipe_id(job.recipe), *job.sizes, job.recipe.seed) in recorded:
            job.clear()
    return missing(STUDIES[name], scale, lines, seeds, **how)


def _cases(name, scale, folder, parent):
    """An experiment's Cases still to be done."""
    known = [line["case"] for line in read.cases(name, scale.name, folder)]
    return [Case(name, case, scale.name, parent) for case in EXPERIMENTS[name].cases if case not in known]


def record(name, seeds=None, folder=RESULTS, jobs=None, kept=KEPT, dask=None):
    """Append every missing line of a study or an experiment at the present scale; returns how many were added.

    `jobs` processes work side by side, by default one to a core of the CPU, and one where there is a GPU; `dask` is
    the address of a scheduler whose workers take their place. This process alone writes.
    """
    scale, parent = current(), None if dask else os.getpid()
    jobs = jobs or (1 if device().type == "cuda" else joblib.cpu_count())
    if name in EXPERIMENTS:
        path = Path(folder) / "experiments" / f"{name}.jsonl"
        find = functools.partial(_cases, name, scale, folder, parent)
    else:
        path, threads = Path(folder) / f"{name}.jsonl", max(1, joblib.cpu_count() // jobs)
        torch.set_num_threads(threads)  # the precision is chosen as it will be used
        speed = replace(fastest(), bf16=False) if STUDIES[name].float32 else fastest()
        how = {"speed": speed, "kept": Path(kept), "threads": threads, "parent": parent}
        find = functools.partial(_jobs, name, scale, folder, seeds, how)
    todo, added, tries = find(), 0, 0
    if not todo:
        print(f"{name}: nothing to record at scale {scale.name}", file=sys.stderr)
        return 0
    total = len(todo)
    bar = tqdm(desc=f"{name}: 0/{total} runs", total=sum(job.work for job in todo), mininterval=0, smoothing=0,
               bar_format="{desc}, {elapsed}, {remaining} to go{postfix}")
    while todo:
        before = added
        try:
            with _workers(jobs, dask) as parallel:
                for job, line in parallel(joblib.delayed(work_off)(job) for job in todo):
                    append(line, path)
                    job.clear()
                    added += 1
                    bar.set_description_str(f"{name}: {added}/{total} runs", refresh=False)
                    bar.set_postfix_str(f"last: {job.told(line)}", refresh=False)
                    bar.update(job.work)
        except BrokenProcessPool:  # a worker was killed; the others end with it, and go on from their last epochs
            tries = tries + 1 if added == before else 0
            if tries == TRIES:
                raise Unfinished(f"the workers were ended {TRIES} times in a row before one had finished a run: is "
                                 f"there too little memory? Try --jobs 1") from None
        todo = find()
    bar.close()
    return added


@contextlib.contextmanager
def _workers(jobs, dask):
    """joblib's Parallel, on this machine or a Dask cluster: results come as they are finished.

    Raises ValueError, with what to do, unless a Dask scheduler answers whose workers have one thread each.
    """
    parallel = functools.partial(joblib.Parallel, return_as="generator_unordered", batch_size=1)
    if not dask:
        yield parallel(jobs, pre_dispatch=jobs)
        return
    try:
        from distributed import Client  # an option

        client = Client(dask, timeout=20)
    except ImportError:
        raise ValueError("--dask needs the package distributed: pip install distributed") from None
    except OSError:
        raise ValueError(f"no Dask scheduler answers at {dask}: start one with `dask scheduler`") from None
    with client, joblib.parallel_config(backend="dask"):
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        if not workers or any(worker["nthreads"] != 1 for worker in workers):
            raise ValueError(f"the scheduler at {dask} needs workers of one thread each: "
                             f"dask worker {dask} --nworkers -1 --nthreads 1")
        yield parallel()


def work_off(job):
    """What a worker does with a Job or a Case: returns it with its line."""
    if job.parent and job.parent != os.getpid():
        _end_with(job.parent)
    torch.set_num_threads(job.threads)
    return job, job.line()


@functools.cache
def _end_with(parent):
    """From now on this process ends within half a second of its parent, which may have been killed."""
    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _alone(path, seconds=20):
    """Waits until no other process trains the run that a lock file stands for, as one that is about to end."""
    deadline = time.monotonic() + seconds
    with open(path, "w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unfinished(f"another process trains this run already ({path.name}): give two recorders "
                                     f"different --seeds") from None
                time.sleep(0.1)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


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
            "train_images": len(train_set), "test_images": len(test_set)}
    watch = (model.last_of_body(model.build(recipe.variant)),) if "gradient" in job.extras else ()
    try:
        trained = train(recipe, train_set, test_set, job.speed, progress=False, watch=watch,
                        checkpoint=job.kept / f"{job.name}.part")
    except Diverged as error:
        trained, line["diverged"] = error.run, str(error)
    if trained.interrupted:
        raise KeyboardInterrupt
    history = [{name: round(value, 6) for name, value in epoch.items()} for epoch in trained.history]
    line |= {"parameters": costs.parameter_count(trained.net), "before": trained.before,
             "history": [epoch | found for epoch, found in zip(history, trained.examined)],
             "losses": [round(mean, 5) for mean in _means(trained.losses)],
             "seconds": round(sum(epoch["seconds"] + epoch["test_seconds"] for epoch in trained.history), 2)}
    if "diverged" not in line:
        seen, unseen = (relabelled(split, recipe) for split in (train_set.take(SEEN), test_set))
        line |= {"seen_images": len(seen), "seen_acc": evaluate(trained.net, seen, job.speed, recipe.mirrored)}
        if watch:  # means of the norms, not of their logarithms: one large step is to be seen
            line["gradient"] = [float(f"{mean:.4g}") for mean in _means(trained.gradients[watch[0]])]
        if "probe" in job.extras:
            line["readable"] = readable(trained.net, seen, unseen, job.speed)
        weights = job.kept / f"{job.name}.new"
        torch.save(trained.net.state_dict(), weights)
        weights.replace(weights.with_suffix(".pt"))
    return line | _here(job.threads)


def _here(threads):
    """Where and when a line was made."""
    return {"device": device_name(threads), "torch": torch.__version__, "python": platform.python_version(),
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}


def _means(values, n=outcome.MEANS):
    """The mean of every n values, and of the rest."""
    parts = (values[i:i + n] for i in range(0, len(values), n))
    return [sum(part) / len(part) for part in parts]


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
    if options.seeds is not None and options.study in EXPERIMENTS:
        parser.error(f"{options.study} is no study but an experiment: its cases are recorded together, without --seeds")
    if options.seeds is not None and options.study in STUDIES:
        own = {recipe.seed for _, recipe in STUDIES[options.study].runs()}
        if not own & set(options.seeds):
            parser.error(f"{options.study} has the seeds {min(own)} to {max(own)}, fixed before its runs, and none of "
                         f"those")
    try:
        if current().name == "smoke" and options.results == RESULTS:
            parser.error("smoke-scale runs are no results: name another folder with --results")
        for name in names if options.study == "all" else [options.study]:
            record(name, options.seeds, options.results, options.jobs, options.weights, options.dask)
    except ValueError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        sys.exit("\nstopped: every finished run is recorded, every finished epoch kept; the same command goes on")
    except (Unfinished, data.DataUnreachable) as error:
        sys.exit(str(error))
