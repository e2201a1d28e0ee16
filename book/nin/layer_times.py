"""The seconds of every layer, forward and backward, beside what arithmetic and memory would allow here."""

import math
import statistics

import torch
from torch import nn
from torch.nn import functional as F

from .model import nin
from .resources import layer_kind, trace_layers
from .roofline import conv_rate, copy_bandwidth, matmul_rate, operation_seconds
from .scale import current, device
from .step import fastest
from .stopwatch import stopwatch


def layer_times(batch_size, repeats=5):
    """One row a layer, each run alone on an input of its own, channels last; then their sum, and a whole step.

    In float32, with TF32 where the device has it, as torch's convolutions do by default; on a GPU in bfloat16 as well,
    and with the time that kernels ran, by torch's profiler: the rest is what launching them costs. The whole step is
    forward, loss, backward and plain SGD, in bfloat16 under autocast.
    """
    types, copied = [torch.float32], copy_bandwidth(device(), 2**22 if current().name == "smoke" else 2**28)
    if _is_gpu():
        types.append(torch.bfloat16)
    rows = []
    for dtype in types:
        small = current().name == "smoke"
        rate = max(matmul_rate(device(), dtype, 256 if small else None, tf32=True),
                   conv_rate(device(), dtype, 1 if small else 32))
        about = {"type": str(dtype).removeprefix("torch."), "TFLOP/s": rate / 1e12, "GB/s": copied / 1e9}
        with fastest(device()).applied():
            new = _layer_rows(batch_size, dtype, rate, copied, repeats)
            whole = _whole_step(batch_size, dtype, repeats)
        together = {key: sum(row[key] for row in new) for key in new[0] if key.endswith("(ms)")}
        new += [{"path": "all layers", **together}, {"path": "whole step", "both (ms)": 1000 * whole}]
        rows += [{key: round(value, 5) if isinstance(value, float) else value for key, value in (row | about).items()}
                 for row in new]
    return rows


def _is_gpu():
    return device().type == "cuda"


def _layer_rows(batch_size, dtype, rate, copied, repeats):
    rows, net, learnt = [], nin(), False
    for name, layer, in_shape, out_shape in trace_layers(net, (batch_size, 1, 224, 224)):
        if isinstance(layer, nn.Flatten):
            continue  # a view: it does nothing
        layer = net.get_submodule(name)
        forward, backward, kernels = _seconds(layer, in_shape, dtype, learnt, repeats)
        row = {"path": name, "layer": layer_kind(layer)} | ({} if kernels is None else {"kernels (ms)": 1000 * kernels})
        for way, seconds, (flops, moved) in (
                ("forward", forward, forward_work(layer, in_shape, out_shape, dtype.itemsize)),
                ("backward", backward, backward_work(layer, in_shape, out_shape, dtype.itemsize, learnt))):
            bound = max(flops / rate, moved / copied)
            row |= {f"{way} (ms)": 1000 * seconds, f"{way}, GFLOP": flops / 1e9, f"{way}, MB": moved / 1e6,
                    f"{way}, bound (ms)": 1000 * bound,
                    f"{way}, bound by": "arithmetic" if flops / rate > moved / copied else "memory"}
        rows.append(row | {"both (ms)": row["forward (ms)"] + row["backward (ms)"],
                           "bound (ms)": row["forward, bound (ms)"] + row["backward, bound (ms)"]})
        learnt = learnt or any(True for _ in layer.parameters())
    return rows


def forward_work(layer, in_shape, out_shape, size):
    """(FLOP, bytes read and written) of a layer's forward pass, `size` bytes a value."""
    weights = sum(p.numel() for p in layer.parameters())
    return 2 * _macs(layer, out_shape), size * (in_shape.numel() + out_shape.numel() + weights) + _aside(
        layer, out_shape, size)


def backward_work(layer, in_shape, out_shape, size, passes_gradient=True):
    """(FLOP, bytes read and written) of its backward pass, which the first layer spares its input's gradient.

    A convolution reads its input and its weights and writes the weights' gradient; a ReLU reads its output; a pool and
    dropout read what they noted on the way.
    """
    weights, reads = sum(p.numel() for p in layer.parameters()), out_shape.numel()  # the gradient that comes in
    if weights:
        reads += in_shape.numel() + weights * passes_gradient
    if isinstance(layer, nn.ReLU):
        reads += out_shape.numel()
    writes = weights + in_shape.numel() * passes_gradient
    return 2 * _macs(layer, out_shape) * (1 + passes_gradient), size * (reads + writes) + _aside(
        layer, out_shape, size)


def _macs(layer, out_shape):
    return out_shape.numel() * layer.weight[0].numel() if isinstance(layer, nn.Conv2d) else 0


def _aside(layer, out_shape, size):
    if isinstance(layer, nn.MaxPool2d):
        return 8 * out_shape.numel()  # indices
    if isinstance(layer, nn.Dropout):
        return out_shape.numel() * (1 if _is_gpu() else size)  # a mask
    return 0


def _seconds(layer, in_shape, dtype, learnt, repeats):
    """Seconds of forward and backward, and of both together as kernels on a GPU (elsewhere None)."""
    layer = layer.to(device(), dtype, memory_format=torch.channels_last)
    x = torch.rand(in_shape, device=device()).to(dtype)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_(learnt)
    wanted = [*([x] if learnt else []), *layer.parameters()]
    out = layer(x)
    gradient = torch.ones_like(out)

    def forward():
        with torch.no_grad():
            layer(x)

    def backward():
        torch.autograd.grad(out, wanted, gradient, retain_graph=True)

    seconds = _median(forward, repeats), _median(backward, repeats)
    if not _is_gpu():
        return *seconds, None
    return *seconds, sum(sum(operation_seconds(work, device()).values()) for work in (forward, backward))


def _whole_step(batch_size, dtype, repeats):
    net = nin().to(device(), memory_format=torch.channels_last)
    images, labels = (torch.rand(batch_size, 1, 224, 224, device=device()),
                      torch.arange(batch_size, device=device()) % 10)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)

    def step():
        with torch.autocast(device().type, dtype, enabled=dtype != torch.float32):
            logits = net(images)
        optimizer.zero_grad()
        F.cross_entropy(logits.float(), labels).backward()
        optimizer.step()

    return _median(step, repeats)


def _median(work, repeats):
    """Seconds of one work(): the median of `repeats` runs, each of as many as fill about 5 ms, up to 100."""
    work()  # warm-up
    once = _run(work, 1)
    times = min(100, max(1, math.ceil(0.005 / once)))
    return statistics.median(_run(work, times) for _ in range(repeats))


def _run(work, times):
    elapsed = stopwatch(device())
    for _ in range(times):
        work()
    return elapsed() / times
