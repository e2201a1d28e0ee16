"""The time of every layer beside its bound, and the machine's rates that make the bound."""

import time
from types import SimpleNamespace

import pytest
import torch
import torch.utils.benchmark
from torch import nn

from nin import costs
from nin.bench import layers
from nin.bench.layers import operation_seconds
from nin.model import nin
from nin.recipes import Variant
from nin.step import Speed


@pytest.fixture(scope="module")
def rows():
    """The layers at a batch of 2, timed at smoke scale."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIN_SCALE", "smoke")
        return layers.layer_times(batch_size=2)


def test_every_layer_has_a_row_and_the_sum_is_theirs(rows):
    *single, together, whole = rows
    assert [row["layer"] for row in single] == [row.kind for row in costs.layers(nin())[:-1]]  # the view apart
    assert together["both (ms)"] == pytest.approx(sum(row["both (ms)"] for row in single), rel=0.01)
    assert together["bound (ms)"] == pytest.approx(sum(row["bound (ms)"] for row in single), rel=0.01)
    assert whole["both (ms)"] > 0


@pytest.mark.timing
def test_the_layers_take_as_long_as_the_step_and_the_5x5_longest(rows):
    *single, together, whole = rows
    assert 0.2 < whole["both (ms)"] / together["both (ms)"] < 5
    slowest = max(single, key=lambda row: row["both (ms)"])
    assert slowest["layer"] == "conv 5×5, 96→256"


def test_a_bound_is_the_slower_of_arithmetic_and_memory(rows):
    for row in rows[:-2]:
        for way in ("forward", "backward"):
            arithmetic = row[f"{way}, GFLOP"] / row["TFLOP/s"]  # ms
            memory = row[f"{way}, MB"] / row["GB/s"]
            assert row[f"{way}, bound (ms)"] == pytest.approx(max(arithmetic, memory), rel=0.05, abs=1e-4)
            if max(arithmetic, memory) > 1.2 * min(arithmetic, memory):
                assert row[f"{way}, bound by"] == ("arithmetic" if arithmetic > memory else "memory")


def test_a_gpu_is_timed_in_both_types(monkeypatch):
    """With stand-ins for what is measured: the types, one byte for a mask's value."""
    asked = []

    def rate(dtype):
        asked.append(dtype)
        return 1e12

    monkeypatch.setattr(layers, "device", lambda: torch.device("cuda"))
    monkeypatch.setattr(layers, "arithmetic_rate", rate)
    monkeypatch.setattr(layers, "copy_bandwidth", lambda: 1e9)
    monkeypatch.setattr(layers, "_whole_step", lambda batch_size, dtype: 0.5)
    monkeypatch.setattr(layers, "_seconds", lambda layer, costs, dtype: (1e-3, 2e-3, 1e-3))
    monkeypatch.setattr(layers, "fastest", Speed)
    rows = layers.layer_times(batch_size=2)
    assert asked == [torch.float32, torch.bfloat16]
    full, half = ([row for row in rows if row["type"] == name] for name in ("float32", "bfloat16"))
    assert len(full) == len(half) == 29 + 2 and full[-1]["both (ms)"] == half[-1]["both (ms)"] == 500
    assert full[0]["kernels (ms)"] == 1 and full[-2]["kernels (ms)"] == 29
    relu = [next(row for row in some if row["layer"] == "ReLU") for some in (full, half)]
    assert relu[0]["forward, MB"] == 2 * relu[1]["forward, MB"]
    dropout = next(row for row in half if row["layer"] == "dropout")
    assert dropout["forward, MB"] == pytest.approx(2 * 9600 * (2 + 2 + 1) / 1e6)


@pytest.mark.parametrize("gpu", [True, False])
def test_on_a_gpu_the_profiler_tells_the_kernels_time(gpu, monkeypatch):
    def spent(work, device):
        work()
        return {"aten::relu": 0.25, "aten::empty": 0.0}

    made, relu = [], costs.layers(nin())[1]

    def to(layer, device, dtype, memory_format):
        made.append((device.type, dtype))
        return layer

    monkeypatch.setattr(nn.Module, "to", to)
    monkeypatch.setattr(layers, "operation_seconds", spent)
    monkeypatch.setattr(layers, "timed", lambda work: SimpleNamespace(median=2.0))
    if gpu:  # in name
        monkeypatch.setattr(layers, "device", lambda: torch.device("cuda"))
        monkeypatch.setattr(torch, "rand", lambda shape, device, rand=torch.rand: rand(shape))
    assert layers._seconds(nn.ReLU(), relu, torch.float32) == (2.0, 2.0, 0.5 if gpu else None)
    assert made == [("cuda" if gpu else "cpu", torch.float32)]


def test_work_shorter_than_a_clock_tick_is_repeated():
    runs = []
    measurement = layers.timed(lambda: runs.append(1))
    assert measurement.number_per_run > 100 and len(runs) > measurement.number_per_run
    assert 0 < measurement.median < 1e-3


def test_slow_work_does_not_keep_a_rehearsal_waiting():
    runs = []
    layers.timed(lambda: (runs.append(1), time.sleep(0.06)))
    assert len(runs) == 2  # one to learn how long it takes


def test_the_work_has_as_many_threads_as_torch(monkeypatch):
    seen = []

    def timer(stmt, globals, num_threads):
        seen.append(num_threads)
        return SimpleNamespace(adaptive_autorange=lambda max_run_time: "measured")

    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr(torch.utils.benchmark, "Timer", timer)
    assert layers.timed(print) == "measured" and seen == [3]


def test_rates_are_those_of_a_computer():
    assert 1e8 < layers.copy_bandwidth() < 1e13
    before = torch.get_float32_matmul_precision()
    assert 1e8 < layers.arithmetic_rate(torch.float32) < 1e15
    assert torch.get_float32_matmul_precision() == before


@pytest.mark.parametrize("product, convolution", [(1e-3, 2e-3), (2e-3, 1e-4)])
def test_the_rate_is_that_of_the_better_library(monkeypatch, product, convolution):
    """Where the library for products is slow, convolutions beat it, and no path may come out above its bound."""
    times = iter((product, convolution))

    def timed(work):
        shape = work().shape
        assert shape in ((256, 256), (1, 256, 26, 26))
        return SimpleNamespace(times=[next(times), 9.0])

    monkeypatch.setattr(layers, "timed", timed)
    conv_flops = 2 * 26**2 * 256 * 96 * 25
    assert layers.arithmetic_rate(torch.float32) == max(2 * 256**3 / product, conv_flops / convolution)


def test_the_bound_is_of_the_faster_type(monkeypatch):
    monkeypatch.setattr(layers, "arithmetic_rate", {torch.float32: 2e12, torch.bfloat16: 5e12}.__getitem__)
    monkeypatch.setattr(layers, "copy_bandwidth", lambda: 1e12)
    found, (flops, moved) = layers.bound(Variant()), costs.training_work(Variant(), 2)
    assert found["type"] == "bfloat16" and found["float32 (TFLOP/s)"] == 2
    assert found["images/s by arithmetic"] == 5e12 / flops and found["images/s by memory"] == 1e12 / moved


def test_operations_are_told_apart():
    a = torch.rand(700, 700)
    spent = operation_seconds(lambda: (a @ a).relu(), "cpu")
    assert next(iter(spent)) == "aten::mm" and 0 < spent["aten::clamp_min"] < spent["aten::mm"] < 1
    whole = operation_seconds(lambda: [(a @ a).relu() for _ in range(10)], "cpu")
    assert whole["aten::mm"] > 3 * spent["aten::mm"]  # of all calls of one work, not of one
