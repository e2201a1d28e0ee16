"""Memory measured: a step's peak beside its prediction, what the libraries take besides, what autograd really keeps."""

import contextlib
import copy
import functools
import gc
import itertools
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from torch.nn import functional as F

from ..costs import layers
from ..model import nin
from ..moments import moments, peak_moment
from ..scale import current, device
from ..step import Speed

OPTIMIZERS = {"SGD": functools.partial(torch.optim.SGD, lr=0.01),
              "SGD, momentum": functools.partial(torch.optim.SGD, lr=0.01, momentum=0.9), "Adam": torch.optim.Adam}
STATE = {"SGD": 0, "SGD, momentum": 1, "Adam": 2}  # copies of the parameters
LARGEST = {"full": 1024, "pocket": 128, "smoke": 2}  # batch, by scale
PATIENCE = 90.0  # seconds: once a batch takes more, larger ones are left out


@dataclass(frozen=True)
class Peaks:
    """The most bytes alive at once during some work, beyond those alive before it."""

    asked: int  # for the tensors and workspaces themselves
    taken: int  # by the allocator for them; a CPU's are not counted apart, and equal those asked for


def measured_peak(work, device):
    """Peak bytes allocated while work() runs, beyond what was allocated before: torch's own count."""
    return measured_peaks([work], device)[0].taken


def measured_peaks(works, device):
    """The Peaks of every function of an iterable, run in turn; what is done between two of them is not counted."""
    device = torch.device(device)
    return _by_allocator(works, device) if device.type == "cuda" else _by_profiler(works)


def _by_allocator(works, device):
    """By the high-water marks of CUDA's caching allocator; requested_bytes leaves out what it rounds up."""
    found = []
    for work in works:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_stats(device)
        work()
        torch.cuda.synchronize(device)
        after = torch.cuda.memory_stats(device)
        grown = [after[f"{kind}.all.peak"] - before[f"{kind}.all.current"]
                 for kind in ("requested_bytes", "allocated_bytes") if f"{kind}.all.peak" in after]
        found.append(Peaks(grown[0], grown[-1]))  # not every allocator tells them apart
    return found


def _by_profiler(works):
    """By the profiler, which sees every allocation on a CPU; one session, since its end is what takes time."""
    mark = "nin.bench.memory"
    with quiet(), tempfile.TemporaryDirectory() as folder:
        trace = Path(folder, "trace.json")
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
            for work in works:
                with torch.profiler.record_function(mark):
                    work()
        profile.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text())["traceEvents"]
    spans = sorted((event["ts"], event["ts"] + event["dur"]) for event in events
                   if event.get("ph") == "X" and event["name"] == mark)
    changes = sorted((event["ts"], event["args"]["Bytes"]) for event in events if event.get("name") == "[memory]")
    found = []
    for start, end in spans:
        most = max(itertools.accumulate((nbytes for when, nbytes in changes if start <= when <= end), initial=0))
        found.append(Peaks(most, most))
    return found


@contextlib.contextmanager
def quiet():
    """Drop what is written to the process's own stderr: some builds of torch's profiler report there on themselves."""
    stderr = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def kept_for_backward(net, images):
    """Bytes of the distinct tensors that autograd keeps in a forward pass, the network's parameters apart."""
    own, kept = {t.untyped_storage().data_ptr() for t in (*net.parameters(), *net.buffers())}, {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # holding the tensor keeps its address taken
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        net(images)
    return sum(nbytes for nbytes, _ in kept.values())


def measured_workspace(net, shape, training, bf16=False, device="cpu"):
    """{(phase, layer): bytes} that each layer, run alone, allocates beyond what `moments` counts for it."""
    device, net, known = torch.device(device), copy.deepcopy(net).to(device).train(training), {}

    def works():  # a layer's tensors are made as its turn comes, so that those of one layer alone exist
        dtype = torch.float32
        for row in layers(net, shape, autocast=bf16, device=device.type):
            layer = net.get_submodule(row.name)
            if row.casts:
                layer, dtype = layer.to(torch.bfloat16), torch.bfloat16  # as autocast has it, its copies apart
            passes = training and row.passes_gradient
            x, outputs = torch.ones(row.in_shape, dtype=dtype, device=device).requires_grad_(passes), []

            def forward(layer=layer, x=x, outputs=outputs):
                with torch.set_grad_enabled(training):
                    outputs.append(layer(x))

            known["forward", row.name] = row.new - row.extra * row.copies_input
            yield forward
            out = outputs.pop()
            if out.requires_grad:
                gradient = torch.ones_like(out)
                known["backward", row.name] = row.gradients
                yield lambda out=out, gradient=gradient: out.backward(gradient)
                layer.zero_grad()

    peaks = measured_peaks(works(), device)
    return {place: max(0, peak.asked - known[place]) for place, peak in zip(known, peaks, strict=True)}


def plain_step(net, optimizer, images, labels, bf16=False):
    """One training step with nothing added: forward, under autocast with `bf16`, loss, backward and update."""
    optimizer.zero_grad()
    with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
        logits = net(images)
    F.cross_entropy(logits.float(), labels).backward()
    optimizer.step()


def footprint(largest=None, patience=PATIENCE):
    """Rows of one measurement each; a batch that does not fit or would take too long has rows that say so.

    Measured is the second step, when the libraries are set up and the optimiser has its state, with cuDNN's autotune
    off: with it on, the first step tries algorithms with workspaces of every size.
    """
    rows = []
    with Speed().applied():
        for bf16 in (False, True):
            n, seconds = 1, 0.0
            while n <= (largest or LARGEST[current().name]):
                start = time.perf_counter()
                rows += _at_batch(n, bf16, f"a batch of {n // 2} took {seconds:.0f} s" if seconds > patience else "")
                seconds, n = max(seconds, time.perf_counter() - start), 2 * n
    return rows


def _at_batch(n, bf16, too_long):
    shape, rows, workspaces = (n, 1, 224, 224), [], {}
    kinds, precision = {row.name: row.kind for row in layers(nin())}, "bfloat16" if bf16 else "float32"
    for optimizer in (*OPTIMIZERS, None):
        training, phase = optimizer is not None, "training" if optimizer else "prediction"
        predicted = moments(nin(), shape, training, STATE.get(optimizer, 0), bf16, device().type)
        peak, free = peak_moment(predicted), free_memory()
        row = {"path": ", ".join(filter(None, (phase, precision, optimizer))), "phase": phase, "type": precision,
               "optimizer": optimizer, "batch size": n, "predicted (MB)": peak.nbytes / 1e6,
               "peak at": _place(peak, kinds)}
        rows.append(row)
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
    phase = "gradients to float32" if moment.phase == "cast" else moment.phase
    return f"{phase} {moment.layer} {kinds.get(moment.layer, '')}".strip()


def measure_step(n, bf16, optimizer):
    """Bytes held besides, and the Peaks of one step (of one prediction where `optimizer` is None).

    The peaks count parameters, optimiser state and images; what is held besides, by a GPU's libraries above all, not.
    """
    gc.collect()
    net, images = nin().to(device()), torch.ones(n, 1, 224, 224, device=device())
    labels = torch.arange(n, device=device()) % 10
    update = OPTIMIZERS[optimizer](net.parameters()) if optimizer else None

    def step():
        if update is not None:
            plain_step(net, update, images, labels, bf16)
            return
        with torch.no_grad(), torch.autocast(device().type, torch.bfloat16, enabled=bf16):
            net.eval()(images)

    step()
    state = []
    if update is not None:
        update.zero_grad()
        state = [tensor for of_one in update.state.values() for tensor in of_one.values()
                 if torch.is_tensor(tensor) and tensor.dim()]
    known = sum(tensor.nbytes for tensor in (*net.parameters(), *state, images))
    held = max(0, torch.cuda.memory_allocated() - known)  # nothing on a CPU
    peaks = measured_peaks([step], device())[0]
    return held, Peaks(known + peaks.asked, known + peaks.taken)


def free_memory():
    """Bytes that could still be allocated, those that the system would take back from its caches among them."""
    if device().type != "cuda":
        return psutil.virtual_memory().available
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info(device())[0]
