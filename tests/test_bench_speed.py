"""The benchmark: every path is timed, what is written is what was measured, and a missing lever spoils nothing."""

import json
import time
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from nin.bench import __main__ as bench
from nin.bench import layers, memory, speed
from nin.recipes import SECTION, SOUND, Variant
from nin.step import Speed, Step


@pytest.fixture(autouse=True)
def smoke(monkeypatch):
    """Seconds instead of minutes: smoke scale, and a narrow network on the helper's paths."""
    monkeypatch.setenv("NIN_SCALE", "smoke")
    for module in (bench, speed):
        monkeypatch.setattr(module, "SECTION", replace(SECTION, variant=Variant(width=0.125)))
    monkeypatch.setattr(speed, "SOUND", replace(SOUND, variant=replace(SOUND.variant, width=0.125)))


@pytest.mark.slow
def test_every_part_is_measured_written_and_shown(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(speed, "first_step", {"d2l": 3.0, "plain": 2.0, "fastest": 1.0}.__getitem__)  # see below
    monkeypatch.setattr(memory, "footprint", lambda: [  # see test_bench_memory.py
        {"path": "training", "phase": "training", "type": "float32", "optimizer": "SGD", "batch size": 2}])
    monkeypatch.setattr(layers, "layer_times", lambda n: [{"path": "2.0", "both (ms)": float(n)}])
    monkeypatch.setattr(bench, "bench", partial(bench.bench, rounds=1))
    bench.main(["--results", str(tmp_path)])
    path, = tmp_path.iterdir()
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    parts = {part: [row for row in rows if row["part"] == part] for part in bench.PARTS}
    assert [row["path"] for row in parts["speed"]] == ["d2l", *speed.levers()]
    assert [row["path"] for row in parts["pocket"]] == ["d2l", *speed.levers(pocket=True)]
    assert {row["network"] for row in parts["speed"] + parts["pocket"]} == {"section", "pocket"}
    first = parts["speed"][0]
    assert first["images/s against d2l"] == first["wall clock against d2l"] == 1
    for row in parts["speed"]:
        assert row["images/s against d2l"] == pytest.approx(row["images/s"] / first["images/s"])
        assert row["wall clock against d2l"] == pytest.approx(first["s per epoch"] / row["s per epoch"])
        assert row["s per epoch, lowest"] <= row["s per epoch"] <= row["s per epoch, highest"]
        assert row["images"] == 40 and row["test images"] == 8 and row["peak memory (MB)"] > 0 and "failed" not in row
    assert {row["path"]: row["s to first step"] for row in parts["start"]} == {"d2l": 3, "plain": 2, "fastest": 1}
    assert [row["epochs"] for row in parts["accuracy"]] == [1, 1, 1]
    assert {"scale", "device", "torch", "python", "measured on"} <= rows[0].keys() and rows[0]["scale"] == "smoke"
    assert parts["memory"][0]["batch size"] == 2 and parts["layers"][0]["both (ms)"] == 8 == rows[0]["batch size"]
    printed = capsys.readouterr().out
    assert all(f"\n{part}\n" in printed for part in bench.PARTS) and "+ kept memory" in printed and path.name in printed


@pytest.mark.timing
def test_no_path_is_faster_than_its_bound():
    for pocket in (False, True):
        bound = layers.bound(speed.size(pocket).variant(speed.SECTION.variant))
        for row in speed.speed(1, pocket):
            assert row["images/s"] < 1.1 * min(bound["images/s by arithmetic"], bound["images/s by memory"])


def test_a_part_measured_again_replaces_its_own_rows_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "start", lambda: [{"path": "d2l", "s to first step": 1.0}])
    bench.bench(["start"], folder=tmp_path)
    monkeypatch.setattr(layers, "bound", lambda variant: {"copy (GB/s)": 2.0})
    bench.bench(["bound"], folder=tmp_path)
    monkeypatch.setattr(speed, "start", lambda: [{"path": "d2l", "s to first step": 3.0}])
    _, path = bench.bench(["start"], folder=tmp_path)
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [(row["part"], row.get("s to first step")) for row in rows] == [
        ("bound", None), ("bound", None), ("start", 3.0)]


@pytest.fixture
def without_d2l(monkeypatch):
    """d2l's path takes no time."""
    monkeypatch.setattr(speed, "d2l_train", lambda scale, loaders, num_epochs: 10.0)


def test_a_lever_that_fails_is_named_and_the_rest_goes_on(without_d2l, monkeypatch):
    def capture(self):
        raise RuntimeError("not\npermitted")

    monkeypatch.setattr(Step, "_capture", capture)
    monkeypatch.setattr(speed, "levers", lambda pocket: {"plain": Speed(), "+ CUDA graph": Speed(graph=True),
                                                         "+ folded stem": Speed(fold=True)})
    rows = {row["path"]: row for row in speed.speed(1)}
    assert rows["+ CUDA graph"]["failed"] == "RuntimeError: not permitted"
    assert rows["+ CUDA graph"]["images/s"] is None and rows["+ folded stem"]["images/s"] > 0
    assert "+ CUDA graph" in bench.table([{"part": "speed", **dict.fromkeys(
        ("scale", "batch size", "device", "torch", "python", "measured on")), **row} for row in rows.values()])


def test_without_the_plain_path_there_is_nothing_to_compare(without_d2l, monkeypatch):
    def call(self, images, labels, lr):
        raise RuntimeError("broken")

    monkeypatch.setattr(Step, "__call__", call)
    with pytest.raises(RuntimeError, match="broken"):
        speed.speed(1)


def test_capturing_a_graph_is_not_timed(without_d2l, monkeypatch):
    runs = []

    def train(recipe, train_set, test_set, how, progress):
        runs.append((how.graph, recipe.num_epochs))
        epochs = [{"seconds": 5.0, "test_seconds": 1.0}] * (recipe.num_epochs - 1)
        return SimpleNamespace(step=None, train_images=40, last=[*epochs, {"seconds": 2.0, "test_seconds": 0.5}][-1])

    monkeypatch.setattr(speed, "levers", lambda pocket: {"plain": Speed(), "+ CUDA graph": Speed(graph=True)})
    monkeypatch.setattr(speed, "train", train)
    monkeypatch.setattr(speed, "_warm_step", lambda how, recipe, train_set: print)
    monkeypatch.setattr(speed, "measured_peak", lambda work, device: 1e6)
    _, plain, graph = speed.speed(2)
    assert runs == [(False, 1), (True, 2)] * 2  # in turn; on a CPU a step warms up, not an epoch
    assert plain["images/s"] == graph["images/s"] == 20 and graph["s per epoch"] == 2.5


def test_the_levers_add_up_on_either_device(monkeypatch):
    cpu = speed.levers()
    assert list(cpu) == ["plain", "+ folded stem", "+ channels last", "+ kept memory", "+ bfloat16"]
    assert cpu["+ kept memory"].channels_last and not cpu["+ channels last"].keep_memory and not cpu["plain"].fold
    assert "+ folded stem" not in speed.levers(pocket=True) and speed.levers(pocket=True)["plain"].fold
    monkeypatch.setattr(speed, "device", lambda: torch.device("cuda"))
    gpu = speed.levers()
    assert gpu["+ CUDA graph"] == Speed(fold=True, channels_last=True, bf16=True, autotune=True, fused=True, graph=True)
    assert list(gpu)[-1] == "+ CUDA graph" and not gpu["+ fused update"].graph


def test_a_cpu_times_as_many_batches_as_d2l_needs(monkeypatch):
    monkeypatch.setenv("NIN_SCALE", "pocket")
    section, pocket = speed.size(), speed.size(pocket=True)
    assert (section.loader_batches, section.pocket, section.batch_size(128)) == (5, False, 128)
    assert (pocket.loader_batches, pocket.pocket) == (40, True)
    monkeypatch.setattr(speed, "device", lambda: torch.device("cuda"))
    assert speed.size().loader_batches > 469


def test_a_test_batch_for_six_to_train_on():
    for batches, (train, test) in ((5, (5, 1)), (12, (12, 2)), (10**9, (7500, 1250))):  # of 8 images each
        loaders = speed.d2l_loaders(replace(speed.size(), loader_batches=batches))
        assert (len(loaders[0]), len(loaders[1])) == (train, test) or speed.load(train=True).images.shape[0] < 60_000


def test_the_profile_names_the_operations_of_a_step():
    *operations, whole = speed.profile()
    spent = {row["path"]: row["ms a step"] for row in operations}
    assert {"aten::convolution_backward", "aten::clamp_min"} & spent.keys() and min(spent.values()) > 0
    assert 0.9 < sum(spent.values()) / whole["ms a step"] <= 1.0001 and whole["path"] == "whole step"
    work = speed.training_work(speed.size().fit(speed.SECTION).variant, 4)[0]
    assert whole["GFLOP"] == pytest.approx(8 * work / 1e9) and whole["batch size"] == 8


@pytest.mark.parametrize("accuracies, reached", [((0.5, 0.9, 0.88), (2, 20.0)), ((0.5, 0.6), (None, None)),
                                                 ((0.874,), (1, 10.0))])
def test_the_first_epoch_at_the_target_counts(accuracies, reached):
    seen = [(test_acc, 10.0 * epoch) for epoch, test_acc in enumerate(accuracies, start=1)]
    row = speed._until("x", seen, 0.874, 1.0)
    assert (row["epochs to target"], row["s to target"]) == reached
    assert row["epochs"] == len(accuracies) and row["last test acc"] == accuracies[-1]


def test_d2l_stops_at_the_target():
    row = speed._d2l_until(0.001)
    assert row["epochs to target"] == 1 and 0 < row["s to target"] == row["s in all"]


@pytest.mark.slow
@pytest.mark.parametrize("path", ["d2l", "fastest"])
def test_a_fresh_process_takes_its_first_step(path):
    start = time.time()
    measured = speed.first_step(path)
    assert 0.5 < measured < time.time() - start + 0.01


@pytest.mark.parametrize("path", ["d2l", "plain"])
def test_the_first_step_is_one_step(path, monkeypatch):
    """And no more: d2l is stopped before its second batch."""
    batches, plain = [], nn.Conv2d.forward

    def forward(self, x):
        if x.shape[1] == 1:
            batches.append((len(x), torch.is_grad_enabled()))
        return plain(self, x)

    monkeypatch.setattr(nn.Conv2d, "forward", forward)
    start = time.time()
    assert start < speed._take_first_step(path) <= time.time()
    assert batches == [(8, True)]


def test_a_first_step_that_fails_says_why():
    with pytest.raises(RuntimeError, match="the first step by nowhere failed:(.|\n)*KeyError: 'nowhere'"):
        speed.first_step("nowhere")


@pytest.mark.parametrize("arguments, message", [
    ([], "name another folder with --results"), (["--only", "sped"], "invalid choice")])
def test_bad_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit):
        bench.main(arguments)
    assert message in capsys.readouterr().err


def test_the_parts_that_the_book_shows():
    assert sorted(part for shown in bench.SHOWN.values() for part in shown) == sorted(bench.PARTS)
