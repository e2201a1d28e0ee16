"""The memory of a step: predicted moment by moment, against hand calculation and against torch's own tracker."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import (
    MemTracker,  # private to torch, hence in a test alone
)
from torch.nn import functional as F

from nin.costs import parameter_count
from nin.model import build, nin
from nin.moments import moments, peak_moment, predicted_peak
from nin.recipes import Variant

OPTIMIZERS = [lambda p: torch.optim.SGD(p, 0.01), lambda p: torch.optim.SGD(p, 0.01, momentum=0.9), torch.optim.Adam]
NARROW = [Variant(width=0.25, batch_norm=True), Variant(width=0.25, head="fc"),
          Variant(width=0.25, head="gradual", dropout=0.0, num_1x1=1), Variant(width=0.25, depth=2, linear_logits=True)]
BY_STATE = [(Variant(), copies, n) for copies in range(3) for n in (1, 128)]


def tracked_peak(variant, n, copies=None, bf16=False):
    """The peak of a second step (a prediction's where there is no optimiser) by torch's tracker, on tensors without
    memory: it knows what the operators allocate and free, and nothing of the rules that the prediction is made from."""
    with FakeTensorMode():
        net, images, labels = build(variant), torch.rand(n, 1, 224, 224), torch.zeros(n, dtype=torch.long)
        optimizer = None if copies is None else OPTIMIZERS[copies](net.parameters())

        def step():
            with torch.set_grad_enabled(optimizer is not None), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                logits = net(images)
            if optimizer is not None:
                F.cross_entropy(logits.float(), labels).backward()
                optimizer.step()
                optimizer.zero_grad()

        net.train(optimizer is not None)
        tracker = MemTracker()
        tracker.track_external(net, images, labels, *filter(None, [optimizer]))
        with tracker:
            step()
            tracker.reset_mod_stats()
            step()
        return tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"]


@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("variant, copies, n", BY_STATE + [(variant, 0, 8) for variant in NARROW], ids=str)
def test_the_peak_of_training_is_that_of_torchs_tracker(variant, copies, n, bf16):
    predicted = predicted_peak(build(variant), (n, 1, 224, 224), True, copies, bf16)
    beside = 10_000 if variant.batch_norm else 2_000  # bytes: loss, labels, counters; batch norm's running means
    assert tracked_peak(variant, n, copies, bf16) == pytest.approx(predicted, rel=2e-5, abs=beside)


@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("n", [1, 128])
def test_the_peak_of_a_prediction_is_that_of_torchs_tracker(n, bf16):
    predicted = predicted_peak(nin(), (n, 1, 224, 224), False, bf16=bf16)
    assert tracked_peak(Variant(), n, bf16=bf16) == predicted + 8 * n  # and the labels


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


def test_predicting_leaves_the_network_alone():
    net = nin()
    moments(net, (1, 1, 224, 224), training=False)
    assert net.training and next(net.parameters()).device.type == "cpu"


def test_a_peak_with_workspace_may_come_elsewhere():
    found = moments(nin(), (1, 1, 224, 224), training=False)
    real = peak_moment(found, {("forward", "7.4"): 10**9})
    assert peak_moment(found).layer != "7.4" == real.layer
    assert real.nbytes == 10**9 + next(m.nbytes for m in found if m.layer == "7.4")
