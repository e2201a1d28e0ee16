"""What torch's own counters say of a piece of work: the most bytes alive while it ran."""

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class Peaks:
    """The most bytes alive at once during some work, beyond those alive before it."""

    asked: int  # for the tensors and workspaces themselves
    taken: int  # by the allocator for them; a CPU's are not counted apart, and equal those asked for


def measured_peak(step, device):
    """Peak bytes allocated while step() runs, beyond what was allocated before: torch's own count."""
    return measured_peaks([step], device)[0].taken


def measured_peaks(steps, device):
    """The Peaks of every step of an iterable, run in turn; what is done between two steps is not counted."""
    device = torch.device(device)
    return _by_allocator(steps, device) if device.type == "cuda" else _by_profiler(steps)


def _by_allocator(steps, device):
    """By the high-water marks of CUDA's caching allocator; requested_bytes leaves out what it rounds up."""
    found = []
    for step in steps:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_stats(device)
        step()
        torch.cuda.synchronize(device)
        after = torch.cuda.memory_stats(device)
        grown = {kind: after[f"{kind}.all.peak"] - before[f"{kind}.all.current"]
                 for kind in ("requested_bytes", "allocated_bytes") if f"{kind}.all.peak" in after}
        taken = grown["allocated_bytes"]
        found.append(Peaks(grown.get("requested_bytes", taken), taken))  # not every allocator tells them apart
    return found


def _by_profiler(steps):
    """By the profiler, which sees every allocation on a CPU; one session, since its end is what takes time."""
    mark, number = "nin.profiling step ", 0
    with quiet(), tempfile.TemporaryDirectory() as folder:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
            for number, step in enumerate(steps, start=1):
                with torch.profiler.record_function(f"{mark}{number}"):
                    step()
        profile.export_chrome_trace(str(Path(folder, "trace.json")))
        events = json.loads(Path(folder, "trace.json").read_text())["traceEvents"]
    times = {event["name"]: (event["ts"], event["ts"] + event["dur"]) for event in events
             if event.get("ph") == "X" and event["name"].startswith(mark)}
    changes = sorted((e["ts"], e["args"]["Bytes"]) for e in events if e.get("name") == "[memory]")
    found = []
    for i in range(1, number + 1):
        alive = most = 0
        start, end = times[f"{mark}{i}"]
        for when, nbytes in changes:
            if start <= when <= end:
                alive += nbytes
                most = max(most, alive)
        found.append(Peaks(most, most))
    return found


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
