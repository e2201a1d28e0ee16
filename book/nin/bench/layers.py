"""The seconds of every layer, beside what this machine's arithmetic and memory allow: by torch's timer and profiler."""

import math

import torch
from torch import nn

from ..costs import layers, training_work
from ..model import nin
from ..scale import current, device
from ..step import fastest
from .memory import plain_step, quiet


def timed(work):
    """torch's Measurement of work(): repeated until its quartiles agree within 10%, for about five seconds at most."""
    # Here: where there is a CUDA compiler and no GPU, its import warns of it.
    from torch.utils.benchmark import Timer

    timer = Timer("work()", globals={"work": work}, num_threads=torch.get_num_threads())
    return timer.adaptive_autorange(max_run_time=0.01 if current().name == "smoke" else 5.0)


def copy_bandwidth():
    """Bytes/s of copying a large block on the device, those read and those written counted: the best of some tries."""
    nbytes = 2**22 if current().name == "smoke" else 2**28
    source = torch.ones(nbytes, dtype=torch.uint8, device=device())
    target = torch.empty_like(source)
    return 2 * nbytes / min(timed(lambda: target.copy_(source)).times)


def arithmetic_rate(dtype):
    """FLOP/s, two to a multiply-accumulate, of a large matrix product or the section's 5×5, whichever is faster.

    Libraries differ: where the one for products is slow on a CPU, convolutions run faster than products. float32
    products may round their factors to TF32 on a GPU, as torch's convolutions do by default.
    """
    on_gpu, before = device().type == "cuda", torch.get_float32_matmul_precision()
    n, images = (256, 1) if current().name == "smoke" else (8192 if on_gpu else 2048, 32)
    a, b = (torch.randn(n, n, device=device()).to(dtype) for _ in range(2))
    conv = nn.Conv2d(96, 256, 5, padding=2).to(device(), dtype, memory_format=torch.channels_last)
    x = torch.randn(images, 96, 26, 26, device=device()).to(dtype, memory_format=torch.channels_last)
    try:
        torch.set_float32_matmul_precision("high" if on_gpu else before)
        with torch.no_grad():
            product, convolution = (min(timed(work).times) for work in (lambda: a @ b, lambda: conv(x)))
    finally:
        torch.set_float32_matmul_precision(before)
    return max(2 * n**3 / product, 2 * images * 26**2 * 256 * 96 * 5**2 / convolution)


def bound(variant):
    """The images/s that arithmetic and memory allow here, and the measurements that say so, as one dict."""
    rates = {dtype: arithmetic_rate(dtype) for dtype in (torch.float32, torch.bfloat16)}
    best = max(rates, key=rates.get)
    copied, (flops, moved) = copy_bandwidth(), training_work(variant, best.itemsize)
    return {"copy (GB/s)": copied / 1e9, "float32 (TFLOP/s)": rates[torch.float32] / 1e12,
            "bfloat16 (TFLOP/s)": rates[torch.bfloat16] / 1e12, "type": str(best).removeprefix("torch."),
            "GFLOP an image": flops / 1e9, "MB an image": moved / 1e6,
            "images/s by arithmetic": rates[best] / flops, "images/s by memory": copied / moved}


def forward_work(layer):
    """(FLOP, bytes read and written) of a Layer's forward pass."""
    size = layer.out_bytes // math.prod(layer.shape)
    return 2 * layer.macs, layer.in_bytes + size * layer.parameters + layer.new


def backward_work(layer):
    """(FLOP, bytes read and written) of a Layer's backward pass.

    The first layer is spared its input's gradient. A convolution reads its input and its weights and writes the
    weights' gradient; a ReLU reads its output; a pool and dropout read what they noted on the way.
    """
    size, passes = layer.out_bytes // math.prod(layer.shape), layer.passes_gradient
    reads = layer.out_bytes + layer.extra  # first the gradient that comes in
    if layer.parameters:
        reads += layer.in_bytes + size * layer.parameters * passes
    if layer.kind == "ReLU":
        reads += layer.out_bytes
    writes = size * layer.parameters + layer.in_bytes * passes
    return 2 * layer.macs * (1 + passes), reads + writes


def layer_times(batch_size):
    """One row a layer, each run alone on an input of its own, channels last; then their sum, and a whole step.

    In float32, with TF32 where the device has it, as torch's convolutions do by default; on a GPU in bfloat16 as well,
    and with the time that kernels ran, by torch's profiler: the rest is what launching them costs. The whole step is
    forward, loss, backward and plain SGD, in bfloat16 under autocast.
    """
    rows, copied = [], copy_bandwidth()
    for dtype in (torch.float32, torch.bfloat16) if device().type == "cuda" else (torch.float32,):
        rate = arithmetic_rate(dtype)
        about = {"type": str(dtype).removeprefix("torch."), "TFLOP/s": rate / 1e12, "GB/s": copied / 1e9}
        with fastest().applied():
            new = _layer_rows(batch_size, dtype, rate, copied)
            whole = _whole_step(batch_size, dtype)
        together = {key: sum(row[key] for row in new) for key in new[0] if key.endswith("(ms)")}
        new += [{"path": "all layers", **together}, {"path": "whole step", "both (ms)": 1000 * whole}]
        rows += [{key: round(value, 5) if isinstance(value, float) else value for key, value in (row | about).items()}
                 for row in new]
    return rows


def _layer_rows(batch_size, dtype, rate, copied):
    rows, net = [], nin()
    for costs in layers(net, (batch_size, 1, 224, 224), dtype.itemsize, device=device().type):
        if costs.kind == "flatten":
            continue  # a view: it does nothing
        forward, backward, kernels = _seconds(net.get_submodule(costs.name), costs, dtype)
        row = {"path": costs.name, "layer": costs.kind} | ({} if kernels is None else {"kernels (ms)": 1000 * kernels})
        for way, seconds, (flops, moved) in (("forward", forward, forward_work(costs)),
                                             ("backward", backward, backward_work(costs))):
            row |= {f"{way} (ms)": 1000 * seconds, f"{way}, GFLOP": flops / 1e9, f"{way}, MB": moved / 1e6,
                    f"{way}, bound (ms)": 1000 * max(flops / rate, moved / copied),
                    f"{way}, bound by": "arithmetic" if flops / rate > moved / copied else "memory"}
        rows.append(row | {"both (ms)": row["forward (ms)"] + row["backward (ms)"],
                           "bound (ms)": row["forward, bound (ms)"] + row["backward, bound (ms)"]})
    return rows


def _seconds(layer, costs, dtype):
    """Seconds of forward and backward, and of both together as kernels on a GPU (elsewhere None)."""
    layer = layer.to(device(), dtype, memory_format=torch.channels_last)
    x = torch.rand(costs.in_shape, device=device()).to(dtype, memory_format=torch.channels_last)
    x.requires_grad_(costs.passes_gradient)
    wanted = [tensor for tensor in (x, *layer.parameters()) if tensor.requires_grad]
    out = layer(x)
    gradient = torch.ones_like(out)

    def forward():
        with torch.no_grad():
            layer(x)

    def backward():
        torch.autograd.grad(out, wanted, gradient, retain_graph=True)

    kernels = None
    if device().type == "cuda":
        kernels = sum(sum(operation_seconds(work, device()).values()) for work in (forward, backward))
    return timed(forward).median, timed(backward).median, kernels


def _whole_step(batch_size, dtype):
    net = nin().to(device(), memory_format=torch.channels_last)
    images = torch.rand(batch_size, 1, 224, 224, device=device())
    labels = torch.arange(batch_size, device=device()) % 10
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    return timed(lambda: plain_step(net, optimizer, images, labels, dtype == torch.bfloat16)).median


def operation_seconds(work, device, repeats=3):
    """{operation: seconds} of one work(), most first; a GPU's seconds for work on a GPU. By torch's own profiler."""
    device, kinds = torch.device(device), [torch.profiler.ProfilerActivity.CPU]
    if device.type == "cuda":
        kinds.append(torch.profiler.ProfilerActivity.CUDA)
    work()  # warm-up
    with quiet(), torch.profiler.profile(activities=kinds) as profile:
        for _ in range(repeats):
            work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    spent = {}
    for event in profile.key_averages():
        if event.device_type == torch.autograd.DeviceType.CPU:  # a kernel counts for the operation that launched it
            microseconds = event.self_device_time_total if device.type == "cuda" else event.self_cpu_time_total
            spent[event.key] = microseconds / 1e6 / repeats
    return dict(sorted(spent.items(), key=lambda item: -item[1]))
