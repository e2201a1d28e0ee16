"""Seconds, by the clock that did the work."""

import time

import torch


def stopwatch(device):
    """A function that gives the seconds since now; on a GPU those of the device, for whose work it waits."""
    if device.type != "cuda":
        start = time.perf_counter()
        return lambda: time.perf_counter() - start
    first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    first.record()

    def elapsed():
        last.record()
        last.synchronize()
        return first.elapsed_time(last) / 1000  # from milliseconds

    return elapsed
