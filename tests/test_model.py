"""The network: its shapes and counts, its variants, its initialisations, its errors."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from nin.model import (
    INITIALISATIONS,
    between,
    build,
    class_maps,
    dead_maps,
    kaiming,
    last_of_body,
    nin,
    xavier,
)
from nin.recipes import HEADS, INITS, Variant

TRACE = [(96, 54, 54), (96, 26, 26), (256, 26, 26), (256, 12, 12), (384, 12, 12), (384, 5, 5), (384, 5, 5),
         (10, 5, 5), (10, 1, 1), (10,)]


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def test_shapes_are_those_of_the_section():
    x, shapes = torch.rand(1, 1, 224, 224), []
    for layer in nin():
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == TRACE


@pytest.mark.parametrize("num_1x1, count", [(0, 1_546_058), (1, 1_769_112), (2, 1_992_166), (3, 2_215_220)])
def test_parameters(num_1x1, count):
    assert parameters(build(Variant(num_1x1=num_1x1))) == count


def test_three_channels_are_what_the_notes_counted():
    assert parameters(nin(in_channels=3)) == 2_015_398


def test_the_default_variant_is_the_sections_network():
    plain, variant = nin().eval(), build().eval()
    variant.load_state_dict(plain.state_dict())  # the same names and shapes, or it raises
    x = torch.rand(2, 1, 224, 224)
    assert torch.equal(plain(x), variant(x))


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("linear_logits", [False, True])
def test_every_head_gives_logits(head, linear_logits):
    net = build(Variant(head=head, linear_logits=linear_logits, batch_norm=True, width=0.25)).eval()
    logits = net(torch.rand(2, 1, 224, 224))
    assert logits.shape == (2, 10)
    assert net(torch.rand(2, 1, 224, 224)).isfinite().all()
    if head in ("block", "3x3", "1x1", "gradual"):
        assert (logits.min() < 0) == linear_logits or not linear_logits
        assert linear_logits or logits.min() >= 0


def test_width_depth_window_and_dropout_reach_the_network():
    net = build(Variant(width=0.5, depth=2, window=3, num_1x1=1, dropout=0.25))
    convolutions = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [48] * 4 + [128] * 4 + [192] * 4 + [10, 10]
    assert {c.kernel_size for c in convolutions} == {(11, 11), (5, 5), (3, 3)}
    assert net[6].p == 0.25


def test_xavier_is_d2ls():
    bound = (6 / (96 * 25 + 256 * 25)) ** 0.5  # uniform within ±sqrt(6 / (fan_in + fan_out))
    weight = xavier(nin())[2][0].weight
    assert weight.abs().max() <= bound and weight.abs().max() > 0.999 * bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.01)


def test_kaiming_keeps_the_scale_of_a_relu_network():
    net = kaiming(nin())
    assert net[2][0].weight.std().item() == pytest.approx((2 / (96 * 25)) ** 0.5, rel=0.01)
    assert all((c.bias == 0).all() for c in net.modules() if isinstance(c, nn.Conv2d))


@pytest.mark.parametrize("init, weights_of, biases_of", [
    ("xavier", "xavier", None), ("kaiming", "kaiming", 0), ("xavier, zero biases", "xavier", 0),
    ("kaiming, torch's biases", "kaiming", None)])
def test_weights_and_biases_are_set_apart(init, weights_of, biases_of):
    """A name's weights are those of the same seed; its biases are zero, or those that torch draws."""
    assert list(INITIALISATIONS) == list(INITS)
    variant = Variant(native=True, width=0.1, head="fc", batch_norm=True)

    def net(initialise):
        torch.manual_seed(3)
        return initialise(build(variant))

    made, weights = (net(INITIALISATIONS[name]).state_dict() for name in (init, weights_of))
    plain = net(lambda torchs: torchs).state_dict()
    layers = [name for name, layer in build(variant).named_modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    assert len(layers) == 13
    for name in layers:
        weight, bias = f"{name}.weight", f"{name}.bias"
        assert torch.equal(made[weight], weights[weight]) and not torch.equal(made[weight], plain[weight])
        assert torch.equal(made[bias], plain[bias] if biases_of is None else torch.zeros_like(plain[bias]))
        assert plain[bias].any()


def test_class_maps_average_to_the_logits():
    torch.manual_seed(0)
    net, x = kaiming(nin()), torch.rand(3, 1, 224, 224)
    maps = class_maps(net, x)
    assert maps.shape == (3, 10, 5, 5) and net.training
    assert torch.allclose(maps.mean(dim=(2, 3)), net.eval()(x), atol=1e-6)


def test_dead_maps_are_counted_and_get_no_gradient():
    torch.manual_seed(0)
    net, x = kaiming(nin()), torch.rand(2, 1, 224, 224)
    with torch.no_grad():
        net[7][4].bias[:] = 1.0  # every map alive
        net[7][4].bias[[2, 5, 9]] = -1e6  # but three
    assert dead_maps(net, x) == 3
    net(x).sum().backward()
    alive = net[7][4].weight.grad.abs().sum(dim=(1, 2, 3)) > 0
    assert alive.tolist() == [i not in (2, 5, 9) for i in range(10)]


@pytest.mark.parametrize("shape, message", [
    ((2, 3, 224, 224), r"\(n, 1, height, width\), not \(2, 3, 224, 224\)"),
    ((1, 224, 224), r"image\[None\]"),
    ((1, 1, 28, 28), "at least 67×67 pixels, not 28×28"),
    ((1, 1, 224, 66), "at least 67×67")])
def test_wrong_images_get_a_clear_message(shape, message):
    for net in (nin(), build()):
        with pytest.raises(ValueError, match=message):
            net(torch.rand(shape))


def test_67_is_the_smallest_image():
    assert nin()(torch.rand(1, 1, 67, 67)).shape == (1, 10)


@pytest.mark.parametrize("bad", [{"head": "linear"}, {"window": 2}, {"num_1x1": -1}, {"width": 0}, {"depth": 0},
                                 {"dropout": 1.0}, {"head_1x1": -1}, {"last_width": 0}])
def test_bad_variants(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Variant(**bad)


def test_no_class_maps_without_global_average_pooling():
    with pytest.raises(ValueError, match="no class maps"):
        class_maps(build(Variant(head="fc")), torch.rand(1, 1, 224, 224))


@pytest.mark.parametrize("variant, name, channels", [
    (Variant(), "4.4.weight", 384), (Variant(num_1x1=0, width=0.5), "4.0.weight", 192),
    (Variant(batch_norm=True, linear_logits=True), "4.6.weight", 384),
    (Variant(depth=2, head="fc-hidden"), "4.10.weight", 384)])
def test_the_last_convolution_of_the_body(variant, name, channels):
    net = build(variant)
    assert last_of_body(net) == name and dict(net.named_parameters())[name].shape[0] == channels
    assert net[:7](torch.rand(1, 1, 224, 224)).shape == (1, channels, 5, 5)


def test_a_native_network_takes_the_image_as_it_is():
    """5×5 windows over 28×28 pixels; every pool halves the positions, and the parameters hardly change."""
    x, shapes = torch.rand(1, 1, 28, 28), []
    net = build(Variant(native=True, linear_logits=True))
    for layer in net[:8]:
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(96, 28, 28), (96, 14, 14), (256, 14, 14), (256, 7, 7), (384, 7, 7), (384, 4, 4), (384, 4, 4),
                      (10, 4, 4)]
    assert parameters(build()) - parameters(net) == 96 * (11 * 11 - 5 * 5)
    assert (Variant(native=True).side, Variant(native=True).cells, Variant().side, Variant().cells) == (28, 16, 224, 25)


@pytest.mark.parametrize("head", HEADS)
def test_every_head_fits_a_native_network(head):
    assert build(Variant(head=head, native=True, width=0.1))(torch.rand(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize("width, channels", [
    (0.25, [24, 64, 96]), (2 / 3, [64, 172, 256]), (0.26, [24, 68, 100]), (0.001, [4, 4, 4])])
def test_a_native_network_counts_channels_in_fours(width, channels):
    net = build(Variant(native=True, width=width))
    assert [net[i][0].out_channels for i in (0, 2, 4)] == channels


@pytest.mark.parametrize("variant, channels", [
    (Variant(last_width=0.5), [96, 256, 192]), (Variant(native=True, width=0.25, last_width=4.0), [24, 64, 384])])
def test_the_last_stage_alone_can_be_wider(variant, channels):
    net = build(variant)
    assert [net[i][0].out_channels for i in (0, 2, 4)] == channels and net[7][0].in_channels == channels[-1]
    assert net(torch.rand(2, 1, variant.side, variant.side)).shape == (2, 10)


@pytest.mark.parametrize("body, head, windows", [
    (2, None, [[11, 1, 1], [5, 1, 1], [3, 1, 1], [3, 1, 1]]), (1, 2, [[11, 1], [5, 1], [3, 1], [3, 1, 1]]),
    (2, 1, [[11, 1, 1], [5, 1, 1], [3, 1, 1], [3, 1]]), (1, 0, [[11, 1], [5, 1], [3, 1], [3]])])
def test_the_head_has_its_own_number_of_1x1s(body, head, windows):
    net = build(Variant(num_1x1=body, head_1x1=head, width=0.1))
    assert [[layer.kernel_size[0] for layer in net[i] if isinstance(layer, nn.Conv2d)]
            for i in (0, 2, 4, 7)] == windows
    assert isinstance(net[7][-1], nn.ReLU)


def test_the_way_to_the_classes_has_the_same_geometric_steps_at_either_size():
    assert [between(384, 10, number, 384) for number in (384, 128, 32, 10)] == [384, 128, 32, 10]
    assert [between(96, 10, number, 384) for number in (384, 128, 32, 10)] == [96, 49, 21, 10]
    assert (between(9600, 10, 4096, 9600), between(96 * 16, 10, 4096, 9600)) == (4096, 823)
    for variant, channels in ((Variant(), [128, 32, 10]), (Variant(native=True, width=0.25), [49, 21, 10])):
        gradual = build(replace(variant, head="gradual"))[7]
        assert [layer.out_channels for layer in gradual if isinstance(layer, nn.Conv2d)] == channels
        hidden = build(replace(variant, head="fc-hidden"))[7][1]
        assert hidden.out_features == (4096 if channels[0] == 128 else 823)


@pytest.mark.parametrize("shape, message", [
    ((2, 1, 224, 224), "28×28 images as they are, not 224×224"), ((1, 1, 28, 27), "not 28×27"),
    ((1, 28, 28), r"image\[None\]"), ((1, 3, 28, 28), r"\(n, 1, height, width\)")])
def test_a_native_network_refuses_other_images(shape, message):
    with pytest.raises(ValueError, match=message):
        build(Variant(native=True, width=0.1))(torch.rand(shape))
