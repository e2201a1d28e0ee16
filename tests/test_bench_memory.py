"""Memory measured, and measured beside its prediction: one row a case, and one that says why where there is none."""

import pytest
import torch
from torch import nn

from nin.bench import memory
from nin.bench.memory import (
    Peaks,
    kept_for_backward,
    measured_peak,
    measured_peaks,
    measured_workspace,
)
from nin.costs import parameter_count
from nin.model import nin
from nin.moments import predicted_peak


@pytest.fixture(scope="module")
def rows():
    """One image, by every optimiser and type."""
    return memory.footprint(largest=1)


def test_every_case_has_a_row(rows):
    assert len({(row["path"], row["batch size"]) for row in rows}) == len(rows) == 2 * 4
    assert {row["path"] for row in rows} >= {"training, float32, SGD, momentum", "prediction, bfloat16"}
    assert {row["optimizer"] for row in rows if row["phase"] == "prediction"} == {None}


def test_prediction_workspace_and_rounding_make_up_what_is_measured(rows):
    for row in rows:
        explained = row["predicted (MB)"] + row["workspace (MB)"]
        assert row["measured (MB)"] == pytest.approx(explained, rel=0.01), row["path"]
        assert row["workspace (MB)"] >= 0 == row["rounding (MB)"] == row["held besides (MB)"]  # on a CPU


def test_a_row_predicts_for_its_own_case(rows):
    row = next(row for row in rows if row["path"] == "training, bfloat16, SGD, momentum")
    assert row["predicted (MB)"] * 1e6 == predicted_peak(nin(), (1, 1, 224, 224), True, 1, bf16=True)
    assert row["peak at"] == "gradients to float32 4.0 conv 3×3, 256→384"
    first = next(row for row in rows if row["path"] == "training, float32, Adam")
    assert first["peak at"] == "update"


@pytest.mark.parametrize("optimizer, copies", [("SGD", 0), ("SGD, momentum", 1), ("Adam", 2)])
def test_the_optimisers_hold_as_many_copies_as_is_predicted(optimizer, copies):
    net = nin()
    update = memory.OPTIMIZERS[optimizer](net.parameters())
    net(torch.rand(1, 1, 224, 224)).sum().backward()
    update.step()
    held = sum(tensor.numel() for state in update.state.values() for tensor in state.values()
               if tensor is not None and tensor.dim())
    assert held == copies * parameter_count(net) == memory.STATE[optimizer] * parameter_count(net)


def test_what_does_not_fit_is_said(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 25_000_000)
    monkeypatch.setattr(memory, "measure_step", lambda n, bf16, optimizer: (0, Peaks(20_000_000, 20_500_000)))
    rows = {row["path"]: row for row in memory.footprint(largest=1)}
    assert rows["training, float32, Adam"]["skipped"] == "39 MB predicted, 25 MB free"
    assert "measured (MB)" not in rows["training, float32, Adam"]
    assert rows["training, float32, SGD"]["measured (MB)"] == 20 and "skipped" not in rows["training, float32, SGD"]
    assert rows["training, float32, SGD"]["rounding (MB)"] == 0.5


def test_a_device_that_runs_out_of_memory_spoils_only_that_row(monkeypatch):
    def measure_step(n, bf16, optimizer):
        if optimizer == "Adam":
            raise torch.OutOfMemoryError("no")
        return 0, Peaks(1, 1)

    monkeypatch.setattr(memory, "measure_step", measure_step)
    monkeypatch.setattr(memory, "measured_workspace", lambda *args: {})
    rows = memory.footprint(largest=1)
    assert {row["path"] for row in rows if "skipped" in row} == {"training, float32, Adam", "training, bfloat16, Adam"}


def test_what_would_take_long_is_left_out(monkeypatch):
    monkeypatch.setattr(memory, "measure_step", lambda n, bf16, optimizer: (0, Peaks(1, 1)))
    monkeypatch.setattr(memory, "measured_workspace", lambda *args: {})
    rows = memory.footprint(largest=4, patience=0.0)
    assert {row["batch size"]: "skipped" in row for row in rows} == {1: False, 2: True, 4: True}
    assert "took" in rows[-1]["skipped"]


def test_a_gpus_free_memory(monkeypatch):
    monkeypatch.setattr(memory, "device", lambda: torch.device("cuda"))  # in name
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (7, 8))
    assert memory.free_memory() == 7


def test_the_libraries_memory_is_told_apart(monkeypatch):
    """On a GPU what is allocated beside the network, as by cuBLAS, is in none of the peaks."""
    known = 4 * (2 * parameter_count(nin()) + 224**2)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: known + 8_519_680)
    monkeypatch.setattr(memory, "measured_peaks", lambda works, device: [(works[0](), Peaks(100, 512))[1]])
    assert memory.measure_step(1, False, "SGD, momentum") == (8_519_680, Peaks(known + 100, known + 512))


def test_workspace_is_found_where_it_is():
    class Wasteful(nn.Module):
        def forward(self, x):
            torch.empty(1_000_000)  # 4 MB, given back before the output is made
            torch.empty(2_000_000)
            return x * 2

    net = nn.Sequential(nn.ReLU(), Wasteful(), nn.ReLU())
    found = measured_workspace(net, (1, 1, 10, 10), training=False)
    assert found == {("forward", "0"): 0, ("forward", "1"): 8_000_000 - 400, ("forward", "2"): 0}


def test_measuring_leaves_the_network_alone():
    net = nin()
    measured_workspace(net, (1, 1, 224, 224), training=True, bf16=True)
    assert next(net.parameters()).dtype == torch.float32 and next(net.parameters()).grad is None


def test_what_autograd_keeps_is_counted_once():
    """Two 1×1s and their ReLUs keep the images and both ReLUs' outputs, of which the second 1×1 reads the first."""
    images = torch.rand(1, 3, 8, 8)
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Conv2d(3, 3, 1), nn.ReLU())
    assert kept_for_backward(net, images) == 3 * images.nbytes
    assert kept_for_backward(net[:1], images) == images.nbytes  # its parameters apart


def test_measured_peak_sees_an_allocation():
    def step():
        kept = torch.empty(3_000_000)  # 12 MB
        del kept
        torch.empty(1_000_000)

    assert measured_peak(step, "cpu") == pytest.approx(12e6, rel=0.01)


def test_what_happens_between_two_steps_is_not_counted():
    kept = []

    def steps():
        yield lambda: torch.empty(1000)
        kept.append(torch.empty(1_000_000))
        yield lambda: kept.append(torch.empty(500))
        kept.clear()
        yield lambda: None

    assert measured_peaks(steps(), "cpu") == [Peaks(4000, 4000), Peaks(2000, 2000), Peaks(0, 0)]


@pytest.fixture
def allocator(monkeypatch):
    """A stand-in for CUDA's caching allocator, that rounds up to 512 bytes: the dict of its statistics."""
    stats = {}

    def reset(device=None):
        for kind in ("requested_bytes", "allocated_bytes"):
            if f"{kind}.all.current" in stats:
                stats[f"{kind}.all.peak"] = stats[f"{kind}.all.current"]

    def allocate(nbytes):
        for kind, size in (("requested_bytes", nbytes), ("allocated_bytes", -(-nbytes // 512) * 512)):
            if f"{kind}.all.current" in stats:
                stats[f"{kind}.all.current"] += size
                stats[f"{kind}.all.peak"] = max(stats[f"{kind}.all.peak"], stats[f"{kind}.all.current"])

    stats["allocate"] = allocate
    for kind in ("requested_bytes", "allocated_bytes"):
        stats[f"{kind}.all.current"] = stats[f"{kind}.all.peak"] = 10_240
    stats["requested_bytes.all.peak"] = stats["allocated_bytes.all.peak"] = 10**9  # of something earlier
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device=None: None)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", reset)
    monkeypatch.setattr(torch.cuda, "memory_stats", lambda device=None: dict(stats))
    return stats


def test_a_gpus_peaks_come_from_its_allocator(allocator):
    allocate = allocator["allocate"]

    def step():
        allocate(1000)
        allocate(2000)
        allocate(-2000)

    assert measured_peaks([step, lambda: allocate(1)], "cuda") == [Peaks(3000, 1024 + 2048), Peaks(1, 512)]
    assert measured_peak(lambda: allocate(513), "cuda") == 1024


def test_an_allocator_that_does_not_tell_what_was_asked_for(allocator):
    for key in ("requested_bytes.all.current", "requested_bytes.all.peak"):
        del allocator[key]
    assert measured_peaks([lambda: allocator["allocate"](1)], "cuda") == [Peaks(512, 512)]
