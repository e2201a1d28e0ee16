"""The benchmark: every path is timed, what is written is what was measured, and a missing lever spoils nothing."""

import json
import time
from dataclasses import replace

import pytest
import torch

from nin import bench, first_step, timing
from nin.model import Variant
from nin.recipes import SECTION, SOUND
from nin.step import Step


@pytest.fixture(autouse=True)
def smoke(monkeypatch):
    """Seconds instead of minutes: smoke scale, and a narrow network on the helper's paths."""
    monkeypatch.setenv("NIN_SCALE", "smoke")
    for module in (bench, timing):
        monkeypatch.setattr(module, "SECTION", replace(SECTION, variant=Variant(width=0.125)))
    monkeypatch.setattr(timing, "SOUND", replace(SOUND, variant=replace(SOUND.variant, width=0.125)))


@pytest.mark.slow
def test_every_part_is_measured_written_and_shown(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(first_step, "seconds", {"d2l": 3.0, "plain": 2.0, "fastest": 1.0}.__getitem__)  # see below
    monkeypatch.setattr(bench.footprint, "footprint", lambda: [  # see test_footprint.py
        {"path": "training", "phase": "training", "type": "float32", "optimizer": "SGD", "batch size": 2}])
    monkeypatch.setattr(bench.layer_times, "layer_times", lambda n: [{"path": "2.0", "both (ms)": float(n)}])
    bench.main(["--rounds", "1", "--results", str(tmp_path)])
    path, = tmp_path.iterdir()
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    parts = {part: [row for row in rows if row["part"] == part] for part in bench.PARTS}
    assert [row["path"] for row in parts["speed"]] == ["d2l", *timing.levers()]
    assert [row["path"] for row in parts["pocket"]] == ["d2l", *timing.levers(pocket=True)]
    assert {row["network"] for row in parts["speed"] + parts["pocket"]} == {"section", "pocket"}
    first = parts["speed"][0]
    assert first["images/s against d2l"] == first["wall clock against d2l"] == 1
    for row in parts["speed"]:
        assert row["images/s against d2l"] == pytest.approx(row["images/s"] / first["images/s"])
        assert row["wall clock against d2l"] == pytest.approx(first["s per epoch"] / row["s per epoch"])
        assert row["s per epoch, lowest"] <= row["s per epoch"] <= row["s per epoch, highest"]
        assert row["images"] == 40 and row["peak memory (MB)"] > 0 and "failed" not in row
    assert {row["path"]: row["s to first step"] for row in parts["start"]} == {"d2l": 3, "plain": 2, "fastest": 1}
    assert [row["epochs"] for row in parts["accuracy"]] == [1, 1, 1]
    assert {"scale", "device", "torch", "python", "measured on"} <= rows[0].keys() and rows[0]["scale"] == "smoke"
    assert parts["memory"][0]["batch size"] == 2 and parts["layers"][0]["both (ms)"] == 8 == rows[0]["batch size"]
    printed = capsys.readouterr().out
    assert all(f"\n{part}\n" in printed for part in bench.PARTS) and "+ kept memory" in printed and path.name in printed


@pytest.mark.timing
def test_no_path_is_faster_than_its_bound():
    for pocket in (False, True):
        bound = bench.roofline.bound(timing.size(pocket).variant(timing.SECTION.variant), timing.device())
        for row in timing.speed(1, pocket):
            assert row["images/s"] < 1.1 * min(bound["images/s by arithmetic"], bound["images/s by memory"])


def test_a_part_measured_again_replaces_its_own_rows_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(timing, "start", lambda: [{"path": "d2l", "s to first step": 1.0}])
    bench.bench(["start"], folder=tmp_path)
    monkeypatch.setattr(bench.roofline, "bound", lambda variant, device: {"copy (GB/s)": 2.0})
    bench.bench(["bound"], folder=tmp_path)
    monkeypatch.setattr(timing, "start", lambda: [{"path": "d2l", "s to first step": 3.0}])
    _, path = bench.bench(["start"], folder=tmp_path)
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    found = [(row["part"], row.get("s to first step")) for row in rows]
    assert found == [("bound", None), ("bound", None), ("start", 3.0)]


def test_a_lever_that_fails_is_named_and_the_rest_goes_on(monkeypatch):
    plain = Step.__call__

    def call(self, images, labels, lr):
        if self.speed.channels_last and not self.speed.keep_memory:
            raise RuntimeError("no\ncompiler")
        return plain(self, images, labels, lr)

    monkeypatch.setattr(Step, "__call__", call)
    rows = {row["path"]: row for row in timing.speed(1)}
    assert rows["+ channels last"]["failed"] == "RuntimeError: no compiler"
    assert rows["+ channels last"]["images/s"] is None and rows["+ kept memory"]["images/s"] > 0
    assert "+ channels last" in bench.table([{"part": "speed", **dict.fromkeys(
        ("scale", "batch size", "device", "torch", "python", "measured on")), **row} for row in rows.values()])


def test_the_levers_add_up_on_either_device(monkeypatch):
    cpu = timing.levers()
    assert cpu["+ kept memory"].channels_last and not cpu["+ channels last"].keep_memory and not cpu["plain"].fold
    monkeypatch.setattr(timing, "device", lambda: torch.device("cuda"))
    gpu = timing.levers()
    assert gpu["+ CUDA graph"].graph and gpu["+ CUDA graph"].fused and not gpu["compiled instead"].graph
    assert gpu["compiled, CUDA graph"].compile and not any(speed.keep_memory for speed in gpu.values())


@pytest.mark.parametrize("accuracies, reached", [((0.5, 0.9, 0.88), (2, 20.0)), ((0.5, 0.6), (None, None)),
                                                 ((0.874,), (1, 10.0))])
def test_the_first_epoch_at_the_target_counts(accuracies, reached):
    seen = [(test_acc, 10.0 * epoch) for epoch, test_acc in enumerate(accuracies, start=1)]
    row = timing._until("x", seen, 0.874, 1.0)
    assert (row["epochs to target"], row["s to target"]) == reached
    assert row["epochs"] == len(accuracies) and row["last test acc"] == accuracies[-1]


def test_d2l_stops_at_the_target():
    row = timing._d2l_until(0.001)
    assert row["epochs to target"] == 1 and 0 < row["s to target"] == row["s in all"]


@pytest.mark.slow
@pytest.mark.parametrize("path", ["d2l", "fastest"])
def test_a_fresh_process_takes_its_first_step(path):
    start = time.time()
    measured = first_step.seconds(path)
    assert 0.5 < measured < time.time() - start + 0.01


def test_a_first_step_that_fails_says_why():
    with pytest.raises(RuntimeError, match="the first step by nowhere failed:(.|\n)*KeyError: 'nowhere'"):
        first_step.seconds("nowhere")


@pytest.mark.parametrize("arguments, message", [
    (["--rounds", "0", "--results", "x"], "--rounds must be at least 1"), ([], "name another folder with --results"),
    (["--accuracy", "87", "--results", "x"], "--accuracy is a fraction"), (["--only", "sped"], "invalid choice")])
def test_bad_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit):
        bench.main(arguments)
    assert message in capsys.readouterr().err


def test_the_parts_that_the_book_shows():
    assert sorted(part for shown in bench.SHOWN.values() for part in shown) == sorted(bench.PARTS)
