"""What a network costs: per layer its output shape, parameters, multiply-accumulates (MACs) and bytes."""

import contextlib
import copy
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

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


def layers(net, shape=(1, 1, 224, 224), bytes_per_value=4):
    """The costs of every layer, in order, for a batch of the given shape; nothing is computed (meta tensors).

    MACs: a convolution makes out_channels·h·w·(in_channels/groups)·k·k of them an image, a linear layer in·out.
    """
    found, handles, net = [], [], copy.deepcopy(net).to("meta")
    for name, layer in net.named_modules():
        if not list(layer.children()):
            handles.append(layer.register_forward_hook(
                lambda layer, args, out, name=name: found.append((name, layer, args[0].shape, out.shape))))
    net(torch.empty(shape, device="meta"))
    rows, input_kept = [], False  # of two neighbours, one keeps the tensor between them for both
    for name, layer, in_shape, out_shape in found:
        kept, output_kept = _kept(layer, in_shape, out_shape, input_kept, bytes_per_value)
        rows.append(Layer(name, _kind(layer), tuple(out_shape), sum(p.numel() for p in layer.parameters()),
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


def _kind(layer):
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


def predicted_peak(net, shape, training, optimizer_copies=0, bytes_per_value=4):
    """The most bytes alive at once in one step: parameters, gradients, optimiser state and activations.

    `optimizer_copies` is 0 for plain SGD, 1 with momentum, 2 for Adam. Without workspace and allocator rounding.
    """
    rows = layers(net, shape, bytes_per_value)
    parameters, images = 4 * parameter_count(net), rows[0].in_bytes
    if not training:  # a layer's input and output are alive together, beside the images
        return parameters + images + max(row.out_bytes + (row.in_bytes if i else 0) for i, row in enumerate(rows))
    alive, kept, most = parameters * (1 + optimizer_copies) + images, 0, 0
    for i, row in enumerate(rows):
        kept += row.kept_bytes if i else row.kept_bytes - images  # the images are alive anyway
        most = max(most, kept + row.out_bytes * (row.kept_bytes < row.out_bytes))
    gradients = 0
    for i in reversed(range(len(rows))):
        row = rows[i]
        gradients += 4 * row.parameters
        most = max(most, kept + gradients + row.out_bytes + (row.in_bytes if i else 0))
        kept -= row.kept_bytes
    return alive + max(most, 4 * parameter_count(net) * (1 + (optimizer_copies > 0)))


def measured_peak(step, device):
    """Peak bytes allocated while step() runs, beyond what was allocated before: torch's own count."""
    device = torch.device(device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with quiet(), tempfile.TemporaryDirectory() as folder:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
            step()
        profile.export_chrome_trace(str(Path(folder, "trace.json")))
        events = json.loads(Path(folder, "trace.json").read_text())["traceEvents"]
    alive = most = 0
    for event in sorted((e for e in events if e.get("name") == "[memory]"), key=lambda e: e["ts"]):
        alive += event["args"]["Bytes"]
        most = max(most, alive)
    return most


@contextlib.contextmanager
def quiet():
    """Drop what is written to the process's own stderr: some builds of torch's profiler report there on themselves."""
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
