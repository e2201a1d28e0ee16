"""What the live page is given: the network folded without a change, its record, its picture and its sentences."""

import json
import math

import pytest
import torch
from torch import nn

from nin import live
from nin.data import enlarge, load, to_float
from nin.model import Variant, build, class_maps
from nin.training import Recipe

PAGE = live.STATIC.parent / "live-network.md"


@pytest.fixture(scope="module")
def images():
    return load(train=False).images[:4]


def used(variant):
    """A network whose batch norms have seen something."""
    torch.manual_seed(1)
    net = build(variant).eval()
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for values in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                nn.init.uniform_(values, 0.5, 1.5)
    return net


@pytest.mark.parametrize("variant", [
    Variant(width=0.1, linear_logits=True, batch_norm=True), Variant(width=0.1), Variant(width=0.1, head="gradual"),
    Variant(width=0.1, head="1x1", num_1x1=0, batch_norm=True, depth=2)])
def test_folding_changes_nothing(variant, images):
    net = used(variant)
    expected = class_maps(net, enlarge(to_float(images)))
    found = live.folded_maps(live.layers(net), images)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max().clamp(min=1)


@pytest.mark.parametrize("head", ["fc", "fc-4096"])
def test_a_network_without_class_maps_is_refused(head):
    with pytest.raises(ValueError, match="no class maps"):
        live.layers(build(Variant(width=0.02, head=head)))


def test_a_layer_that_the_page_cannot_compute_is_refused():
    net = build(Variant(width=0.02))
    net[0].append(nn.Tanh())
    with pytest.raises(ValueError, match="cannot compute Tanh"):
        live.layers(net)


def test_a_script_is_read_as_it_was_written():
    network, about = live.layers(used(Variant(width=0.05, batch_norm=True))), {"device": "a], \"b\"", "epochs": 3}
    again, read = live.read(live.script(network, about))
    assert read == about and len(again) == len(network) == 12
    for one, other in zip(network, again):
        assert torch.equal(one.weight, other.weight) and torch.equal(one.bias, other.bias)
        assert (one.padding, one.relu, one.pool) == (other.padding, other.relu, other.pool)


def test_the_pages_files_belong_together():
    network, about = live.read((live.STATIC / live.SCRIPT).read_text("utf-8"))
    caption = (live.STATIC / live.CAPTION).read_text("utf-8")
    assert caption.rstrip().endswith(live.sentence(about))
    assert f"{{include}} _static/{live.CAPTION}" in PAGE.read_text("utf-8")
    assert (about["data"], about["training images"], about["test images"]) == ("real", 60_000, 10_000)
    expected = live.layers(build(live.recipe(about["width"]).variant).eval())
    assert [layer.weight.shape for layer in network] == [layer.weight.shape for layer in expected]


def test_the_recorded_accuracy_is_that_of_the_weights():
    network, about = live.read((live.STATIC / live.SCRIPT).read_text("utf-8"))
    test_set = load(train=False).take(250)
    if len(load(train=False)) < 10_000:
        pytest.skip("the drawn garments are another test set")
    p = about["test accuracy"]
    assert abs(live.accuracy(network, test_set) - p) < 4 * math.sqrt(p * (1 - p) / 250)


def test_the_window_that_the_page_names():
    """From one cell back to the enlarged image, layer by layer."""
    size, apart = 1, 1
    for layer in reversed([layer for layer in build().modules() if hasattr(layer, "kernel_size")]):
        window, stride = (v if isinstance(v, int) else v[0] for v in (layer.kernel_size, layer.stride))
        size, apart = (size - 1) * stride + window, apart * stride
    text = " ".join(PAGE.read_text("utf-8").split())
    assert f"a window of {size} of the 224 enlarged pixels" in text
    assert f"Neighbouring cells lie {apart // 8} pixels of the picture apart" in text


def test_a_rehearsal(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NIN_SCALE", "smoke")
    monkeypatch.setattr(live, "RESULTS", tmp_path)
    live.main(["--width", "0.05", "--static", str(tmp_path)])
    network, about = live.read((tmp_path / live.SCRIPT).read_text("utf-8"))
    assert (about["epochs"], about["training images"], about["width"]) == (1, 48, 0.05)
    assert live.sentence(about) in capsys.readouterr().out
    assert (tmp_path / live.PICTURE).read_bytes().startswith(b"\x89PNG") and not list(tmp_path.glob("*.part"))
    before = (tmp_path / live.SCRIPT).read_text("utf-8")
    (tmp_path / live.CAPTION).unlink()
    live.main(["--keep", "--static", str(tmp_path)])
    assert (tmp_path / live.SCRIPT).read_text("utf-8") == before and json.dumps(about) in before
    assert live.sentence(about) in (tmp_path / live.CAPTION).read_text("utf-8")


def test_only_full_scale_goes_into_the_book(monkeypatch, capsys):
    monkeypatch.setenv("NIN_SCALE", "smoke")
    with pytest.raises(SystemExit):
        live.main([])
    assert "trained at full scale" in capsys.readouterr().err


def test_the_recipe_is_the_sound_one():
    assert isinstance(live.recipe(), Recipe) and live.recipe().variant.linear_logits
    assert (live.recipe().variant.width, live.recipe(0.25, 3).num_epochs) == (0.5, 3)
