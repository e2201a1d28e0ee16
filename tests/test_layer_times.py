"""The time of every layer beside its bound: work counted by hand and by torch, seconds as a clock would give them."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nin import layer_times
from nin.model import nin
from nin.resources import layers, trace_layers
from nin.step import Speed


@pytest.fixture(scope="module")
def rows():
    """The layers at a batch of 2, timed at smoke scale."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIN_SCALE", "smoke")
        return layer_times.layer_times(batch_size=2, repeats=1)


def test_every_layer_has_a_row_and_the_sum_is_theirs(rows):
    *single, together, whole = rows
    assert [row["layer"] for row in single] == [row.kind for row in layers(nin())[:-1]]  # the view apart
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


def test_flops_are_those_that_torch_counts():
    learnt, ours = False, 0
    for _, layer, in_shape, out_shape in trace_layers(nin(), (2, 1, 224, 224)):
        ours += layer_times.forward_work(layer, in_shape, out_shape, 4)[0]
        ours += layer_times.backward_work(layer, in_shape, out_shape, 4, learnt)[0]
        learnt = True
    with FlopCounterMode(display=False) as counter:
        nin()(torch.rand(2, 1, 224, 224)).sum().backward()
    assert ours == counter.get_total_flops()


def test_bytes_by_hand():
    def work(layer, in_shape, passes_gradient=True):
        x = torch.rand(in_shape)
        out = layer(x).shape
        return (layer_times.forward_work(layer, x.shape, out, 2)[1],
                layer_times.backward_work(layer, x.shape, out, 2, passes_gradient)[1])

    conv, weights = nn.Conv2d(3, 5, 1), 3 * 5 + 5
    assert work(conv, (2, 3, 4, 4)) == (2 * (96 + 160 + weights), 2 * (160 + 96 + weights + 96 + weights))
    assert work(conv, (2, 3, 4, 4), False) == (2 * (96 + 160 + weights), 2 * (160 + 96 + weights))
    assert work(nn.ReLU(), (10,)) == (2 * 20, 2 * 30)
    assert work(nn.MaxPool2d(2), (1, 1, 4, 4)) == (2 * 20 + 8 * 4, 2 * 20 + 8 * 4)
    assert work(nn.Dropout(), (10,)) == (2 * 30, 2 * 30)
    assert work(nn.AdaptiveAvgPool2d(1), (1, 1, 4, 4)) == (2 * 17, 2 * 17)


def test_a_gpu_is_timed_in_both_types(monkeypatch):
    """With stand-ins for the two measurements: the types, TF32 in the float32 rate, one byte for a mask's value."""
    asked = []

    def rate(device, dtype, n, tf32):
        asked.append((dtype, tf32))
        return 1e12

    monkeypatch.setattr(layer_times, "device", lambda: torch.device("cuda"))
    monkeypatch.setattr(layer_times, "matmul_rate", rate)
    monkeypatch.setattr(layer_times, "conv_rate", lambda device, dtype, n: 1e11)
    monkeypatch.setattr(layer_times, "copy_bandwidth", lambda device, nbytes: 1e9)
    monkeypatch.setattr(layer_times, "_whole_step", lambda batch_size, dtype, repeats: 0.5)
    monkeypatch.setattr(layer_times, "_seconds", lambda layer, in_shape, dtype, learnt, repeats: (1e-3, 2e-3, 1e-3))
    monkeypatch.setattr(layer_times, "fastest", lambda device: Speed())
    rows = layer_times.layer_times(batch_size=2)
    assert asked == [(torch.float32, True), (torch.bfloat16, True)]
    full, half = ([row for row in rows if row["type"] == name] for name in ("float32", "bfloat16"))
    assert len(full) == len(half) == 29 + 2 and full[-1]["both (ms)"] == half[-1]["both (ms)"] == 500
    assert full[0]["kernels (ms)"] == 1 and full[-2]["kernels (ms)"] == 29
    relu = [next(row for row in some if row["layer"] == "ReLU") for some in (full, half)]
    assert relu[0]["forward, MB"] == 2 * relu[1]["forward, MB"]
    dropout = next(row for row in half if row["layer"] == "dropout")
    assert dropout["forward, MB"] == pytest.approx(2 * 9600 * (2 + 2 + 1) / 1e6)


def test_work_shorter_than_a_clock_tick_is_repeated(monkeypatch):
    runs = []
    monkeypatch.setattr(layer_times, "stopwatch", lambda device: lambda: 0.001)
    assert layer_times._median(lambda: runs.append(1), repeats=3) == pytest.approx(0.001 / 5)
    assert len(runs) == 1 + 1 + 3 * 5


def test_on_a_gpu_the_profiler_tells_the_kernels_time(monkeypatch):
    calls = []

    def spent(work, device):
        work()
        calls.append(device.type)
        return {"aten::relu": 0.25, "aten::empty": 0.0}

    monkeypatch.setattr(layer_times, "operation_seconds", spent)
    monkeypatch.setattr(layer_times, "_is_gpu", lambda: True)
    monkeypatch.setattr(layer_times, "_median", lambda work, repeats: 2.0)
    assert layer_times._seconds(nn.ReLU(), (1, 2, 3, 3), torch.float32, True, 1) == (2.0, 2.0, 0.5)
    assert calls == ["cpu", "cpu"]
    monkeypatch.setattr(layer_times, "_is_gpu", lambda: False)
    assert layer_times._seconds(nn.ReLU(), (1, 2, 3, 3), torch.float32, True, 1) == (2.0, 2.0, None)
