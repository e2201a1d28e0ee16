"""Counts by formula against hand calculation and against torch's own counters."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nin.bench.layers import backward_work, forward_work
from nin.bench.memory import kept_for_backward
from nin.costs import layers, parameter_count, training_work
from nin.data import enlarge, to_float
from nin.model import build, nin
from nin.recipes import Variant
from nin.step import Speed, forward

VARIANTS = [Variant(), Variant(num_1x1=0), Variant(num_1x1=3), Variant(window=3), Variant(batch_norm=True),
            Variant(head="fc-hidden"), Variant(head="gradual"), Variant(head="fc", dropout=0.0), Variant(depth=2)]


def test_macs_of_the_section_by_hand():
    macs = {row.name: row.macs for row in layers(nin()) if row.macs}
    assert macs == {
        "0.0": 96 * 54 * 54 * 121, "0.2": 96 * 54 * 54 * 96, "0.4": 96 * 54 * 54 * 96,
        "2.0": 256 * 26 * 26 * 96 * 25, "2.2": 256 * 26 * 26 * 256, "2.4": 256 * 26 * 26 * 256,
        "4.0": 384 * 12 * 12 * 256 * 9, "4.2": 384 * 12 * 12 * 384, "4.4": 384 * 12 * 12 * 384,
        "7.0": 10 * 5 * 5 * 384 * 9, "7.2": 10 * 5 * 5 * 10, "7.4": 10 * 5 * 5 * 10}
    assert sum(macs.values()) == 762_297_352


@pytest.mark.parametrize("num_1x1, millions", [(0, 577.5), (1, 669.9), (2, 762.3), (3, 854.7)])
def test_macs_by_number_of_1x1s(num_1x1, millions):
    assert round(sum(row.macs for row in layers(build(Variant(num_1x1=num_1x1)))) / 1e6, 1) == millions


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_formulas_agree_with_independent_counters(variant):
    net, images = build(variant), torch.rand(2, 1, 224, 224)
    rows = layers(net, tuple(images.shape))
    with FlopCounterMode(display=False) as flops:
        net(images)
    assert sum(row.macs for row in rows) * 2 == flops.get_total_flops()
    assert sum(row.kept_bytes for row in rows) == kept_for_backward(net, images)
    assert sum(row.parameters for row in rows) == parameter_count(net)


def test_a_layers_row_says_what_it_is():
    first, relu, *_ = layers(nin(), (4, 1, 224, 224))
    assert (first.kind, first.shape, first.parameters) == ("conv 11×11, 1→96", (4, 96, 54, 54), 96 * 121 + 96)
    assert first.out_bytes == 4 * 4 * 96 * 54 * 54 and first.in_bytes == 4 * 4 * 224 * 224
    assert relu.kept_bytes == first.out_bytes


def test_counting_leaves_the_network_alone():
    net = nin()
    layers(net)
    assert next(net.parameters()).device.type == "cpu" and not net[0][0]._forward_hooks


def test_linear_layers_and_average_pools_are_counted():
    net = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(49, 3))
    pool, flat, linear = layers(net, (2, 1, 14, 14))
    assert (pool.kind, flat.kind, linear.kind) == ("average pool 2×2", "flatten", "fully connected, 49→3")
    assert linear.macs == 2 * 49 * 3 and linear.parameters == 49 * 3 + 3


@pytest.mark.parametrize("head", ["block", "fc-hidden"])
def test_the_layers_flops_are_those_that_torch_counts(head):
    net, images = build(Variant(head=head)), torch.rand(2, 1, 224, 224)
    with FlopCounterMode(display=False) as counter:
        net(images).sum().backward()
    rows = layers(net, images.shape)
    assert sum(forward_work(row)[0] + backward_work(row)[0] for row in rows) == counter.get_total_flops()


def test_the_layers_bytes_by_hand():
    def work(layer, shape, learnt=True):
        """(bytes forward, backward) of the layer, behind one that learns or first."""
        *_, row = layers(nn.Sequential(*[nn.Conv2d(shape[1], shape[1], 1)] * learnt, layer), shape, 2)
        return forward_work(row)[1], backward_work(row)[1]

    conv, weights = nn.Conv2d(3, 5, 1), 3 * 5 + 5
    assert work(conv, (2, 3, 4, 4)) == (2 * (96 + 160 + weights), 2 * (160 + 96 + weights + 96 + weights))
    assert work(conv, (2, 3, 4, 4), False) == (2 * (96 + 160 + weights), 2 * (160 + 96 + weights))
    assert work(nn.ReLU(), (1, 10, 1, 1)) == (2 * 20, 2 * 30)
    assert work(nn.MaxPool2d(2), (1, 1, 4, 4)) == (2 * 20 + 8 * 4, 2 * 20 + 8 * 4)
    assert work(nn.Dropout(), (1, 10, 1, 1)) == (2 * 30, 2 * 30)
    assert work(nn.AdaptiveAvgPool2d(1), (1, 1, 4, 4)) == (2 * 17, 2 * 17)


def test_under_autocast_convolutions_work_on_copies():
    first, relu, second, *_ = layers(nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Conv2d(2, 2, 1)), (1, 1, 4, 4),
                                     autocast=True)
    assert first.copies_input and first.extra == first.kept_bytes == 2 * 16 and first.out_bytes == 2 * 32
    assert second.casts and not second.copies_input and not relu.casts and relu.kept_bytes == 2 * 32
    assert second.gradients == 2 * 32 + 2 * 6 and second.kept_bytes == 0  # the ReLU keeps its input


def test_a_steps_flops_are_those_that_torch_counts():
    net, images = build(Variant()), torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    with FlopCounterMode(display=False) as counter:
        forward(net, images, Speed(fold=True)).sum().backward()
    # Beside the convolutions torch counts the small products that fold the weights, once a batch.
    counted = sum(n for kind, n in counter.get_flop_counts()["Global"].items() if "conv" in str(kind))
    assert training_work(Variant(), 4)[0] == counted / 2
    with FlopCounterMode(display=False) as counter:
        build(Variant())(enlarge(to_float(images))).sum().backward()
    assert training_work(Variant(), 4)[0] < counter.get_total_flops() / 2


def test_a_steps_bytes_by_hand():
    """96 maps of 54×54, 26×26 of 96 and of 256, ...: what one image's training reads and writes."""
    a, b, c, d, e, f = 96 * 54**2, 96 * 26**2, 256 * 26**2, 256 * 12**2, 384 * 12**2, 384 * 5**2
    between = [(a, a), (a, a), (a, b), (b, c), (c, c), (c, c), (c, d), (d, e), (e, e), (e, e), (e, f), (f, f), (f, 250),
               (250, 250), (250, 250), (250, 10), (10, 10)]  # dropout, the head, the mean and the flattening last
    values = sum(3 * i + 2 * o for i, o in between) + 2 * a + 2 * 57**2
    assert training_work(Variant(), 2)[1] == 2 * values and training_work(Variant(), 4)[1] == 4 * values


def test_the_pocket_networks_work_is_what_torch_counts():
    variant, images = Variant(native=True, width=0.25), torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    with FlopCounterMode(display=False) as counter:
        forward(build(variant), images, Speed(fold=True)).sum().backward()
    assert training_work(variant, 4)[0] == counter.get_total_flops() / 2
