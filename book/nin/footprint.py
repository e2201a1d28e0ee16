"""The peak memory of one step, measured beside predicted: by optimiser, type and batch size; training, prediction."""

import gc
import time

import psutil
import torch
from torch.nn import functional as F

from .memory import measured_workspace, moments, peak_moment
from .model import nin
from .profiling import Peaks, measured_peaks
from .resources import layers
from .scale import current, device
from .step import Speed

OPTIMIZERS = {"SGD": lambda parameters: torch.optim.SGD(parameters, lr=0.01),
              "SGD, momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.01, momentum=0.9),
              "Adam": torch.optim.Adam}
STATE = {"SGD": 0, "SGD, momentum": 1, "Adam": 2}  # copies of the parameters
LARGEST = {"full": 1024, "pocket": 128, "smoke": 2}  # batch, by scale
PATIENCE = 90.0  # seconds: once a batch takes more, larger ones are left out


def footprint(largest=None, patience=PATIENCE):
    """Rows of one measurement each; a batch that does not fit or would take too long has rows that say so.

    Measured is the second step, when the libraries are set up and the optimiser has its state, with cuDNN's autotune
    off: with it on, the first step tries algorithms with workspaces of every size.
    """
    largest, rows = largest or LARGEST[current().name], []
    with Speed().applied():
        for bf16 in (False, True):
            n, seconds = 1, 0.0
            while n <= largest:
                start = time.perf_counter()
                rows += _at_batch(n, bf16, f"a batch of {n // 2} took {seconds:.0f} s" if seconds > patience else "")
                seconds, n = max(seconds, time.perf_counter() - start), 2 * n
    return rows


def _at_batch(n, bf16, too_long):
    shape, rows, workspaces = (n, 1, 224, 224), [], {}
    kinds = {row.name: row.kind for row in layers(nin())}
    for optimizer in (*OPTIMIZERS, None):
        training = optimizer is not None
        predicted = moments(nin(), shape, training, STATE.get(optimizer, 0), bf16, device().type)
        peak = peak_moment(predicted)
        phase, precision = "training" if training else "prediction", "bfloat16" if bf16 else "float32"
        row = {"path": ", ".join(filter(None, (phase, precision, optimizer))), "phase": phase, "type": precision,
               "optimizer": optimizer, "batch size": n, "predicted (MB)": peak.nbytes / 1e6,
               "peak at": _place(peak, kinds)}
        rows.append(row)
        free = free_memory()
        if too_long or peak.nbytes > free:
            row["skipped"] = too_long or f"{peak.nbytes / 1e6:,.0f} MB predicted, {free / 1e6:,.0f} MB free"
            continue
        try:
            if training not in workspaces:
                workspaces[training] = measured_workspace(nin(), shape, training, bf16, device())
            held, peaks = measure_step(n, bf16, optimizer)
        except torch.OutOfMemoryError:
            row["skipped"] = "the device ran out of memory"
            continue
        real = peak_moment(predicted, workspaces[training])
        row |= {"measured (MB)": peaks.asked / 1e6, "workspace (MB)": (real.nbytes - peak.nbytes) / 1e6,
                "rounding (MB)": (peaks.taken - peaks.asked) / 1e6, "held besides (MB)": held / 1e6,
                "with workspace, peak at": _place(real, kinds)}
    return rows


def _place(moment, kinds):
    names = {"cast": "gradients to float32"}
    return f"{names.get(moment.phase, moment.phase)} {moment.layer} {kinds.get(moment.layer, '')}".strip()


def measure_step(n, bf16, optimizer):
    """Bytes held besides, and the Peaks of one step (of one prediction where `optimizer` is None).

    The peaks count parameters, optimiser state and images; what is held besides, by a GPU's libraries above all, not.
    """
    gc.collect()
    net, images = nin().to(device()), torch.ones(n, 1, 224, 224, device=device())
    labels, autocast = torch.arange(n, device=device()) % 10, torch.autocast(device().type, torch.bfloat16, bf16)
    update = OPTIMIZERS[optimizer](net.parameters()) if optimizer else None

    def step(images, labels):
        if update is None:
            with torch.no_grad(), autocast:
                net.eval()(images)
            return
        with autocast:
            logits = net(images)
        F.cross_entropy(logits.float(), labels).backward()
        update.step()

    first = n if _is_gpu() else 1  # a GPU's libraries set themselves up for a shape
    step(images[:first], labels[:first])
    state = []
    if update is not None:
        update.zero_grad()
        state = [tensor for of_one in update.state.values() for tensor in of_one.values()
                 if torch.is_tensor(tensor) and tensor.dim()]
    known = sum(tensor.nbytes for tensor in (*net.parameters(), *state, images))
    held = torch.cuda.memory_allocated(device()) - known if _is_gpu() else 0
    peaks = measured_peaks([lambda: step(images, labels)], device())[0]
    return held, Peaks(known + peaks.asked, known + peaks.taken)


def _is_gpu():
    return device().type == "cuda"


def free_memory():
    """Bytes that could still be allocated, those that the system would take back from its caches among them."""
    if _is_gpu():
        torch.cuda.empty_cache()
        return torch.cuda.mem_get_info(device())[0]
    return psutil.virtual_memory().available
