"""The 28→224 enlargement, folded into the first convolution. Chapter 3."""

import torch
from torch.nn import functional as F

# The enlargement by 8 is linear between source pixels, and a window with stride 4
# starts every half source pixel. So values at nodes half a pixel apart determine all
# that an 11×11 window sees: it spans 4×4 nodes, and its weights W act on them as AᵀWA,
# where A interpolates from 4 nodes to the 11 enlarged pixels.


def nodes(images):
    """Images (n, c, 28, 28) to values half a pixel apart, (n, c, 57, 57)."""
    if images.dim() != 4 or images.shape[2:] != (28, 28):
        raise ValueError(f"the folded stem takes images of shape (n, c, 28, 28), not "
                         f"{tuple(images.shape)}")
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")  # the border repeated
    finer = F.interpolate(padded, (59, 59), mode="bilinear", align_corners=True)
    return finer[:, :, 1:-1, 1:-1]


def interpolation(dtype=torch.float32, device=None):
    """A (11, 4): enlarged pixel t of a window lies at (t + 0.5) / 4 among its nodes."""
    position = (torch.arange(11, dtype=dtype, device=device) + 0.5) / 4
    place = torch.arange(4, dtype=dtype, device=device)
    return (1 - (position[:, None] - place).abs()).clamp(min=0)


def fold(weight):
    """Weights (out, in, 11, 11) for the enlarged image to AᵀWA (out, in, 4, 4)."""
    if weight.shape[2:] != (11, 11):
        raise ValueError(f"the folded stem takes 11×11 windows, not "
                         f"{tuple(weight.shape[2:])}")
    a = interpolation(weight.dtype, weight.device)
    return a.T @ weight @ a


def folded_conv(images, conv):
    """conv(enlarge(images)), 11×11 with stride 4: (n, c, 28, 28) to (n, out, 54, 54).

    One with stride 1 belongs to a network that takes the images as they are:
    conv(images), (n, out, 28, 28).
    """
    if conv.stride == (1, 1):
        return conv(images)
    if conv.stride != (4, 4) or conv.padding != (0, 0):
        raise ValueError("the folded stem takes a convolution with stride 4 and no "
                         "padding")
    # AᵀWA in full precision; the caller's type after it.
    with torch.autocast(images.device.type, enabled=False):
        weight = fold(conv.weight)
    return F.conv2d(nodes(images), weight, conv.bias)
