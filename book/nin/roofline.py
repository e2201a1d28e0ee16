"""What the hardware allows: the speed of copies, products and convolutions, the images/s that follow; what uses it."""

import torch
from torch import nn

from .model import build
from .profiling import quiet
from .resources import layers
from .stopwatch import stopwatch


def copy_bandwidth(device, nbytes=2**28, repeats=5):
    """Bytes/s of copying a block on the device, those read and those written counted: the best of some tries."""
    source = torch.ones(nbytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * nbytes / _best(lambda: target.copy_(source), device, repeats)


def matmul_rate(device, dtype, n=None, repeats=5, tf32=False):
    """FLOP/s of an n×n matrix product, two to a multiply-accumulate: the best of some tries.

    `tf32`: float32 products may round their factors to TF32 on a GPU, as torch's convolutions do by default.
    """
    n = n or (8192 if device.type == "cuda" else 2048)
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("high" if tf32 and device.type == "cuda" else before)
        return 2 * n**3 / _best(lambda: a @ b, device, repeats)
    finally:
        torch.set_float32_matmul_precision(before)


def conv_rate(device, dtype, n=32, repeats=5):
    """FLOP/s of the section's 5×5 convolution on n images, forward, channels last: the best of some tries.

    Libraries differ: where the one for products is slow on a CPU, convolutions run faster than products.
    """
    conv = nn.Conv2d(96, 256, 5, padding=2).to(device, dtype, memory_format=torch.channels_last)
    images = torch.randn(n, 96, 26, 26, device=device).to(dtype, memory_format=torch.channels_last)
    with torch.no_grad():
        return 2 * n * 26**2 * 256 * 96 * 5**2 / _best(lambda: conv(images), device, repeats)


def _best(work, device, repeats):
    work()  # warm-up
    seconds = []
    for _ in range(repeats):
        elapsed = stopwatch(device)
        work()
        seconds.append(elapsed())
    return min(seconds)


def training_work(variant, bytes_per_value):
    """FLOPs and bytes of one training step, per image, with the enlargement folded away and every ReLU joined to its convolution.

    A convolution multiplies three times over: for its output, for its weights' gradient and for its input's, which the
    first does without. Each layer reads its input and writes its output; backward, it reads its input and its output's
    gradient and writes its input's gradient. Weights are shared by the batch and left out.
    """
    shape = (1, variant.in_channels, variant.side, variant.side)
    rows = [row for row in layers(build(variant), shape, bytes_per_value) if row.kind != "ReLU"]
    folded = rows[0].macs if variant.native else rows[0].macs * 16 // 121  # 4×4 weights for 11×11, see nin.stem
    macs = 3 * sum(row.macs for row in rows[1:]) + 2 * folded
    moved = sum(row.in_bytes + row.out_bytes + row.in_bytes + row.out_bytes + row.in_bytes for row in rows[1:])
    nodes = (28 if variant.native else 57) ** 2 * bytes_per_value
    return 2 * macs, moved + 2 * nodes + 2 * rows[0].out_bytes


def bound(variant, device):
    """The images/s that arithmetic and memory allow here, and the measurements that say so, as one dict."""
    device = torch.device(device)
    rates = {dtype: max(matmul_rate(device, dtype), conv_rate(device, dtype))
             for dtype in (torch.float32, torch.bfloat16)}
    best = max(rates, key=rates.get)
    copied, (flops, moved) = copy_bandwidth(device), training_work(variant, best.itemsize)
    return {"copy (GB/s)": copied / 1e9, "float32 (TFLOP/s)": rates[torch.float32] / 1e12,
            "bfloat16 (TFLOP/s)": rates[torch.bfloat16] / 1e12, "type": str(best).removeprefix("torch."),
            "GFLOP an image": flops / 1e9, "MB an image": moved / 1e6,
            "images/s by arithmetic": rates[best] / flops, "images/s by memory": copied / moved}


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
