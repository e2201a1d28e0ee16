"""The scripts of recorded runs, from made-up lines."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import recorded_runs
from made_up import run, run_of, write
from nin.runs import read

SECTION = "the section, lr 0.1"


def told(line, label="one 1×1", scale="pocket"):
    """A line as nin.runs.read gives it."""
    return read.described(line, label, scale)


def parsed(text):
    """The study and the runs of a script."""
    head, _, body = text.partition("] = ")
    return json.loads(head.split("[", 1)[1]), json.loads(body.rstrip().rstrip(";"))


def test_what_is_kept_of_a_run():
    kept = recorded_runs.drawn(told(run("", seed=3, losses=[2.302585, 0.12345678], accuracy=0.8765)))
    assert kept["label"] == "one 1×1" and kept["seed"] == 3 and kept["clean"] is True and kept["outcome"] == "clean"
    assert kept["losses"] == [1.213] and kept["test_acc"][-1] == 0.8765
    assert kept["steps"] == 2 * 469 and kept["held_out"] is False
    assert len(kept["loss"]) == len(kept["train_acc"]) == len(kept["test_acc"]) == 2
    assert recorded_runs.drawn(told(run("", 0), scale="full"))["label"] == "full size: one 1×1"


def test_a_diverged_run_has_no_curve():
    kept = recorded_runs.drawn(told({**run("bad", 0), "history": [], "losses": [], "diverged": "step 7"}))
    assert kept["losses"] == kept["test_acc"] == [] and kept["clean"] is False and kept["outcome"] == "diverged"


def test_held_out_images_are_told_from_test_images():
    assert recorded_runs.drawn(told(run("a", 0)), held_out=True)["held_out"] is True


def test_two_means_become_one():
    assert recorded_runs.pairs([1.0, 3.0, 5.0]) == [2.0, 5.0] and recorded_runs.pairs([]) == []


def test_no_number_is_no_number():
    assert recorded_runs.rounded([1.23456, float("nan"), float("inf"), None, 0]) == [1.235, None, None, None, 0]


def test_only_the_studies_own_runs_and_whole_lines(tmp_path):
    lines = [run_of("training", SECTION, 0), {**run_of("training", SECTION, 1), "train_images": 48},
             run_of("training", SECTION, 2)]
    path = write(tmp_path / "training.jsonl", lines)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.warns(UserWarning, match="line 3 is not a whole record"):
        found = recorded_runs.studies(tmp_path)
    assert set(found) == set(recorded_runs.DRAWN) and [run["seed"] for run in found["training"]] == [0]
    with pytest.warns(UserWarning):
        assert found["training"] == [recorded_runs.drawn(run) for run in read.load("training", "pocket", tmp_path)]


def test_where_nothing_is_recorded_the_scripts_are_empty(tmp_path):
    (tmp_path / "bench-some-machine.jsonl").write_text('{"path": "d2l", "part": "speed"}\n')
    assert recorded_runs.studies(tmp_path) == {name: [] for name in recorded_runs.DRAWN}
    assert recorded_runs.studies(tmp_path / "nowhere") == {name: [] for name in recorded_runs.DRAWN}


@pytest.mark.parametrize("seeds", [[], [0]])
def test_the_script_is_written_after_a_build(tmp_path, seeds):
    source, built = tmp_path / "book", tmp_path / "html"
    write(source / "results" / "training.jsonl", [run_of("training", SECTION, seed) for seed in seeds])
    app = SimpleNamespace(srcdir=source, outdir=built, builder=SimpleNamespace(format="html"))
    recorded_runs.write_scripts(app, None)
    study, runs = parsed((built / "_static" / "figures" / "runs-training.js").read_text(encoding="utf-8"))
    assert study == "training" and [run["label"] for run in runs] == [SECTION] * len(seeds)
    shutil.rmtree(built)
    recorded_runs.write_scripts(app, RuntimeError("the build failed"))
    assert not built.exists()


def test_a_large_study_stays_small():
    line = recorded_runs.drawn(told(run("a variant", 0, losses=[1.2345678] * 235)))
    assert len(recorded_runs.script("exercise-4-one-step", 320 * [line])) < 700_000


def test_it_needs_nothing_that_rendering_lacks():
    """The small environment that builds the pages has neither torch nor scipy nor pandas."""
    code = ("import sys; sys.modules.update(dict.fromkeys(('torch', 'scipy', 'pandas', 'numpy'))); "
            "sys.path.insert(0, '_ext'); import recorded_runs; "
            "assert recorded_runs.studies('results')['training']")
    subprocess.run([sys.executable, "-c", code], cwd=Path(recorded_runs.__file__).parents[1], check=True)
