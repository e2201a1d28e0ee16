"""The memory of a step: predicted moment by moment, against hand calculation and against torch's own counters."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nin.memory import measured_workspace, moments, peak_moment, predicted_peak
from nin.model import Variant, build, nin
from nin.profiling import Peaks, measured_peak, measured_peaks
from nin.resources import parameter_count

NARROW = [Variant(width=0.25), Variant(width=0.25, batch_norm=True), Variant(width=0.25, head="fc"),
          Variant(width=0.25, head="gradual", dropout=0.0, num_1x1=1), Variant(width=0.25, depth=2, linear_logits=True)]
OPTIMIZERS = [lambda p: torch.optim.SGD(p, 0.01), lambda p: torch.optim.SGD(p, 0.01, momentum=0.9), torch.optim.Adam]


def a_step(net, n, bf16, optimizer):
    """The measured peak of a second step, what was there before it included."""
    images, labels = torch.rand(n, 1, 224, 224), torch.arange(n) % 10
    update = optimizer(net.parameters())

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = net(images)
        F.cross_entropy(logits.float(), labels).backward()
        update.step()

    step()
    update.zero_grad()
    state = [tensor for of_one in update.state.values() for tensor in of_one.values()
             if tensor is not None and tensor.dim()]
    there = sum(tensor.nbytes for tensor in (*net.parameters(), *state, images))
    return there + measured_peak(step, "cpu")


@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("variant", NARROW, ids=str)
def test_prediction_and_workspace_make_up_the_measured_peak(variant, bf16):
    net, shape = build(variant), (3, 1, 224, 224)
    found = moments(net, shape, training=True, bf16=bf16)
    real = peak_moment(found, measured_workspace(net, shape, training=True, bf16=bf16))
    assert a_step(net, 3, bf16, OPTIMIZERS[0]) == pytest.approx(real.nbytes, rel=0.005)  # the loss has a few bytes
    assert real.nbytes >= peak_moment(found).nbytes == predicted_peak(net, shape, training=True, bf16=bf16)


@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("copies", [0, 1, 2])
def test_the_optimisers_state_is_counted(copies, bf16):
    net = nin()
    found = moments(net, (1, 1, 224, 224), True, copies, bf16)
    real = peak_moment(found, measured_workspace(net, (1, 1, 224, 224), True, bf16))
    assert a_step(net, 1, bf16, OPTIMIZERS[copies]) == pytest.approx(real.nbytes, rel=0.005)


@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "bfloat16"])
def test_prediction_alone_keeps_nothing(bf16):
    net, images = nin().eval(), torch.rand(2, 1, 224, 224)
    real = peak_moment(moments(net, images.shape, False, bf16=bf16),
                       measured_workspace(net, images.shape, False, bf16=bf16))

    def predict():
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            net(images)

    predict()
    there = 4 * parameter_count(net) + images.nbytes
    assert there + measured_peak(predict, "cpu") == pytest.approx(real.nbytes, rel=0.005)


def test_every_moment_by_hand():
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.MaxPool2d(2))  # 2 weights, 2 biases; maps of 4×4, then 2×2
    there, maps, pooled, index = 4 * 4 + 4 * 16, 4 * 32, 4 * 8, 8 * 8
    assert [(m.phase, m.layer, m.nbytes - there) for m in moments(net, (1, 1, 4, 4), True)] == [
        ("forward", "0", maps), ("forward", "1", 2 * maps), ("forward", "2", maps + pooled + index),
        ("backward", "2", maps + index + pooled + maps), ("backward", "1", maps + 2 * maps),
        ("backward", "0", maps + 16), ("update", "", 16)]
    assert [m.nbytes - there for m in moments(net, (1, 1, 4, 4), False)] == [maps, 2 * maps, maps + pooled + index]
    half = [m.nbytes - there for m in moments(net, (1, 1, 4, 4), True, bf16=True)]
    copies, image = 2 * 4, 2 * 16  # of weights and biases, to the end of the forward pass; of the image, as kept input
    assert half == [copies + image + maps // 2, copies + image + maps, copies + image + (maps + pooled) // 2 + index,
                    4 + image + maps // 2 + index + (pooled + maps) // 2, 4 + image + maps // 2 + maps,
                    4 + image + maps // 2 + 8, 8 + 16, 16]


def test_a_gpu_has_smaller_masks_and_updates_all_parameters_at_once():
    net, shape = nin(), (8, 1, 224, 224)
    cpu, gpu = (moments(net, shape, True, 2, device=device) for device in ("cpu", "cuda"))
    after_dropout = [m.layer for m in cpu].index("7.0")
    assert cpu[after_dropout].nbytes - gpu[after_dropout].nbytes == 3 * 8 * 384 * 25
    assert gpu[-1].nbytes == 4 * (parameter_count(net) * 5 + 8 * 224**2)
    assert cpu[-1].nbytes == 4 * (parameter_count(net) * 4 + 2 * 384 * 256 * 9 + 8 * 224**2)


def test_predicted_peak_grows_as_it_should():
    net = nin()
    one, many = (predicted_peak(net, (n, 1, 224, 224), training=True) for n in (1, 65))
    assert many - one == pytest.approx(64 * 7_677_880, rel=0.35)  # kept activations and a transient, per image
    assert predicted_peak(net, (8, 1, 224, 224), training=False) < predicted_peak(net, (8, 1, 224, 224), training=True)
    plain, adam = (predicted_peak(net, (8, 1, 224, 224), True, optimizer_copies=copies) for copies in (0, 2))
    assert adam - plain == 2 * 4 * parameter_count(net)


def test_predicting_leaves_the_network_alone():
    net = nin()
    moments(net, (1, 1, 224, 224), training=False)
    assert net.training and next(net.parameters()).device.type == "cpu"
    measured_workspace(net, (1, 1, 224, 224), training=True, bf16=True)
    assert next(net.parameters()).dtype == torch.float32 and next(net.parameters()).grad is None


def test_workspace_is_found_where_it_is():
    class Wasteful(nn.Module):
        def forward(self, x):
            torch.empty(1_000_000)  # 4 MB, given back before the output is made
            torch.empty(2_000_000)
            return x * 2

    net = nn.Sequential(nn.ReLU(), Wasteful(), nn.ReLU())
    found = measured_workspace(net, (1, 1, 10, 10), training=False)
    assert found == {("forward", "0"): 0, ("forward", "1"): 8_000_000 - 400, ("forward", "2"): 0}


def test_a_peak_with_workspace_may_come_elsewhere():
    found = moments(nin(), (1, 1, 224, 224), training=False)
    real = peak_moment(found, {("forward", "7.4"): 10**9})
    assert peak_moment(found).layer != "7.4" == real.layer
    assert real.nbytes == 10**9 + next(m.nbytes for m in found if m.layer == "7.4")


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
