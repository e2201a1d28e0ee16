"""Memory measured beside its prediction: one row a case, and what cannot be measured has a row that says so."""

import pytest
import torch

from nin import footprint
from nin.memory import predicted_peak
from nin.model import nin
from nin.profiling import Peaks
from nin.resources import parameter_count


@pytest.fixture(scope="module")
def rows():
    """One image, by every optimiser and type."""
    return footprint.footprint(largest=1)


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
    update = footprint.OPTIMIZERS[optimizer](net.parameters())
    net(torch.rand(1, 1, 224, 224)).sum().backward()
    update.step()
    held = sum(tensor.numel() for state in update.state.values() for tensor in state.values()
               if tensor is not None and tensor.dim())
    assert held == copies * parameter_count(net) == footprint.STATE[optimizer] * parameter_count(net)


def test_what_does_not_fit_is_said(monkeypatch):
    monkeypatch.setattr(footprint, "free_memory", lambda: 25_000_000)
    monkeypatch.setattr(footprint, "measure_step", lambda n, bf16, optimizer: (0, Peaks(20_000_000, 20_500_000)))
    rows = {row["path"]: row for row in footprint.footprint(largest=1)}
    assert rows["training, float32, Adam"]["skipped"] == "39 MB predicted, 25 MB free"
    assert "measured (MB)" not in rows["training, float32, Adam"]
    assert rows["training, float32, SGD"]["measured (MB)"] == 20 and "skipped" not in rows["training, float32, SGD"]
    assert rows["training, float32, SGD"]["rounding (MB)"] == 0.5


def test_a_device_that_runs_out_of_memory_spoils_only_that_row(monkeypatch):
    def measure_step(n, bf16, optimizer):
        if optimizer == "Adam":
            raise torch.OutOfMemoryError("no")
        return 0, Peaks(1, 1)

    monkeypatch.setattr(footprint, "measure_step", measure_step)
    monkeypatch.setattr(footprint, "measured_workspace", lambda *args: {})
    rows = footprint.footprint(largest=1)
    assert {row["path"] for row in rows if "skipped" in row} == {"training, float32, Adam", "training, bfloat16, Adam"}


def test_what_would_take_long_is_left_out(monkeypatch):
    monkeypatch.setattr(footprint, "measure_step", lambda n, bf16, optimizer: (0, Peaks(1, 1)))
    monkeypatch.setattr(footprint, "measured_workspace", lambda *args: {})
    rows = footprint.footprint(largest=4, patience=0.0)
    assert {row["batch size"]: "skipped" in row for row in rows} == {1: False, 2: True, 4: True}
    assert "took" in rows[-1]["skipped"]


def test_a_gpus_free_memory(monkeypatch):
    monkeypatch.setattr(footprint, "device", lambda: torch.device("cuda"))  # in name
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (7, 8))
    assert footprint.free_memory() == 7


def test_the_libraries_memory_is_told_apart(monkeypatch):
    """On a GPU what is allocated beside the network, as by cuBLAS, is in none of the peaks."""
    known = 4 * (2 * parameter_count(nin()) + 224**2)
    monkeypatch.setattr(footprint, "_is_gpu", lambda: True)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: known + 8_519_680)
    monkeypatch.setattr(footprint, "measured_peaks", lambda steps, device: [
        (steps[0](), Peaks(100, 512))[1]])
    assert footprint.measure_step(1, False, "SGD, momentum") == (8_519_680, Peaks(known + 100, known + 512))
