"""What a network costs: per layer its output shape, parameters, multiply-accumulates (MACs) and bytes."""

import copy
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Layer:
    """One layer's costs for the batch that was asked for."""

    name: str  # its path in the network, "0.2"
    kind: str  # "conv 1×1, 96→96"
    shape: tuple  # of its output
    parameters: int  # weights and biases
    macs: int  # multiply-accumulates of one forward pass; pooling, ReLU and normalisation count none
    in_bytes: int  # its input, which a backward pass gives a gradient
    out_bytes: int
    kept_bytes: int  # what it makes autograd keep for the backward pass and no earlier layer had kept already


def trace_layers(net, shape):
    """(name, layer, its input's shape, its output's shape) in the order of running; nothing is computed."""
    found, net = [], copy.deepcopy(net).to("meta")
    for name, layer in net.named_modules():
        if not list(layer.children()):
            layer.register_forward_hook(
                lambda layer, args, out, name=name: found.append((name, layer, args[0].shape, out.shape)))
    net(torch.empty(shape, device="meta"))
    return found


def layers(net, shape=(1, 1, 224, 224), bytes_per_value=4):
    """The costs of every layer, in order, for a batch of the given shape; nothing is computed (meta tensors).

    MACs: a convolution makes out_channels·h·w·(in_channels/groups)·k·k of them an image, a linear layer in·out.
    """
    rows, input_kept = [], False  # of two neighbours, one keeps the tensor between them for both
    for name, layer, in_shape, out_shape in trace_layers(net, shape):
        kept, output_kept = _kept(layer, in_shape, out_shape, input_kept, bytes_per_value)
        rows.append(Layer(name, layer_kind(layer), tuple(out_shape), sum(p.numel() for p in layer.parameters()),
                          _macs(layer, out_shape), bytes_per_value * in_shape.numel(),
                          bytes_per_value * out_shape.numel(), kept))
        input_kept = output_kept
    return rows


def _macs(layer, out_shape):
    if isinstance(layer, nn.Conv2d):
        return out_shape.numel() * layer.in_channels // layer.groups * layer.kernel_size[0] * layer.kernel_size[1]
    return out_shape.numel() * layer.in_features if isinstance(layer, nn.Linear) else 0


def _kept(layer, in_shape, out_shape, input_kept, size):
    """Bytes that autograd keeps more because of this layer, and whether its output is kept then."""
    keep_input = 0 if input_kept else size * in_shape.numel()
    if isinstance(layer, (nn.Conv2d, nn.Linear)):
        return keep_input, False
    if isinstance(layer, nn.BatchNorm2d):
        return keep_input + 2 * size * layer.num_features, False  # and the batch's mean and deviation
    if isinstance(layer, nn.ReLU):
        return size * out_shape.numel(), True  # its output tells where its gradient passes
    if isinstance(layer, nn.MaxPool2d):
        return keep_input + 8 * out_shape.numel(), False  # and an int64 index for every maximum
    if isinstance(layer, nn.AvgPool2d):
        return keep_input, False
    if isinstance(layer, nn.Dropout):
        return (size * out_shape.numel() if layer.p else 0), input_kept and not layer.p  # its mask
    return 0, input_kept  # a mean, a flattened view, a sigmoid: see the chapter's own check


def layer_kind(layer):
    if isinstance(layer, nn.Conv2d):
        h, w = layer.kernel_size
        return f"conv {h}×{w}, {layer.in_channels}→{layer.out_channels}"
    if isinstance(layer, nn.Linear):
        return f"fully connected, {layer.in_features}→{layer.out_features}"
    if isinstance(layer, (nn.MaxPool2d, nn.AvgPool2d)):
        return f"{'max' if isinstance(layer, nn.MaxPool2d) else 'average'} pool {layer.kernel_size}×{layer.kernel_size}"
    return {"ReLU": "ReLU", "AdaptiveAvgPool2d": "global average pool", "Flatten": "flatten", "Dropout": "dropout",
            "BatchNorm2d": "batch norm"}.get(type(layer).__name__, type(layer).__name__.lower())


def parameter_count(net):
    """All weights and biases of a network."""
    return sum(p.numel() for p in net.parameters())


def kept_for_backward(net, images):
    """Bytes of the distinct tensors that autograd really keeps, the network's parameters apart: a measurement."""
    own, kept = {t.untyped_storage().data_ptr() for t in (*net.parameters(), *net.buffers())}, {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # holding the tensor keeps its address taken
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        net(images)
    return sum(nbytes for nbytes, _ in kept.values())
