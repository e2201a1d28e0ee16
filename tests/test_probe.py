"""The linear probe against ridge regression as scipy and numpy solve it; features where they are said to be."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nin.data import Split
from nin.model import build, class_maps
from nin.probe import features, probe, readable
from nin.recipes import HEADS, SOUND, Variant
from nin.step import forward


def examples(n, seed=0):
    """Ten classes, told apart by how bright which half is, under noise."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 20, (n, 1, 28, 28), dtype=torch.uint8, generator=generator)
    labels = torch.arange(n) % 10
    images[:, :, :14] += (25 * labels).to(torch.uint8)[:, None, None, None]
    return Split(images, labels)


@pytest.mark.parametrize("d", [7, 60])
def test_ridge_by_least_squares(d):
    """Ridge regression is least squares on data with strength·n·I appended; fewer and more features than examples."""
    rng, n, strength = np.random.default_rng(0), 30, 0.01
    x, z = rng.normal(size=(n, d)) * rng.uniform(0.1, 9, d), rng.normal(size=(20, d))
    x[:, 3] = z[:, 3] = 2.0  # a feature that never changes
    labels = np.arange(n) % 10
    seen, unseen = probe(torch.from_numpy(x), torch.from_numpy(labels), torch.from_numpy(z), strength)
    mean, sd = x.mean(0), x.std(0, ddof=1)
    sd[3] = np.inf
    a, b, y = (x - mean) / sd, (z - mean) / sd, np.eye(10)[labels]
    wide = np.vstack([a, np.sqrt(strength * n) * np.eye(d)])
    w = np.linalg.lstsq(wide, np.vstack([y - y.mean(0), np.zeros((d, 10))]), rcond=None)[0]
    assert seen.tolist() == (a @ w + y.mean(0)).argmax(1).tolist()
    assert unseen.tolist() == (b @ w + y.mean(0)).argmax(1).tolist()


def test_a_probe_reads_what_is_there_and_nothing_from_noise():
    torch.manual_seed(0)
    labels = torch.arange(400) % 10
    signal, noise = torch.eye(10)[labels] + 0.1 * torch.randn(400, 10), torch.randn(400, 10)
    assert (probe(signal, labels, signal)[1] == labels).all()
    assert (probe(noise[:200], labels[:200], noise[200:])[1] == labels[200:]).float().mean() < 0.3


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("variant", [Variant(width=0.0625), replace(SOUND.variant, width=0.0625, num_1x1=1)])
def test_features_lie_before_and_after_the_reduction(head, variant):
    torch.manual_seed(0)
    net, data = build(replace(variant, head=head)).train(), examples(12)
    found = features(net, data)
    assert net.training
    net.eval()
    with torch.no_grad():
        logits = forward(net, data.images)
        if head == "fc-hidden":
            assert [x.shape[1] for x in found.values()] == [24, 600, net[7][1].out_features]
            assert torch.allclose(net[7][-1](found["after, all"]), logits, atol=1e-3)
        else:
            assert [x.shape[1] for x in found.values()] == [24, 600, 10, 250]
            assert torch.allclose(net[8:](net[7](found["before, all"].view(-1, 24, 5, 5))), logits, atol=1e-3)
            assert torch.allclose(found["after, all"].view(-1, 10, 25).mean(2), found["after, means"], atol=1e-5)
            assert torch.allclose(found["before, all"].view(-1, 24, 25).mean(2), found["before, means"], atol=1e-5)


def test_after_the_reduction_are_the_class_maps():
    from nin.data import enlarge, to_float

    torch.manual_seed(0)
    net, data = build(Variant(width=0.0625)).eval(), examples(6)
    maps = class_maps(net, enlarge(to_float(data.images)))
    assert torch.allclose(features(net, data)["after, all"], maps.flatten(1), atol=1e-3)


def test_what_is_readable_is_measured_on_the_other_images():
    torch.manual_seed(0)
    net, seen, unseen = build(replace(SOUND.variant, width=0.0625)), examples(200), examples(100, seed=1)
    found = readable(net, seen, unseen)
    assert list(found) == ["before, means", "before, all", "after, means", "after, all"]
    assert found["before, means"] > 0.4  # the classes differ in brightness, which an untrained body passes on
    shuffled = Split(unseen.images, unseen.labels.roll(37))
    assert readable(net, seen, shuffled)["before, means"] < 0.3
