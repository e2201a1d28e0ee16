"""How much memory a step needs, moment by moment: predicted from the shapes; and the workspace on top, measured."""

import copy
from collections import Counter
from dataclasses import dataclass

import torch
from torch import nn

from .profiling import measured_peaks
from .resources import parameter_count, trace_layers


@dataclass(frozen=True)
class Moment:
    """The bytes alive while one layer works."""

    phase: str  # "forward", "backward", "cast" (bfloat16 gradients become float32 ones) or "update"
    layer: str  # its path in the network, "2.0"; none in the update
    nbytes: int


@dataclass(frozen=True)
class _Need:
    """What one layer's work adds to the memory. Tensors are numbered: 0 are the images, a view is its source."""

    name: str
    tensors: tuple  # the numbers of its input and its output
    nbytes: tuple  # their bytes
    kept: tuple  # those of the two that autograd keeps for it
    extra: int  # bytes beside them, kept with them: indices, a mask, statistics, a bfloat16 copy of its input
    parameters: int  # values
    weights: int  # those of them that are no biases
    casts: bool  # works in bfloat16, on 2-byte copies of its parameters
    copies_input: bool  # and of its input: that copy is the extra
    passes_gradient: bool  # to its input

    @property
    def new(self):
        """Bytes that its forward pass still holds at its end: its output, unless that is a view, and the extra."""
        return self.extra + (self.nbytes[1] if self.tensors[0] != self.tensors[1] else 0)

    @property
    def gradients(self):
        """Bytes of the gradients that its backward pass makes: its input's, and its parameters' as it works on them."""
        through = self.nbytes[0] if self.passes_gradient and self.tensors[0] != self.tensors[1] else 0
        return through + (2 if self.casts else 4) * self.parameters


def _needs(net, shape, bf16, device):
    needs, size, number, learnt, nbytes = [], 4, 0, False, 4 * torch.Size(shape).numel()
    for name, layer, in_shape, out_shape in trace_layers(net, shape):
        before = number, nbytes
        casts = bf16 and isinstance(layer, (nn.Conv2d, nn.Linear))
        copied = casts and size == 4
        size = 2 if casts else size
        number, nbytes = number + (not _is_view(layer)), size * out_shape.numel()
        kept, extra = _kept(layer, before[0], number, out_shape.numel(), size, device)
        if copied:
            kept, extra = (), 2 * in_shape.numel()
        own = list(layer.parameters())
        needs.append(_Need(name, (before[0], number), (before[1], nbytes), kept, extra, sum(p.numel() for p in own),
                           sum(p.numel() for p in own if p.dim() > 1), casts, copied, learnt))
        learnt = learnt or bool(own)
    return needs


def _is_view(layer):
    """Whether its output is its input's memory."""
    idle = isinstance(layer, nn.Dropout) and not (layer.training and layer.p > 0)
    return idle or isinstance(layer, (nn.Flatten, nn.Identity))


def _kept(layer, source, target, values, size, device):
    """Which of the tensors `source` and `target`, of that many values, autograd keeps, and how many bytes beside."""
    if isinstance(layer, (nn.Conv2d, nn.Linear, nn.AvgPool2d)):
        return (source,), 0
    if isinstance(layer, nn.BatchNorm2d):
        return (source,), 2 * 4 * layer.num_features  # the batch's mean and deviation
    if isinstance(layer, nn.ReLU):
        return (target,), 0
    if isinstance(layer, nn.MaxPool2d):
        return (source,), 8 * values  # an int64 index for every maximum
    if isinstance(layer, nn.Dropout) and not _is_view(layer):
        return (), values * (1 if device == "cuda" else size)  # its mask
    return (), 0


def moments(net, shape, training, optimizer_copies=0, bf16=False, device="cpu"):
    """The bytes alive at every moment of one step on images of `shape`: [Moment], in the order of the work.

    Counted are parameters, gradients, optimiser state, images and activations; workspace, the loss and the
    allocator's rounding are not. `optimizer_copies` of the parameters are the optimiser's state: 0 for plain SGD, 1
    with momentum, 2 for Adam. `bf16`: the forward pass runs under autocast, whose 2-byte copies of the parameters live
    to its end, those of the weights until their layer's backward pass. `device` ("cpu", "cuda") decides the size of a
    dropout mask and whether Adam updates all parameters at once. Every parameter is taken to be trained.
    """
    net = copy.deepcopy(net).train(training)
    needs, parameters = _needs(net, shape, bf16, device), 4 * parameter_count(net)
    base = parameters * (1 + optimizer_copies * training) + 4 * torch.Size(shape).numel()
    size = {number: n for need in needs for number, n in zip(need.tensors, need.nbytes)} | {0: 0}  # images: in base

    found, keepers, extra, copies = [], Counter(), 0, 0
    for i, need in enumerate(needs):
        copies += 2 * need.parameters * need.casts
        alive = {*keepers, *need.tensors, *_held(needs, i)}
        found.append(Moment("forward", need.name, base + copies + extra + need.extra + sum(map(size.get, alive))))
        if training:
            keepers.update(need.kept)
            extra += need.extra
    if not training:
        return found

    copies, gradients = sum(2 * need.weights * need.casts for need in needs), 0
    for need in reversed(needs):
        rest = base + copies + extra + gradients + sum(map(size.get, keepers))
        found.append(Moment("backward", need.name, rest + need.nbytes[1] + need.gradients))
        keepers -= Counter(need.kept)  # a tensor that an earlier layer keeps as well stays
        extra -= need.extra
        copies -= 2 * need.weights * need.casts
        if need.casts:  # its gradients are copied to float32 before the next layer
            rest = base + copies + extra + gradients + sum(map(size.get, keepers))
            found.append(Moment("cast", need.name, rest + need.gradients + 4 * need.parameters))
        gradients += 4 * need.parameters
    return [*found, Moment("update", "", base + gradients + _update_bytes(net, optimizer_copies, device))]


def _held(needs, i):
    """The inputs of the nn.Sequentials that layer i lies in: their caller holds each until its last layer is done."""
    parts = needs[i].name.split(".")
    outer = [".".join(parts[:k]) + "." for k in range(1, len(parts))]
    return [next(need.tensors[0] for need in needs if need.name.startswith(path)) for path in outer]


def _update_bytes(net, optimizer_copies, device):
    """What an update needs beside gradients and state: the roots of Adam's second moments, otherwise nothing."""
    if optimizer_copies < 2:
        return 0
    if device == "cuda":
        return 4 * parameter_count(net)  # of all parameters together
    return 2 * 4 * max(p.numel() for p in net.parameters())  # of one after the other; the root, and its quotient


def predicted_peak(net, shape, training, optimizer_copies=0, bf16=False, device="cpu"):
    """The most bytes alive at once in one step, by `moments`, whose arguments these are."""
    return max(moment.nbytes for moment in moments(net, shape, training, optimizer_copies, bf16, device))


def peak_moment(found, workspace=None):
    """The Moment of a list at which most is alive; with `workspace`, {(phase, layer): bytes} comes on top."""
    workspace = workspace or {}
    with_it = [Moment(m.phase, m.layer, m.nbytes + workspace.get((m.phase, m.layer), 0)) for m in found]
    return max(with_it, key=lambda moment: moment.nbytes)


def measured_workspace(net, shape, training, bf16=False, device="cpu"):
    """{(phase, layer): bytes} that each layer, run alone, allocates beyond what `moments` counts for it: measured."""
    device, net, known = torch.device(device), copy.deepcopy(net).to(device).train(training), {}
    needs = _needs(net, shape, bf16, device.type)

    def steps():  # a layer's tensors are made as its turn comes, so that those of one layer alone exist
        dtype = torch.float32
        for need, (name, _, in_shape, _) in zip(needs, trace_layers(net, shape), strict=True):
            layer = net.get_submodule(name)
            if need.casts:
                layer, dtype = layer.to(torch.bfloat16), torch.bfloat16  # as autocast has it, its copies apart
            x = torch.ones(in_shape, dtype=dtype, device=device).requires_grad_(training and need.passes_gradient)
            outputs = []

            def forward(layer=layer, x=x, outputs=outputs):
                with torch.set_grad_enabled(training):
                    outputs.append(layer(x))

            known["forward", name] = need.new - need.extra * need.copies_input
            yield forward
            out = outputs.pop()
            if out.requires_grad:
                gradient = torch.ones_like(out)
                known["backward", name] = need.gradients
                yield lambda out=out, gradient=gradient: out.backward(gradient)
                layer.zero_grad()

    peaks = measured_peaks(steps(), device)
    return {place: max(0, peak.asked - known[place]) for place, peak in zip(known, peaks, strict=True)}
