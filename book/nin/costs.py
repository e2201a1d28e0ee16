"""What a network costs, counted from shapes: MACs and bytes. Chapters 1 to 7."""

import copy
import math
from dataclasses import dataclass

import torch
from torch import nn

from .model import build


@dataclass(frozen=True)
class Layer:
    """One layer's costs for a batch. Tensors are numbered: 0 are the images."""

    name: str  # its path in the network, "0.2"
    kind: str  # "conv 1×1, 96→96"
    in_shape: tuple
    shape: tuple  # of its output
    parameters: int  # weights and biases
    weights: int  # without the biases
    macs: int  # multiply-accumulates of one forward pass
    in_bytes: int  # its input, which a backward pass gives a gradient
    out_bytes: int
    kept_bytes: int  # what autograd keeps for it and for no layer before it
    tensors: tuple  # the numbers of its input and its output, equal for a view
    kept: tuple  # of those two, the ones that autograd keeps for it
    extra: int  # bytes kept beside them: indices, a mask, statistics, a 2-byte input
    casts: bool  # under autocast it works in bfloat16, on copies of its parameters
    copies_input: bool  # and of its input: that copy is the extra
    passes_gradient: bool  # to its input

    @property
    def new(self):
        """Bytes that its forward pass leaves behind: its output, unless a view."""
        return self.extra + (self.tensors[0] != self.tensors[1]) * self.out_bytes

    @property
    def gradients(self):
        """Bytes of the gradients that its backward pass makes, as it works on them."""
        through = self.passes_gradient and self.tensors[0] != self.tensors[1]
        return through * self.in_bytes + (2 if self.casts else 4) * self.parameters


def layers(
    net, shape=(1, 1, 224, 224), bytes_per_value=4, autocast=False, device="cpu"
):
    """The costs of every layer, in order, for images of `shape`; computes nothing.

    A convolution makes out_channels·h·w·(in_channels/groups)·k·k MACs an image, a
    linear layer in·out, others none. `autocast`: convolutions and linear layers work in
    bfloat16. `device` ("cpu", "cuda") decides the size of a dropout mask.
    """
    rows, seen, learnt = [], set(), False
    number, size, nbytes = 0, bytes_per_value, bytes_per_value * math.prod(shape)
    for name, layer, in_shape, out_shape in _trace(net, shape):
        source, in_bytes = number, nbytes
        casts = autocast and isinstance(layer, (nn.Conv2d, nn.Linear))
        copies_input = casts and size != 2
        size = 2 if casts else size
        number, nbytes = number + (not _is_view(layer)), size * out_shape.numel()
        kept, extra = _kept(layer, source, number, out_shape.numel(), size, device)
        if copies_input:
            kept, extra = (), 2 * in_shape.numel()
        bytes_of = {source: in_bytes, number: nbytes}
        own, macs = list(layer.parameters()), 0
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            macs = out_shape.numel() * layer.weight[0].numel()  # a filter each
        rows.append(Layer(
            name, layer_kind(layer), tuple(in_shape), tuple(out_shape),
            sum(p.numel() for p in own), sum(p.numel() for p in own if p.dim() > 1),
            macs, in_bytes, nbytes,
            extra + sum(bytes_of[t] for t in kept if t not in seen),
            (source, number), kept, extra, casts, copies_input, learnt))
        seen.update(kept)
        learnt = learnt or bool(own)
    return rows


def _trace(net, shape):
    """(name, layer, shape of its input, of its output) in the order of running."""
    found, net = [], copy.deepcopy(net).to("meta")
    for name, layer in net.named_modules():
        if not list(layer.children()):
            layer.register_forward_hook(
                lambda layer, args, out, name=name: found.append(
                    (name, layer, args[0].shape, out.shape)))
    net(torch.empty(shape, device="meta"))
    return found


def _is_view(layer):
    """Whether its output is its input's memory."""
    idle = isinstance(layer, nn.Dropout) and not (layer.training and layer.p > 0)
    return idle or isinstance(layer, (nn.Flatten, nn.Identity))


def _kept(layer, source, target, values, size, device):
    """What autograd keeps: which of its input `source` and its output `target`, of so
    many values of `size` bytes, and how many bytes beside."""
    if isinstance(layer, (nn.Conv2d, nn.Linear, nn.AvgPool2d)):
        return (source,), 0
    if isinstance(layer, nn.BatchNorm2d):
        return (source,), 2 * 4 * layer.num_features  # the batch's mean and deviation
    if isinstance(layer, nn.ReLU):
        return (target,), 0  # its output tells where its gradient passes
    if isinstance(layer, nn.MaxPool2d):
        return (source,), 8 * values  # an int64 index for every maximum
    if isinstance(layer, nn.Dropout) and not _is_view(layer):
        return (), values * (1 if device == "cuda" else size)  # its mask
    return (), 0  # a mean, a flattened view


def layer_kind(layer):
    """A layer in words: "conv 1×1, 96→96"."""
    if isinstance(layer, nn.Conv2d):
        h, w = layer.kernel_size
        return f"conv {h}×{w}, {layer.in_channels}→{layer.out_channels}"
    if isinstance(layer, nn.Linear):
        return f"fully connected, {layer.in_features}→{layer.out_features}"
    if isinstance(layer, (nn.MaxPool2d, nn.AvgPool2d)):
        name = "max" if isinstance(layer, nn.MaxPool2d) else "average"
        return f"{name} pool {layer.kernel_size}×{layer.kernel_size}"
    name = type(layer).__name__
    return {"ReLU": "ReLU", "AdaptiveAvgPool2d": "global average pool",
            "BatchNorm2d": "batch norm"}.get(name, name.lower())


def parameter_count(net):
    """All weights and biases of a network."""
    return sum(p.numel() for p in net.parameters())


def training_work(variant, bytes_per_value):
    """FLOP and bytes of one training step, per image, with the enlargement folded away
    and every ReLU joined to its convolution.

    A convolution multiplies three times over: for its output, for its weights' gradient
    and for its input's, which the first does without. Each layer reads its input and
    writes its output; backward, it reads its input and its output's gradient and writes
    its input's gradient. Weights are shared by the batch and left out.
    """
    shape = (1, variant.in_channels, variant.side, variant.side)
    rows = layers(build(variant), shape, bytes_per_value)
    first, *rest = [row for row in rows if row.kind != "ReLU"]
    # Folded, 4×4 weights stand for 11×11, see nin.stem.
    folded = first.macs if variant.native else first.macs * 16 // 121
    nodes = bytes_per_value * (28 if variant.native else 57) ** 2
    moved = sum(3 * row.in_bytes + 2 * row.out_bytes for row in rest)
    return (2 * (3 * sum(row.macs for row in rest) + 2 * folded),
            moved + 2 * nodes + 2 * first.out_bytes)
