"""The folded stem against the enlargement that it replaces, in float64: values and gradients."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nin.stem import fold, folded_conv, interpolation, nodes


def enlarged(images):
    return F.interpolate(images, size=(224, 224), mode="bilinear", align_corners=False)


def test_values_and_gradients_are_those_of_the_enlarged_image():
    torch.manual_seed(0)
    images, conv = torch.rand(3, 1, 28, 28, dtype=torch.float64), nn.Conv2d(1, 8, 11, stride=4).double()
    plain, folded = conv(enlarged(images)), folded_conv(images, conv)
    assert folded.shape == (3, 8, 54, 54)
    assert (folded - plain).abs().max() < 1e-14 * plain.abs().max() * 121
    upstream = torch.randn_like(plain)
    gradients = [torch.autograd.grad(out, (conv.weight, conv.bias), upstream) for out in (plain, folded)]
    for of_plain, of_folded in zip(*gradients, strict=True):
        assert (of_plain - of_folded).abs().max() < 1e-12 * of_plain.abs().max()


def test_only_sixteen_weights_of_a_window_matter():
    a = interpolation(torch.float64)
    assert torch.linalg.matrix_rank(torch.kron(a, a)) == 16
    assert torch.allclose(a.sum(1), torch.ones(11, dtype=torch.float64))  # a constant image stays constant


def test_the_fold_is_not_the_identity_on_anything_else():
    """A window of another stride would be folded wrongly, so it is refused; so is another image size."""
    for conv in (nn.Conv2d(1, 2, 11, stride=2), nn.Conv2d(1, 2, 11, stride=4, padding=1)):
        with pytest.raises(ValueError, match="stride 4 and no padding"):
            folded_conv(torch.rand(1, 1, 28, 28), conv)
    with pytest.raises(ValueError, match="11×11"):
        fold(torch.rand(2, 1, 5, 5))
    with pytest.raises(ValueError, match=r"\(n, c, 28, 28\)"):
        nodes(torch.rand(1, 1, 32, 32))
