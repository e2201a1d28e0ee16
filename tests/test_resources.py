"""Counts by formula against hand calculation and against torch's own counters."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nin.model import Variant, build, nin
from nin.resources import kept_for_backward, layers, parameter_count

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
