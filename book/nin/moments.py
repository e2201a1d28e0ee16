"""The memory of a step, moment by moment, counted from shapes. Chapter 6."""

import copy
import math
from collections import Counter
from dataclasses import dataclass

from .costs import layers, parameter_count


@dataclass(frozen=True)
class Moment:
    """The bytes alive while one layer works."""

    # "forward", "backward", "cast" (gradients in bfloat16 become float32) or "update"
    phase: str
    layer: str  # its path in the network, "2.0"; none in the update
    nbytes: int


def moments(net, shape, training, optimizer_copies=0, bf16=False, device="cpu"):
    """The bytes alive at every moment of one step on images of `shape`: [Moment].

    Counted are parameters, gradients, optimiser state, images and activations;
    workspace, the loss and the allocator's rounding are not. `optimizer_copies` of the
    parameters are the optimiser's state: 0 for plain SGD, 1 with momentum, 2 for Adam.
    `bf16`: the forward pass runs under autocast, whose 2-byte copies of the parameters
    live to its end, those of the weights until their layer's backward pass. `device`
    ("cpu", "cuda") decides the size of a dropout mask and whether Adam updates all
    parameters at once. Every parameter is taken to be trained.
    """
    net = copy.deepcopy(net).train(training)
    rows, parameters = layers(net, shape, 4, bf16, device), 4 * parameter_count(net)
    base = parameters * (1 + optimizer_copies * training) + 4 * math.prod(shape)
    size = {row.tensors[1]: row.out_bytes for row in rows} | {0: 0}  # images: in base
    size |= {row.name: row.extra for row in rows}  # as a tensor with the layer's name

    found, keepers, copies = [], Counter(), 0
    for i, row in enumerate(rows):
        copies += 2 * row.parameters * row.casts
        alive = {*keepers, *row.tensors, row.name, *_held(rows, i)}
        nbytes = base + copies + sum(map(size.get, alive))
        found.append(Moment("forward", row.name, nbytes))
        if training:
            keepers.update([*row.kept, row.name])
    if not training:
        return found

    copies, gradients = sum(2 * row.weights * row.casts for row in rows), 0
    for row in reversed(rows):
        rest = base + copies + gradients + sum(map(size.get, keepers))
        nbytes = rest + row.out_bytes + row.gradients
        found.append(Moment("backward", row.name, nbytes))
        # A tensor that an earlier layer keeps too stays.
        keepers -= Counter([*row.kept, row.name])
        copies -= 2 * row.weights * row.casts
        if row.casts:  # its gradients are copied to float32 before the next layer
            rest = base + copies + gradients + sum(map(size.get, keepers))
            nbytes = rest + row.gradients + 4 * row.parameters
            found.append(Moment("cast", row.name, nbytes))
        gradients += 4 * row.parameters
    roots = 0
    if optimizer_copies == 2:  # of Adam's second moments, all together on a GPU, else
        largest = 4 * max(p.numel() for p in net.parameters())  # a root and a quotient
        roots = parameters if device == "cuda" else 2 * largest  # of one at a time
    return [*found, Moment("update", "", base + gradients + roots)]


def _held(rows, i):
    """The inputs of the nn.Sequentials that layer i lies in, which their callers hold
    until their last layer is done."""
    parts = rows[i].name.split(".")
    outer = [".".join(parts[:k]) + "." for k in range(1, len(parts))]
    return [next(row.tensors[0] for row in rows if row.name.startswith(path))
            for path in outer]


def predicted_peak(*arguments, **options):
    """The most bytes alive at once in one step; arguments as of `moments`."""
    return peak_moment(moments(*arguments, **options)).nbytes


def peak_moment(found, workspace=None):
    """The Moment at which most is alive; {(phase, layer): bytes} may come on top."""
    workspace = workspace or {}
    with_it = [Moment(m.phase, m.layer, m.nbytes + workspace.get((m.phase, m.layer), 0))
               for m in found]
    return max(with_it, key=lambda moment: moment.nbytes)
