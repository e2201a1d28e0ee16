"""One optimiser step, plain or with the levers of speed. Chapters 3, 5 and 7."""

import contextlib
import copy
import ctypes
import functools
import os
import statistics
import time
from dataclasses import dataclass

import torch
from torch import nn

from .data import enlarge, to_float
from .model import INITIALISATIONS, build
from .scale import device as default_device
from .stem import folded_conv


@dataclass(frozen=True)
class Speed:
    """How a step is computed. Each lever is off by default: the plain path."""

    fold: bool = False  # the enlargement, into the first convolution: see nin.stem
    channels_last: bool = False
    bf16: bool = False  # autocast, with the head in float32
    keep_memory: bool = False  # CPU: freed memory stays with the process
    autotune: bool = False  # GPU: cuDNN times its algorithms and takes the fastest
    fused: bool = False  # the update of all parameters in one kernel
    graph: bool = False  # GPU: a step is recorded once, then launched as a CUDA graph

    def __str__(self):
        return ", ".join(name for name, on in vars(self).items() if on) or "none"

    @contextlib.contextmanager
    def applied(self):
        """The levers that belong to the process, on inside this context."""
        before = torch.backends.cudnn.benchmark
        torch.backends.cudnn.benchmark = self.autotune
        try:
            if self.keep_memory:
                keep_freed_memory(True)
            yield
        finally:
            torch.backends.cudnn.benchmark = before
            if self.keep_memory:
                keep_freed_memory(False)


def fastest(device=None):
    """The levers that helped where they were measured; bf16 only where it is faster.

    The environment variable NIN_PRECISION, "float32" or "bfloat16", decides bf16.
    """
    device = torch.device(device or default_device())
    on_gpu, asked = device.type == "cuda", os.environ.get("NIN_PRECISION")
    if asked not in (None, "", "float32", "bfloat16"):
        raise ValueError(f"NIN_PRECISION must be float32 or bfloat16, not {asked!r}")
    if asked:
        bf16 = asked == "bfloat16"
    elif on_gpu:
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        bf16 = bf16_pays()
    # The graph stays off until the benchmark has timed it on a GPU.
    return Speed(fold=True, channels_last=True, bf16=bf16, keep_memory=not on_gpu,
                 autotune=on_gpu, fused=on_gpu)


@functools.cache
def bf16_pays(least=1.15, rounds=9):
    """Whether this CPU computes the pocket's 5×5 convolution that much faster in bf16.

    By the median of alternating rounds, forward and backward, in seconds of this
    process; some tens of milliseconds, once a process. A CPU's flags do not tell: some
    with instructions for bfloat16 are slower with it.
    """
    with torch.random.fork_rng(devices=[]):  # a caller's random numbers stay
        conv = nn.Conv2d(24, 64, 5, padding=2).to(memory_format=torch.channels_last)
        x = torch.randn(64, 24, 14, 14).to(memory_format=torch.channels_last)

    def seconds(bf16):
        start = time.process_time()  # the process's own, whatever else the machine does
        with torch.enable_grad():
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                y = conv(x)
            y.sum().backward()
        return time.process_time() - start

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # else waiting for a busy core would be timed as well
    try:
        seconds(False), seconds(True)  # warm-up
        ratios = [seconds(False) / seconds(True) for _ in range(rounds)]
        return statistics.median(ratios) >= least
    finally:
        torch.set_num_threads(threads)


def keep_freed_memory(keep):
    """Let glibc keep what is freed (True) or give large blocks back (False).

    Another allocator is left alone. The parameters are those of mallopt(3). Any call
    ends glibc's own adjustment of the two thresholds, so giving back sets them to where
    that leads in a process that frees large blocks: 32 MiB, and twice that.
    """
    with contextlib.suppress(OSError, AttributeError):  # macOS, Windows, musl
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-4, 0 if keep else 65536)  # M_MMAP_MAX: blocks mapped on their own
        libc.mallopt(-3, 2**25)  # M_MMAP_THRESHOLD: from how many bytes on
        libc.mallopt(-1, -1 if keep else 2**26)  # M_TRIM_THRESHOLD: bytes kept; -1: all
        if not keep:
            libc.malloc_trim(0)


def stopwatch(device):
    """A function that gives the seconds since now; on a GPU, when its work is done."""
    def now():
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter()

    start = now()
    return lambda: now() - start


def forward(net, images, speed=Speed()):
    """Source images (n, 1, 28, 28), uint8, to float32 logits (n, num_classes)."""
    x, stem = to_float(images), net[0]
    with torch.autocast(x.device.type, torch.bfloat16, enabled=speed.bf16):
        x = stem[1:](folded_conv(x, stem[0])) if speed.fold else stem(enlarge(x))
        x = net[1:7](x)
    return net[7:](x.float())


class Step:
    """A network, its optimiser, and one step of training.

    `watch` names parameters, as ("4.4.weight",), whose relative gradient every step
    returns besides.
    """

    def __init__(self, recipe, speed, device, watch=()):
        device = torch.device(device)
        self.speed, self.batch_size = speed, recipe.batch_size
        order = torch.channels_last if speed.channels_last else torch.preserve_format
        self.net = build(recipe.variant).to(device, memory_format=order)
        self.loss = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        parameters = dict(self.net.named_parameters())
        if unknown := set(watch) - parameters.keys():
            raise ValueError(f"no parameter is named {', '.join(sorted(unknown))}: "
                             f"watch some of {', '.join(parameters)}")
        self.watched = {name: parameters[name] for name in watch}
        # A graph reads the rate from memory.
        lr = torch.tensor(recipe.lr, device=device) if speed.graph else recipe.lr
        self.optimizer = torch.optim.SGD(
            self.net.parameters(), lr, momentum=recipe.momentum,
            nesterov=recipe.momentum > 0, weight_decay=recipe.weight_decay,
            fused=speed.fused or speed.graph or None)
        self.momenta = []
        for p in self.net.parameters() if recipe.momentum else ():
            self.momenta.append(torch.zeros_like(p))  # so the first is the gradient
            self.optimizer.state[p]["momentum_buffer"] = self.momenta[-1]
        self.replay = None  # of the captured step

    def start(self, recipe):
        """Begin a run: the recipe's weights from its seed, no momentum."""
        torch.manual_seed(recipe.seed)
        net = INITIALISATIONS[recipe.init](build(recipe.variant))
        self.net.load_state_dict(net.state_dict())
        for momentum in self.momenta:
            momentum.zero_()

    def state(self):
        """A copy of everything that a step changes, random numbers apart."""
        return copy.deepcopy({"net": self.net.state_dict(), "momenta": self.momenta})

    def restore(self, state):
        """Take over a state, in place: a captured step goes on reading that memory."""
        self.net.load_state_dict(state["net"])
        for momentum, saved in zip(self.momenta, state["momenta"], strict=True):
            momentum.copy_(saved)

    def __call__(self, images, labels, lr):
        """Train on a batch; returns its mean loss and how many were classified right.

        After them, for each parameter that is watched, the norm of its gradient divided
        by its own before the update. All are left on the device.
        """
        group = self.optimizer.param_groups[0]
        if not self.speed.graph:
            group["lr"] = lr
            return self._plain(images, labels)
        group["lr"].fill_(lr)
        if len(images) != self.batch_size:  # the last batch of an epoch
            return self._plain(images, labels)
        if self.replay is None:
            self.inputs = images.clone(), labels.clone()
            self.outputs, self.replay = self._capture()
        for static, new in zip(self.inputs, (images, labels), strict=True):
            static.copy_(new)
        self.replay()
        return tuple(output.clone() for output in self.outputs)

    def _plain(self, images, labels):
        logits = forward(self.net, images, self.speed)
        loss = self.loss(logits, labels)
        self.optimizer.zero_grad()
        loss.backward()
        relative = [p.grad.norm() / p.detach().norm() for p in self.watched.values()]
        self.optimizer.step()
        return loss.detach(), (logits.argmax(1) == labels).sum(), *relative

    def _capture(self):
        """Record one step. Steps that warm up, as capture demands, leave no trace."""
        device = self.inputs[0].device
        if device.type != "cuda":
            raise ValueError(f"a CUDA graph needs a CUDA device, not {device}: leave "
                             f"out graph=True")
        state, random = self.state(), torch.cuda.get_rng_state(device)
        side = torch.cuda.Stream(device)
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):
            for _ in range(3):
                self._plain(*self.inputs)
        torch.cuda.current_stream(device).wait_stream(side)
        self.restore(state)
        torch.cuda.set_rng_state(random, device)
        self.optimizer.zero_grad()  # so the gradients come to lie in the graph's memory
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = self._plain(*self.inputs)
        return outputs, graph.replay
