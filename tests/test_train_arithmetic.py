"""What the page that trains computes: gradients and losses against torch, with the kernel and without it."""

import base64
import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nin.data import load, to_float
from nin.runs import tiny
from visiting import Visit

PAGE = "train-yourself.html"
# A network of the page, alone, on the page's main thread: with the kernel or without.
START = """([recipe, seed, plain]) => {
    const bytes = Uint8Array.from(atob(figures.trainingKernel), (character) => character.charCodeAt(0));
    globalThis.arithmetic = figures.trainingArithmetic(plain ? null : bytes);
    globalThis.net = arithmetic.build({channels: [8, 16, 24], ...recipe}, seed);
    return net.parameters.map(({name, value}) => [name, [...value]]);
}"""
# Trains on one batch until the loss has fallen by so much; with 0, not at all. Returns the losses.
FALL = """([pixels, labels, fall]) => {
    const losses = [];
    for (let step = 0; step < 400; step++) {
        net.layers[0].output.set(pixels.map((grey) => grey / 255));
        losses.push(arithmetic.backward(net, labels));
        if (losses[0] - losses.at(-1) >= fall) break;
        arithmetic.update(net, 0.05, 0.9);
    }
    return losses;
}"""
KEPT = "(kind) => net.parameters.map((parameter) => [...parameter[kind]])"
LOSSES = """([packed, batches, labels, lr]) => {
    const images = figures.bytes(packed, 784);
    return batches.map((batch) => {
        batch.forEach((index, place) => net.layers[0].output.set(
            Float32Array.from(images[index], (grey) => grey / 255), 784 * place));
        const loss = arithmetic.backward(net, batch.map((index) => labels[index]));
        arithmetic.update(net, lr, 0);
        return loss;
    });
}"""
SOUND = {"init": "kaiming", "linear": True, "ones": 2, "head": "block", "norm": False}
KINDS = {"sound": {}, "none": {"ones": 0}, "one": {"ones": 1}, "three": {"ones": 3}, "one step": {"head": "3x3"},
         "batch norm": {"norm": True}, "a ReLU": {"linear": False}}


@pytest.fixture(scope="module")
def page(browser):
    with Visit(browser, PAGE) as visit:
        visit.figure("train")
        yield visit.page


@pytest.fixture(scope="module")
def images():
    """The sample's training images: uint8 (4000, 1, 28, 28), and labels."""
    split = load(train=True).take(tiny.TRAINED)
    return split.images, split.labels


def network(recipe):
    """The same network in torch, and its parameters in the order of the page's."""
    net = tiny.network(recipe["ones"], recipe["linear"], recipe["head"], recipe["norm"]).double()
    return net, list(net.parameters())


def as_torch(values, like):
    """The page's numbers for a parameter (place, input, output, with channels filled up) in torch's shape."""
    values = torch.tensor(values, dtype=torch.float64)
    if like.dim() == 1:
        return values[:len(like)]
    outputs, inputs, window = like.shape[:3]
    wide = -(-outputs // 8) * 8
    values = values.view(window, window, -1, wide)
    assert (values[:, :, inputs:] == 0).all() and (values[..., outputs:] == 0).all()  # what fills up stays at zero
    return values[:, :, :inputs, :outputs].permute(3, 2, 0, 1)


def take_over(parameters, found):
    """Give torch's parameters the page's values."""
    with torch.no_grad():
        for parameter, values in zip(parameters, found, strict=True):
            parameter.copy_(as_torch(values, parameter))


@pytest.mark.parametrize("kind, plain", [*((kind, False) for kind in KINDS), ("sound", True), ("batch norm", True)])
def test_gradients_are_those_of_torch_on_a_lane_that_learns(page, images, kind, plain):
    """Every parameter's gradient, at the start and where the loss has fallen by 0.5."""
    recipe = {**SOUND, **KINDS[kind]}
    names = [name for name, _ in page.evaluate(START, [recipe, 0, plain])]
    net, parameters = network(recipe)
    pixels, labels = images[0][:32], images[1][:32]
    for fall in (0, 0.5):
        losses = page.evaluate(FALL, [pixels.flatten().tolist(), labels.tolist(), fall])
        assert losses[0] - losses[-1] >= fall
        take_over(parameters, page.evaluate(KEPT, "value"))
        net.zero_grad()
        expected = F.cross_entropy(net(to_float(pixels).double()), labels)
        expected.backward()
        assert losses[-1] == pytest.approx(expected.item(), abs=1e-5)
        largest = max(parameter.grad.norm() for parameter in parameters)
        for name, parameter, values in zip(names, parameters, page.evaluate(KEPT, "gradient"), strict=True):
            error = (as_torch(values, parameter) - parameter.grad).norm()
            # A bias before batch norm changes nothing: its gradient is 0 but for rounding.
            if name.endswith(".bias") and name.replace(".bias", ".norm.weight") in names:
                assert parameter.grad.norm() < 1e-12 * largest and error <= 1e-5 * largest, name
            else:
                assert 0 < parameter.grad.norm() and error <= 1e-4 * parameter.grad.norm(), name


def test_momentum_is_that_of_torch(page, images):
    page.evaluate(START, [SOUND, 0, False])
    net, parameters = network(SOUND)
    take_over(parameters, page.evaluate(KEPT, "value"))
    optimiser = torch.optim.SGD(parameters, 0.05, momentum=0.9)
    pixels, labels = images[0][:32], images[1][:32]
    losses = page.evaluate(FALL, [pixels.flatten().tolist(), labels.tolist(), 0.05])
    for found in losses:
        loss = F.cross_entropy(net(to_float(pixels).double()), labels)
        assert found == pytest.approx(loss.item(), abs=1e-4)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert len(losses) > 3


@pytest.mark.parametrize("plain", [False, True], ids=["kernel", "JavaScript"])
@pytest.mark.parametrize("changes, lr, least", [
    ({"ones": 0}, 0.05, 0.5), ({}, 0.02, 0), ({"init": "xavier"}, 0.1, 0)], ids=["short", "sound", "Xavier"])
def test_an_epoch_follows_torchs_losses(page, images, changes, lr, least, plain):
    """Where rounding errors do not grow: at a larger rate, torch's own float32 and float64 runs part, too."""
    recipe = {**SOUND, **changes}
    page.evaluate(START, [recipe, 0, plain])
    net, parameters = network(recipe)
    take_over(parameters, page.evaluate(KEPT, "value"))
    pixels, labels = images
    batches = torch.arange(tiny.TRAINED).view(-1, 32)
    packed = base64.b64encode(pixels.numpy().tobytes()).decode()
    losses = page.evaluate(LOSSES, [packed, batches.tolist(), labels.tolist(), lr])
    optimiser, expected = torch.optim.SGD(parameters, lr), []
    for batch in batches:
        loss = F.cross_entropy(net(to_float(pixels[batch]).double()), labels[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        expected.append(loss.item())
    print(f"\n{max(abs(a - b) for a, b in zip(losses, expected)):.1e} at most between {len(losses)} losses")
    assert losses == pytest.approx(expected, rel=0, abs=1e-3)
    assert expected[0] - min(expected) >= least


def test_first_weights_are_those_of_the_two_initialisations(page):
    for init in ("xavier", "kaiming"):
        recipe = {**SOUND, "init": init}
        net, parameters = network(recipe)
        take_over(parameters, [values for _, values in page.evaluate(START, [recipe, 3, False])])
        for conv in (layer for layer in net.modules() if isinstance(layer, nn.Conv2d)):
            weight, area = conv.weight.detach(), conv.weight[0, 0].numel()
            into, out = area * conv.in_channels, area * conv.out_channels
            if init == "xavier":  # torch.nn.init.xavier_uniform_, and torch's own biases
                bound = (6 / (into + out)) ** 0.5
                assert weight.abs().max() <= bound and weight.std() == pytest.approx(bound / 3 ** 0.5, rel=0.25)
                assert 0 < conv.bias.abs().max() <= into ** -0.5
            else:
                assert (conv.bias == 0).all() and weight.std() == pytest.approx((2 / into) ** 0.5, rel=0.25)
                assert weight.mean().abs() < weight.std() / 2


def test_the_seed_decides_weights_and_order(page):
    start = [page.evaluate(START, [{**SOUND, "ones": ones}, seed, False])
             for ones, seed in ((2, 0), (2, 0), (2, 1), (0, 0))]
    assert start[0] == start[1] != start[2]
    first = [dict(each)["1.0.weight"] for each in start]
    assert first[0] == first[3] != first[2]  # the layers that two lanes share begin alike
    order = page.evaluate("() => [...arithmetic.random(5).order(1000)]")
    assert sorted(order) == list(range(1000)) and order[:10] != list(range(10))


def test_the_kernel_is_assembled_from_its_text():
    pytest.importorskip("wasmtime", reason="assembles the kernel: pip install wasmtime")
    import assemble

    assert assemble.SCRIPT.read_text(encoding="utf-8") == assemble.script()


def test_the_kernel_is_used_where_it_can_be(page):
    text = (tiny.data.REPOSITORY / "book" / "_static" / "figures" / "train-kernel.js").read_text(encoding="utf-8")
    assert base64.b64decode(re.search('"(.+)"', text)[1])[:4] == b"\0asm"
    assert "WebAssembly" in page.locator(".fig-train-kind").inner_text()


def test_the_arithmetic_is_read_in_one_sitting():
    path = tiny.data.REPOSITORY / "book" / "_static" / "figures" / "train-arithmetic.js"
    assert len(path.read_text(encoding="utf-8").splitlines()) < 400


def test_every_network_that_can_be_chosen_finds_room(page, images):
    """In the memory that the kernel shares: the largest has three 1×1s and batch norm."""
    pixels, labels = images[0][:32].flatten().tolist(), images[1][:32].tolist()
    for ones in range(4):
        for head in ("block", "3x3"):
            for norm in (False, True):
                page.evaluate(START, [{**SOUND, "ones": ones, "head": head, "norm": norm}, 0, False])
                assert 1 < page.evaluate(FALL, [pixels, labels, 0])[0] < 10
