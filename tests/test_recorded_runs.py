"""The scripts of recorded runs, from made-up lines."""

import json
import shutil
from types import SimpleNamespace

import pytest
import recorded_runs
from nin import record

from made_up import run, write


def parsed(text):
    """The study and the runs of a script."""
    head, _, body = text.partition("] = ")
    return json.loads(head.split("[", 1)[1]), json.loads(body.rstrip().rstrip(";"))


def test_what_is_kept_of_a_run():
    kept = recorded_runs.drawn(run("one 1×1", seed=3, losses=[2.302585, 0.12345678], accuracy=0.87654))
    assert kept["label"] == "one 1×1" and kept["seed"] == 3 and kept["collapsed"] is False
    assert kept["losses"] == [2.303, 0.1235] and kept["test_acc"][-1] == 0.8765
    assert kept["steps"] == 2 * 469 and kept["held_out"] is False
    assert len(kept["loss"]) == len(kept["train_acc"]) == len(kept["test_acc"]) == 2


def test_a_diverged_run_has_no_curve():
    line = {**run("bad", 0), "history": [], "diverged": "step 7", "collapsed": True}
    del line["losses"]
    kept = recorded_runs.drawn(line)
    assert kept["losses"] == kept["test_acc"] == [] and kept["collapsed"] is True


def test_held_out_images_are_told_from_test_images():
    assert recorded_runs.drawn({**run("a", 0), "train_images": 55_000, "test_images": 5_000})["held_out"] is True


def test_no_number_is_no_number():
    assert recorded_runs.rounded([1.23456, float("nan"), float("inf"), None, 0]) == [1.235, None, None, None, 0]


def test_only_full_runs_and_whole_lines(tmp_path):
    lines = [run("a", 0), {**run("a", 1), "scale": "taste"}, run("a", 2)]
    path = write(tmp_path / "training.jsonl", lines)
    path.write_bytes(path.read_bytes()[:-30])
    assert [line["recipe"]["seed"] for line in recorded_runs.recorded(path)] == [0]
    with pytest.warns(UserWarning, match="not a whole record"):
        assert record.load("training", tmp_path) == recorded_runs.recorded(path)


def test_which_studies_get_a_script(tmp_path):
    write(tmp_path / "family.jsonl", [run("a", 0)])
    write(tmp_path / "training-parity.jsonl", [{**run("a", 0), "scale": "smoke"}])
    (tmp_path / "bench-some-machine.jsonl").write_text('{"path": "d2l", "part": "speed"}\n')
    found = recorded_runs.studies(tmp_path)
    assert set(found) == {*recorded_runs.DRAWN, "family"} and len(found["family"]) == 1
    assert recorded_runs.studies(tmp_path / "nowhere") == {name: [] for name in recorded_runs.DRAWN}


@pytest.mark.parametrize("lines", [[], [run("one 1×1, the section's recipe", 0)]])
def test_the_script_is_written_after_a_build(tmp_path, lines):
    source, built = tmp_path / "book", tmp_path / "html"
    write(source / "results" / "training.jsonl", lines)
    app = SimpleNamespace(srcdir=source, outdir=built, builder=SimpleNamespace(format="html"))
    recorded_runs.write_scripts(app, None)
    study, runs = parsed((built / "_static" / "figures" / "runs-training.js").read_text(encoding="utf-8"))
    assert study == "training" and runs == [recorded_runs.drawn(line) for line in lines]
    shutil.rmtree(built)
    recorded_runs.write_scripts(app, RuntimeError("the build failed"))
    assert not built.exists()


def test_a_large_study_stays_small():
    runs = [run(f"variant {i}", seed, losses=[1.2345678] * 235) for i in range(16) for seed in range(20)]
    assert len(recorded_runs.script("exercise-4-one-step", runs)) < 700_000
