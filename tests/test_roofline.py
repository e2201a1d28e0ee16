"""The bounds: counted as by hand, and measured at rates that a computer can have."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from nin import roofline
from nin.data import enlarge, to_float
from nin.model import Variant, build
from nin.roofline import (
    conv_rate,
    copy_bandwidth,
    matmul_rate,
    operation_seconds,
    training_work,
)
from nin.step import Speed, forward


def test_flops_are_those_that_torch_counts():
    net, images = build(Variant()), torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    with FlopCounterMode(display=False) as counter:
        forward(net, images, Speed(fold=True)).sum().backward()
    # Beside the convolutions torch counts the small products that fold the weights, once a batch.
    counted = sum(n for kind, n in counter.get_flop_counts()["Global"].items() if "conv" in str(kind))
    assert training_work(Variant(), 4)[0] == counted / 2
    with FlopCounterMode(display=False) as counter:
        build(Variant())(enlarge(to_float(images))).sum().backward()
    assert training_work(Variant(), 4)[0] < counter.get_total_flops() / 2


def test_bytes_by_hand():
    """96 maps of 54×54, 26×26 of 96 and of 256, ...: what one image's training reads and writes."""
    a, b, c, d, e, f = 96 * 54**2, 96 * 26**2, 256 * 26**2, 256 * 12**2, 384 * 12**2, 384 * 5**2
    between = [(a, a), (a, a), (a, b), (b, c), (c, c), (c, c), (c, d), (d, e), (e, e), (e, e), (e, f), (f, f), (f, 250),
               (250, 250), (250, 250), (250, 10), (10, 10)]  # dropout, the head, the mean and the flattening last
    values = sum(3 * i + 2 * o for i, o in between) + 2 * a + 2 * 57**2
    assert training_work(Variant(), 2)[1] == 2 * values and training_work(Variant(), 4)[1] == 4 * values


def test_rates_are_those_of_a_computer():
    device = torch.device("cpu")
    assert 1e8 < copy_bandwidth(device, nbytes=2**22) < 1e13
    assert 1e8 < matmul_rate(device, torch.float32, n=256) < 1e15
    assert 1e8 < conv_rate(device, torch.float32, n=1) < 1e15


@pytest.mark.parametrize("product, convolution", [(2e12, 5e12), (5e12, 2e12)])
def test_the_bound_takes_the_better_rate(monkeypatch, product, convolution):
    """Where the library for products is slow, convolutions beat it, and no path may come out above its bound."""
    monkeypatch.setattr(roofline, "matmul_rate", lambda device, dtype: product)
    monkeypatch.setattr(roofline, "conv_rate", lambda device, dtype: convolution)
    monkeypatch.setattr(roofline, "copy_bandwidth", lambda device: 1e12)
    found = roofline.bound(Variant(), "cpu")
    assert found["images/s by arithmetic"] == pytest.approx(5e12 / training_work(Variant(), 4)[0])


def test_the_pocket_networks_work_is_what_torch_counts():
    variant, images = Variant(native=True, width=0.25), torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    with FlopCounterMode(display=False) as counter:
        forward(build(variant), images, Speed(fold=True)).sum().backward()
    assert training_work(variant, 4)[0] == counter.get_total_flops() / 2


def test_operations_are_told_apart():
    a = torch.rand(1500, 1500)
    spent = operation_seconds(lambda: (a @ a).relu(), "cpu")
    assert next(iter(spent)) == "aten::mm" and 0 < spent["aten::clamp_min"] < spent["aten::mm"] < 1
    whole = operation_seconds(lambda: [(a @ a).relu() for _ in range(10)], "cpu")
    assert whole["aten::mm"] > 3 * spent["aten::mm"]  # of all calls of one work, not of one
