"""What the live page is given: the network folded without a change, its record, its picture and its sentences."""

import json
import math
from dataclasses import replace
from xml.etree import ElementTree

import pytest
import torch
from torch import nn

from nin.data import CLASSES, enlarge, load, to_float
from nin.model import build, class_maps
from nin.pages import live, still
from nin.recipes import BEST, SOUND, Variant, change
from nin.scale import SCALES

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
    Variant(width=0.1, head="1x1", num_1x1=0, batch_norm=True, depth=2),
    Variant(width=0.1, linear_logits=True, batch_norm=True, native=True), replace(BEST.variant, width=0.1)])
def test_folding_changes_nothing(variant, images):
    net, pictures = used(variant), to_float(images)
    expected = class_maps(net, pictures if variant.native else enlarge(pictures))
    found = live.folded_maps(live.layers(net), images)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max().clamp(min=1)


@pytest.mark.parametrize("head", ["fc", "fc-hidden"])
def test_a_network_without_class_maps_is_refused(head):
    with pytest.raises(ValueError, match="no class maps"):
        live.layers(build(Variant(width=0.02, head=head)))


def test_a_layer_that_the_page_cannot_compute_is_refused():
    net = build(Variant(width=0.02))
    net[0].append(nn.Tanh())
    with pytest.raises(ValueError, match="cannot compute Tanh"):
        live.layers(net)


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("limit", [10**6, 0])
def test_a_script_is_read_as_it_was_written(native, limit, monkeypatch):
    monkeypatch.setattr(live, "FLOATS", limit)
    network = live.layers(used(Variant(width=0.05, batch_norm=True, native=native)))
    network, about = network if limit else live.rounded(network), {"device": "a], \"b\"", "epochs": 3}
    again, read = live.read(live.script(network, about))
    assert read == about and len(again) == len(network) == 12
    for one, other in zip(network, again, strict=True):
        assert torch.allclose(one.weight, other.weight, rtol=0 if limit else 1e-6, atol=0)
        assert torch.equal(one.bias, other.bias)
        assert (one.padding, one.relu, one.pool, one.border) == (other.padding, other.relu, other.pool, other.border)


def test_rounding_moves_a_weight_by_half_a_step_at_most():
    network = live.layers(used(Variant(width=0.05, native=True)))
    for layer, coarse in zip(network, live.rounded(network), strict=True):
        largest = layer.weight.abs().amax((1, 2, 3))
        assert ((coarse.weight - layer.weight).abs().amax((1, 2, 3)) <= 0.501 * largest / 127).all()
        assert max(len(row.unique()) for row in coarse.weight.flatten(1)) <= 255
        assert torch.equal(coarse.bias, layer.bias)


def test_the_best_network_fits_the_page():
    """With its weights rounded; page, scripts and styles without weights take 2.5 MB of the 6."""
    network = live.layers(build(BEST.variant).eval())
    assert not live.is_small(network) and len(live.script(network, {})) < 3_000_000


@pytest.mark.parametrize("name", ["best", "sound"])
def test_a_pocket_network_keeps_its_weights_as_they_are(name):
    network = live.layers(build(SCALES["pocket"].variant(live.recipe(name).variant)).eval())
    assert live.is_small(network) and len(live.script(network, {})) < 1_000_000


def test_the_pages_files_belong_together():
    network, about = live.read((live.STATIC / live.SCRIPT).read_text("utf-8"))
    caption = (live.STATIC / live.CAPTION).read_text("utf-8")
    assert caption.rstrip().endswith(live.sentence(about))
    for name, page in ((live.CAPTION, PAGE), (live.STILL, PAGE), (live.NOTHING, PAGE.with_name("index.md"))):
        assert f"{{include}} _static/{name}" in page.read_text("utf-8")
    assert (about["data"], about["training images"], about["test images"]) == ("real", 60_000, 10_000)
    variant = live.recipe(about.get("recipe", "sound"), about["width"]).variant
    variant = replace(variant, native=network[0].weight.shape[-1] == 5)  # the pocket network's, or the section's
    expected = live.layers(build(variant).eval())
    assert [layer.weight.shape for layer in network] == [layer.weight.shape for layer in expected]


def test_the_recorded_accuracy_is_that_of_the_weights():
    network, about = live.read((live.STATIC / live.SCRIPT).read_text("utf-8"))
    test_set = load(train=False).take(250)
    if len(load(train=False)) < 10_000:
        pytest.skip("the sample has another test set")
    p = about["test accuracy"]
    assert abs(live.accuracy(network, test_set) - p) < 4 * math.sqrt(p * (1 - p) / 250)


def test_the_front_page_says_what_the_weights_answer_to_an_even_grey():
    network, about = live.read((live.STATIC / live.SCRIPT).read_text("utf-8"))
    text = (live.STATIC / live.NOTHING).read_text("utf-8")
    p = live.folded_maps(network, torch.full((1, 1, 28, 28), live.GREY, dtype=torch.uint8)).mean((2, 3)).softmax(1)[0]
    assert f"it is {p.max():.0%} sure of its answer: {CLASSES[p.argmax()]}." in text
    assert f"{100 * about['test accuracy']:.1f}% of {about['test images']:,} test images" in text
    assert p.max() > 0.5, "no longer a surprise: give the front page another hook"


def test_a_still_picture_has_every_map_with_its_colours():
    maps = torch.zeros(10, 4, 4)
    maps[0, 0, 0], maps[7, 3, 2] = 8.0, -2.0
    image = torch.full((28, 28), 200, dtype=torch.uint8)
    drawing = still.drawing("a", image, maps, CLASSES, [f"<{k}>" for k in range(10)], 7, "ten & more")
    root = ElementTree.fromstring(drawing.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"'))
    assert root.get("aria-label") == "ten & more"
    texts = [text.text for text in root.findall(".//{*}text")]
    assert texts == [text for k, name in enumerate(CLASSES) for text in (name, f"<{k}>")]
    drawn = {tuple(map(rect.get, ("fill", "x", "y", "fill-opacity"))) for rect in root.findall(".//{*}rect")}
    top = 90 + 2 * still.LINE + still.GAP + still.LINE
    left = 2 * (90 + still.GAP)
    assert drawn == {("#ff8c00", "0", str(still.LINE), "0.80"), ("#8c5ae6", f"{left + 45}", f"{top + 67.5:g}", "0.20"),
                     ("none", str(left), str(top), None)}
    assert len(root.findall(".//{*}use")) == 10 and len(root.findall(".//{*}path")) == 1


@pytest.mark.parametrize("variant, words", [(Variant(), "Each map has 5×5 cells"), (Variant(native=True), "4×4 cells")])
def test_the_window_that_the_page_names(variant, words):
    """Counted from one cell back to the image, layer by layer of the network before it was folded."""
    size, apart = 1, 1
    for layer in reversed([layer for layer in build(variant).modules() if hasattr(layer, "kernel_size")]):
        window, stride = (v if isinstance(v, int) else v[0] for v in (layer.kernel_size, layer.stride))
        size, apart = (size - 1) * stride + window, apart * stride
    text = live.cells(live.layers(build(replace(variant, width=0.02)).eval()))
    assert words in text and f"a window of {size} " in text
    assert f"Neighbouring cells lie {apart * 28 // variant.side} pixels of the picture apart" in text


@pytest.mark.parametrize("name, words", [
    ("sound", "the sound recipe"), ("best", "the last rung of the ladder in chapter 4")])
def test_a_rehearsal(name, words, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NIN_SCALE", "smoke")
    monkeypatch.setattr(live, "RESULTS", tmp_path)
    monkeypatch.setattr(live, "FLOATS", 500)  # so that its weights are rounded
    live.main(["--recipe", name, "--width", "0.05", "--static", str(tmp_path)])
    assert words in (tmp_path / live.CAPTION).read_text("utf-8")
    network, about = live.read((tmp_path / live.SCRIPT).read_text("utf-8"))
    assert (about["epochs"], about["training images"], about["width"]) == (1, 48, 0.0125)
    assert network[0].weight.shape[-1] == 5 and len(network[0].weight.unique()) <= 255
    assert live.sentence(about) in capsys.readouterr().out
    for written in (live.STILL, live.NOTHING):
        assert "<svg class=" in (tmp_path / written).read_text("utf-8")
    assert not list(tmp_path.glob("*.part"))
    before = (tmp_path / live.SCRIPT).read_text("utf-8")
    (tmp_path / live.CAPTION).unlink()
    live.main(["--keep", "--static", str(tmp_path)])
    assert (tmp_path / live.SCRIPT).read_text("utf-8") == before and json.dumps(about) in before
    assert live.sentence(about) in (tmp_path / live.CAPTION).read_text("utf-8")


def test_a_rehearsal_does_not_go_into_the_book(monkeypatch, capsys):
    monkeypatch.setenv("NIN_SCALE", "smoke")
    with pytest.raises(SystemExit):
        live.main([])
    assert "no network trained at smoke scale" in capsys.readouterr().err


@pytest.mark.parametrize("option, message", [
    (["--width", "0"], "--width must be above 0"), (["--width", "-1"], "--width must be above 0"),
    (["--width", "nan"], "--width must be above 0"), (["--epochs", "0"], "--epochs must be at least 1")])
def test_bad_options_are_refused_before_any_training(option, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NIN_SCALE", "smoke")
    with pytest.raises(SystemExit):
        live.main([*option, "--static", str(tmp_path)])
    assert message in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_the_recipes():
    assert live.recipe("best") == BEST
    assert live.recipe("sound") == SOUND
    assert live.recipe("sound", 0.25) == change(SOUND, width=0.25)
    assert live.recipe("best", num_epochs=7) == replace(BEST, num_epochs=7)
