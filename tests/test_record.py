"""Recording: what is missing is trained, what is there is kept, whatever is killed, and when."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch

from nin import training
from nin.recipes import SECTION, SOUND, Recipe, change
from nin.runs import read, record, studies
from nin.runs.record import Unfinished
from nin.scale import RESULTS, SCALES

BOOK = RESULTS.parent
TINY = change(SOUND, width=0.25)  # of the pocket network


@pytest.fixture
def study(monkeypatch):
    """Sets a study of given recipes, recorded at smoke scale by this process itself."""
    monkeypatch.setenv("NIN_SCALE", "smoke")
    monkeypatch.setattr(record.os, "cpu_count", lambda: 1)  # as many threads as the other tests

    def put(recipes, seeds=range(2), name="made-up", **rest):
        monkeypatch.setitem(studies.STUDIES, name, studies.Study("?", "nothing", recipes, seeds, **rest))

    put({"small": TINY, "small, Xavier": replace(change(SECTION, width=0.25), lr=0.01)})
    return put


def go(folder, name="made-up", **rest):
    """Record in this process; returns how many lines were added."""
    return record.record(name, folder=folder, jobs=1, kept=folder / "kept", **rest)


def lines(folder, name="made-up"):
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text("utf-8").splitlines()]


def test_records_what_is_missing_and_nothing_twice(study, tmp_path):
    assert go(tmp_path, seeds=range(1)) == 2 and go(tmp_path) == 2 and go(tmp_path) == 0
    runs = lines(tmp_path)
    assert [(run["label"], run["recipe"]["seed"]) for run in runs] == [
        ("small", 0), ("small, Xavier", 0), ("small", 1), ("small, Xavier", 1)]  # seeds first
    for run in runs:
        assert {"device", "torch", "python", "date", "losses", "parameters", "speed", "seconds"} <= run.keys()
        assert "collapsed" not in run and run["train_images"] == run["test_images"] == run["seen_images"] == 48
        for shown in (run["before"], *run["history"]):
            assert sum(map(sum, shown["confusion"])) == 48
            assert all(len(shown[f"logit_{name}"]) == 10 for name in ("mean", "std", "min", "max"))
        right = sum(row[k] for k, row in enumerate(run["history"][-1]["confusion"]))
        assert run["history"][-1]["test_acc"] == pytest.approx(right / 48, abs=1e-6)
    assert read.load("made-up", "pocket", tmp_path) == []  # a smoke run is never shown as a result
    assert len(read.load("made-up", "smoke", tmp_path)) == 4


def test_the_weights_of_every_run_are_kept_and_its_checkpoint_goes(study, tmp_path, monkeypatch):
    nets, train = [], record.train
    monkeypatch.setattr(record, "train", lambda *args, **rest: (nets.append(train(*args, **rest)), nets[-1])[1])
    go(tmp_path, seeds=range(1))
    files = sorted((tmp_path / "kept").iterdir())
    assert [path.suffix for path in files] == [".pt", ".pt"]
    saved = [torch.load(path, weights_only=True) for path in files]
    for run in nets:
        state = run.net.state_dict()
        assert any(all(name in other and torch.equal(other[name], tensor) for name, tensor in state.items())
                   for other in saved)


def test_a_label_may_change_and_loses_nothing(study, tmp_path):
    go(tmp_path)
    study({"renamed": TINY, "small, Xavier": replace(change(SECTION, width=0.25), lr=0.01)})
    assert go(tmp_path) == 0
    assert {run["label"] for run in read.load("made-up", "smoke", tmp_path)} == {"renamed", "small, Xavier"}


def test_a_changed_recipe_is_recorded_anew_and_not_pooled(study, tmp_path):
    go(tmp_path)
    study({"small": replace(TINY, lr=0.01)})
    assert read.load("made-up", "smoke", tmp_path) == [] and go(tmp_path) == 2
    assert {run["recipe"]["lr"] for run in read.load("made-up", "smoke", tmp_path)} == {0.01}


def test_a_run_that_two_studies_need_is_recorded_once(study, tmp_path):
    go(tmp_path)
    study({"under another name": TINY}, name="other")
    assert go(tmp_path, "other") == 0 and len(read.load("other", "smoke", tmp_path)) == 2


def test_results_of_two_machines_are_merged_by_concatenation(study, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    go(here, seeds=range(1))
    go(there, seeds=range(2))  # one seed is the other machine's as well
    both = (here / "made-up.jsonl").read_text("utf-8") + (there / "made-up.jsonl").read_text("utf-8")
    (here / "made-up.jsonl").write_text(both, encoding="utf-8")
    with pytest.warns(UserWarning, match="an earlier line holds the same run: small"):
        assert len(read.load("made-up", "smoke", here)) == 4
    with pytest.warns(UserWarning):
        assert go(here) == 0


def test_a_longer_run_takes_the_shorter_ones_place(study, tmp_path, monkeypatch):
    """With a constant lr the first epochs of twenty are the run of ten: it is not trained twice."""
    monkeypatch.setitem(SCALES, "smoke", replace(SCALES["smoke"], max_epochs=4))
    short = replace(change(SECTION, width=0.25), lr=0.02, num_epochs=2)
    study({"short": short, "one-cycle, short": replace(short, schedule="one-cycle")}, range(1))
    study({"long": replace(short, num_epochs=4), "one-cycle": replace(short, schedule="one-cycle", num_epochs=4)},
          range(1), "longer")
    assert go(tmp_path) == 2 and [len(run["history"]) for run in lines(tmp_path)] == [4, 2]
    assert go(tmp_path, "longer") == 1  # one-cycle's four epochs are another course
    cut = read.load("made-up", "smoke", tmp_path)[0]
    assert len(cut["history"]) == 2 and cut["recipe"]["num_epochs"] == 2
    alone = training.train(SCALES["smoke"].fit(short), *record._sets(False, (48, 48)), progress=False)
    assert [epoch["loss"] for epoch in cut["history"]] == pytest.approx([e["loss"] for e in alone.history], abs=1e-5)


def test_what_any_study_wants_measured_is_measured(study, tmp_path):
    study({"with more": TINY}, name="other", extras=studies.EXTRAS)
    go(tmp_path)
    small = [run for run in lines(tmp_path) if run["label"] == "small"]
    assert all(run["gradient"] and "before, all" in run["readable"] for run in small)
    assert not any("gradient" in run for run in lines(tmp_path) if run["label"] != "small")


def test_float32_where_a_study_asks_for_it(study, tmp_path):
    study({"small": TINY}, range(1), float32=True)
    go(tmp_path)
    assert [run["speed"]["bf16"] for run in lines(tmp_path)] == [False]


@pytest.mark.parametrize("pays", [True, False])
def test_the_precision_is_decided_once_and_written_in_every_line(study, tmp_path, monkeypatch, pays):
    asked = []
    monkeypatch.setattr("nin.step.bf16_pays", lambda: (asked.append(1), pays)[1])
    go(tmp_path)
    assert asked == [1] and [run["speed"]["bf16"] for run in lines(tmp_path)] == 4 * [pays]


def test_held_out_images_leave_the_test_set_alone(study, tmp_path):
    study({"small": TINY}, range(1), validation=True)
    whole = record._sets(False, (48, 48))
    train_set, held_out = record._sets(True, (48, 48))
    assert not any((whole[1].images == image).flatten(1).all(1).any() for image in held_out.images[:10])
    assert not any((train_set.images == image).flatten(1).all(1).any() for image in held_out.images[:10])
    go(tmp_path)
    assert len(read.load("made-up", "smoke", tmp_path)) == 1


def test_a_diverged_run_is_a_result_with_its_course(study, tmp_path):
    study({"bad": replace(TINY, lr=1e20, schedule="constant")}, range(1))
    assert go(tmp_path) == 1 and go(tmp_path) == 0
    run, = read.load("made-up", "smoke", tmp_path)
    assert run["outcome"] == "diverged" and run["history"] == [] and run["losses"] and "step" in run["diverged"]
    assert run["test_acc"] is None


def test_a_line_cut_short_is_reported_and_recorded_anew(study, tmp_path):
    go(tmp_path, seeds=range(1))
    path = tmp_path / "made-up.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.warns(UserWarning, match="made-up.jsonl, line 2 is not a whole record"):
        assert go(tmp_path, seeds=range(1)) == 1
    with pytest.warns(UserWarning, match="line 2"):
        assert len(read.load("made-up", "smoke", tmp_path)) == 2


def test_a_run_goes_on_from_its_last_epoch(study, tmp_path, monkeypatch):
    monkeypatch.setitem(SCALES, "smoke", replace(SCALES["smoke"], max_epochs=3))
    study({"small": replace(TINY, num_epochs=3)}, range(1))
    begun, train_epoch = [], training._train_epoch

    def killed(run, *rest):
        begun.append(len(run.history) + 1)
        if begun == [1, 2]:
            raise SystemExit
        return train_epoch(run, *rest)

    monkeypatch.setattr(training, "_train_epoch", killed)
    with pytest.raises(SystemExit):
        go(tmp_path)
    assert go(tmp_path) == 1 and begun == [1, 2, 2, 3]


def test_a_run_that_was_written_but_not_cleared_is_cleared(study, tmp_path):
    """The end may come between the line and the checkpoint's removal."""
    go(tmp_path)
    done = record.missing(studies.STUDIES["made-up"], SCALES["smoke"], [], speed=record.fastest(),
                          kept=tmp_path / "kept", threads=1, parent=None)
    left = tmp_path / "kept" / f"{done[0].name}.part"
    left.write_bytes(b"half")
    assert go(tmp_path) == 0 and not left.exists()


def test_a_run_in_other_hands_is_left_to_them(tmp_path):
    with record._alone(tmp_path / "a.lock"), pytest.raises(Unfinished, match="different --seeds"):
        with record._alone(tmp_path / "a.lock", seconds=0.2):
            pass
    with record._alone(tmp_path / "a.lock", seconds=0.2):  # free again
        pass


def test_the_bar_says_what_is_left_and_what_came_last(study, tmp_path, capsys):
    go(tmp_path)
    said = capsys.readouterr().err
    assert "made-up: 0/4 runs" in said and "made-up: 4/4 runs" in said and " to go, last: " in said
    assert "last: small, Xavier, seed 1: 0." in said
    go(tmp_path)
    assert "made-up: nothing to record" in capsys.readouterr().err


def test_minutes_go_by_macs_and_epochs(study):
    big = change(SECTION, width=2.0)
    how = {"speed": record.fastest(), "kept": Path("."), "threads": 1, "parent": None}
    study({"one": replace(SECTION, lr=0.03), "big": replace(big, num_epochs=5)}, range(1))
    jobs = record.missing(studies.STUDIES["made-up"], SCALES["pocket"], [], **how)
    pocket = [SCALES["pocket"].variant(recipe.variant) for recipe in (SECTION, big)]
    assert jobs[1].work / jobs[0].work == pytest.approx(record.macs(pocket[1]) / record.macs(pocket[0]) / 2)
    assert record.macs(pocket[0]) == pytest.approx(14.26e6, rel=1e-3)
    study({"kept": replace(SECTION, lr=0.03, first=SECTION)}, range(1))
    again, = record.missing(studies.STUDIES["made-up"], SCALES["pocket"], [], **how)
    assert again.work == 2 * jobs[0].work


DRIVER = """
from nin.recipes import SOUND, change
from dataclasses import replace
from nin.runs import record, studies
from nin.scale import SCALES
record.os.cpu_count = lambda: 1  # one thread a process, beside the other tests
SCALES["smoke"] = replace(SCALES["smoke"], max_epochs=6)
tiny = change(SOUND, width=0.25, num_epochs=6)
studies.STUDIES["made-up"] = studies.Study(
    "?", "", {str(lr): replace(tiny, lr=lr) for lr in (1e-3, 1e-2, 0.1)}, range(20))
record.main()
"""


def recorder(folder, *more, **options):
    """A recorder of sixty small runs, as a process of its own."""
    folders = ["--results", str(folder), "--weights", str(folder / "kept")]
    words = [sys.executable, "-c", DRIVER, "made-up", *folders, *more]
    environment = {**os.environ, "NIN_SCALE": "smoke", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(words, cwd=BOOK, env=environment, text=True, **options)


def workers(process):
    return [child for child in psutil.Process(process.pid).children(recursive=True) if "loky" in " ".join(
        child.cmdline()) and "resource_tracker" not in " ".join(child.cmdline())]


@pytest.mark.slow
def test_ten_kills_lose_nothing(tmp_path):
    """A worker, the parent or all, by SIGKILL, at random moments: every line is whole, no run is there twice."""
    chance, path, victims = random.Random(0), tmp_path / "made-up.jsonl", ("worker", "parent", "all")
    for turn in range(10):
        process = recorder(tmp_path, "--jobs", "2", stderr=subprocess.DEVNULL)
        before = path.read_bytes() if path.exists() else b""
        time.sleep(chance.uniform(4, 9))
        victim = victims[turn % 3]
        children = workers(process) if process.poll() is None else []
        if victim == "worker" and children:
            chance.choice(children).send_signal(signal.SIGKILL)
            time.sleep(chance.uniform(2, 5))  # the recorder goes on with new ones
            assert process.poll() in (None, 0)
            children = workers(process) if process.poll() is None else []
        if victim == "all":
            for child in children:
                child.kill()
        process.kill()
        process.wait()
        psutil.wait_procs(children, timeout=10)
        assert not [child for child in children if child.is_running() and child.status() != "zombie"], "orphans go on"
        assert path.read_bytes().startswith(before) if path.exists() else not before
    last = recorder(tmp_path, "--jobs", "2", stderr=subprocess.PIPE)  # at once after a kill
    _, said = last.communicate(timeout=300)
    assert last.returncode == 0, said
    whole = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.endswith("}")]
    names = [(run["label"], run["recipe"]["seed"]) for run in whole]
    assert len(names) == len(set(names)) == 60 and all(len(run["history"]) == 6 for run in whole)
    assert {entry.suffix for entry in (tmp_path / "kept").iterdir()} <= {".pt", ".lock", ".new"}


@pytest.mark.slow
def test_a_killed_worker_loses_an_epoch_at_most(tmp_path):
    """What a killed run had finished is not trained again: its checkpoints' epochs are those of the line."""
    process = recorder(tmp_path, "--jobs", "1", "--seeds", "0", stderr=subprocess.DEVNULL)
    deadline, part = time.monotonic() + 60, []
    while not part and time.monotonic() < deadline:
        part = list((tmp_path / "kept").glob("*-0.part")) if (tmp_path / "kept").exists() else []
        time.sleep(0.005)
    process.kill()
    process.wait()
    saved = torch.load(part[0], weights_only=True)
    again = recorder(tmp_path, "--jobs", "1", "--seeds", "0", stderr=subprocess.DEVNULL)
    assert again.wait(timeout=120) == 0
    runs = lines(tmp_path)
    mine, = (run for run in runs if run["recipe"] == saved["recipe"])
    kept = mine["history"][:len(saved["history"])]
    for old, new in zip(saved["history"], kept, strict=True):  # seconds are the clock's: the same only if kept
        assert new["seconds"] == pytest.approx(old["seconds"], abs=1e-6)


@pytest.mark.slow
def test_two_recorders_share_a_folder_with_disjoint_seeds(tmp_path):
    both = [recorder(tmp_path, "--jobs", "1", "--seeds", seeds, stderr=subprocess.DEVNULL) for seeds in ("0-1", "2-3")]
    assert [process.wait(timeout=300) for process in both] == [0, 0]
    assert sorted(run["recipe"]["seed"] for run in lines(tmp_path)) == sorted([0, 1, 2, 3] * 3)


@pytest.mark.slow
def test_a_dask_cluster_takes_the_same_jobs(tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        process = recorder(tmp_path, "--seeds", "0-1", "--dask", cluster.scheduler_address, stderr=subprocess.PIPE)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert len(lines(tmp_path)) == 6 and len({run["recipe"]["seed"] for run in lines(tmp_path)}) == 2


@pytest.mark.parametrize("arguments, message", [
    (["nowhere"], "invalid choice: 'nowhere'"), (["training", "--seeds", "x"], "seeds are a number or a range"),
    (["training", "--seeds", "9-3"], "the smaller number comes first"), (["training", "--jobs", "0"], "at least 1"),
    (["training", "--seeds", "90-99"], "training has the seeds 0 to 19, fixed before its runs"),
    (["training"], "smoke-scale runs are no results")])
def test_bad_arguments(arguments, message, capsys, monkeypatch):
    monkeypatch.setenv("NIN_SCALE", "smoke")
    with pytest.raises(SystemExit):
        record.main(arguments)
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("name, value", [("NIN_SCALE", "taste"), ("NIN_IMAGES", "x")])
def test_a_bad_variable_is_an_error_in_one_line(name, value, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        record.main(["training", "--results", str(tmp_path)])
    assert f"error: {name} must be" in capsys.readouterr().err


def test_a_scheduler_that_does_not_answer_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("NIN_SCALE", "smoke")
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(distributed, "Client", lambda *args, **rest: (_ for _ in ()).throw(OSError("refused")))
    with pytest.raises(SystemExit):
        record.main(["training", "--results", str(tmp_path), "--dask", "tcp://127.0.0.1:1"])
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("text, seeds", [("3", [3]), ("0-2", [0, 1, 2]), ("10-11", [10, 11])])
def test_seeds_are_a_number_or_a_range(text, seeds):
    assert list(record.seeds_of(text)) == seeds


def test_every_study_is_sound_and_says_what_it_isolates():
    for name, study in studies.STUDIES.items():
        assert study.question.endswith("?") and len(study.isolates.split()) > 3
        for scale in ("pocket", "full"):
            fitted = [SCALES[scale].fit(recipe) for recipe in study.recipes.values()]
            assert len(set(map(read.recipe_id, fitted))) == len(fitted), f"{name}: two labels, one recipe"
    training_runs = studies.STUDIES["training"]
    assert training_runs.recipes["the section, lr 0.1"] == SECTION and list(training_runs.seeds) == list(range(20))


@pytest.mark.parametrize("bad, message", [
    ({"extras": ("dead maps",)}, "'gradient' and 'probe', not dead maps"),
    ({"seeds_of_label": {"smal": range(3)}}, "no recipe is labelled smal: the labels are small"),
    ({"recipes": {"small": Recipe(seed=3)}}, "its seeds stand apart")])
def test_a_bad_study_is_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        studies.Study(**{"question": "?", "isolates": "", "recipes": {"small": TINY}, "seeds": range(2), **bad})
