"""The network that runs live in a page: trains it, writes its weights and its still pictures: python -m nin live"""

import argparse
import base64
import datetime
import json
import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from ..data import CLASSES, batches, load, source, to_float
from ..recipes import BEST, SOUND
from ..scale import RESULTS, current, device_name
from ..stem import fold, nodes
from ..training import train
from . import still

STATIC = Path(__file__).resolve().parents[2] / "_static"
SCRIPT, CAPTION = "figures/live-weights.js", "live-network.txt"
STILL, NOTHING = "live-still.txt", "live-nothing.txt"
FLOATS = 600_000  # a network with more weights gets 8 bits for each: with 32, the page would exceed 6 MB
READING = ("orange is evidence for a class, purple with a minus against it. Below each: its mean, which is the logit, "
           "and the probability.")
GREY = 192  # of the front page's picture without a garment
SHOWN = 2  # the class of the garment on the still picture: a pullover has sleeves


@dataclass
class Layer:
    """A convolution with stride 1, then a ReLU and a 3×3 maximum with stride 2 where they are asked for."""

    weight: torch.Tensor  # (out, in, window, window)
    bias: torch.Tensor  # (out,)
    padding: int
    relu: bool = False
    pool: bool = False
    border: int = 0  # rows of zeros that the pool puts around its input, which a ReLU has left without negative values


@torch.no_grad()
def layers(net):
    """A trained net up to its class maps as Layers, with batch norm and, if there is one, the enlargement folded in.

    The first takes the `stem.nodes` of an image where its window is 4×4, else the image itself. Raises ValueError where
    the net has no class maps, or a layer that is none of these.
    """
    if not isinstance(net[-2], nn.AdaptiveAvgPool2d):
        raise ValueError("this network has no class maps: its head does not end in global average pooling")
    found = []
    for layer in (layer for part in net[:-2] for layer in (part if isinstance(part, nn.Sequential) else [part])):
        if isinstance(layer, nn.Conv2d):
            found.append(Layer(layer.weight.double().cpu(), layer.bias.double().cpu(), layer.padding[0]))
        elif isinstance(layer, nn.BatchNorm2d):  # in eval mode: one scale and one shift for each channel
            scale = (layer.weight.double() / (layer.running_var.double() + layer.eps).sqrt()).cpu()
            found[-1].weight = found[-1].weight * scale[:, None, None, None]
            found[-1].bias = (found[-1].bias - layer.running_mean.double().cpu()) * scale + layer.bias.double().cpu()
        elif isinstance(layer, nn.ReLU):
            found[-1].relu = True
        elif isinstance(layer, nn.MaxPool2d):
            found[-1].pool, found[-1].border = True, layer.padding
        elif not isinstance(layer, nn.Dropout):
            raise ValueError(f"the page cannot compute {layer}")
    if found[0].weight.shape[-1] == 11:
        found[0].weight = fold(found[0].weight)
    for layer in found:
        layer.weight, layer.bias = layer.weight.float(), layer.bias.float()
    return found


@torch.no_grad()
def folded_maps(network, images):
    """What the page computes, in torch: Layers and images (n, 1, 28, 28), uint8, to class maps (n, k, cells, cells)."""
    x = to_float(images)
    x = nodes(x) if network[0].weight.shape[-1] == 4 else x
    for layer in network:
        x = F.conv2d(x, layer.weight, layer.bias, padding=layer.padding)
        x = x.relu() if layer.relu else x
        x = F.max_pool2d(x, 3, 2, layer.border) if layer.pool else x
    return x


def accuracy(network, split):
    """The fraction of a split that Layers classify correctly."""
    right = sum((folded_maps(network, images).mean((2, 3)).argmax(1) == labels).sum() for images, labels in
                batches(split, 250))
    return int(right) / len(split)


def is_small(network):
    """Whether the page holds the weights as they are."""
    return sum(layer.weight.numel() for layer in network) <= FLOATS


def rounded(network):
    """The Layers with 8 bits for each weight, a whole number from -127 to 127 times a step of its output channel's."""
    return [replace(layer, weight=(layer.weight / step).round() * step) for layer, step in zip(network, steps(network))]


def steps(network):
    """For each Layer the steps (out, 1, 1, 1) to which `rounded` rounds its weights."""
    return [layer.weight.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-30) / 127 for layer in network]


def recipe(name, width=None, num_epochs=None):
    """The "best" recipe or the "sound" one, of another width or for other epochs where they are asked for."""
    base = BEST if name == "best" else SOUND
    return replace(base, num_epochs=num_epochs or base.num_epochs,
                   variant=replace(base.variant, width=width or base.variant.width))


def record(run, network, test_set, name):
    """Where the weights come from, a recipe's name among it: what the page says of them."""
    return {"device": device_name(), "torch": torch.__version__, "date": str(datetime.date.today()),
            "data": source(), "epochs": len(run.history), "training images": run.train_images,
            "seed": run.recipe.seed, "recipe": name, "width": run.recipe.variant.width,
            "test images": len(test_set), "test accuracy": accuracy(network, test_set)}


def sentence(about):
    """A record in words."""
    width = about["width"]
    wide = "as wide as the section's" if width == 1 else f"{width:.3g} times as wide as the section's"
    images = "images of Fashion-MNIST" if about["data"] == "real" else "images of a sample of Fashion-MNIST"
    epochs = "1 epoch" if about["epochs"] == 1 else f"{about['epochs']} epochs"
    name = ("the last rung of the ladder in chapter 4" if about.get("recipe") == "best" else
            "the sound recipe of chapter 3")
    return (f"The weights were trained on {about['device']} with torch {about['torch']}, {about['date']}: {name}, "
            f"seed {about['seed']}, {epochs} over {about['training images']:,} {images}, "
            f"with every layer before the class maps {wide}. What this page computes classifies "
            f"{100 * about['test accuracy']:.2f}% of {about['test images']:,} test images correctly.")


def cells(network):
    """What a cell of the class maps is, in words: how many there are, how far apart, and the window that one sees."""
    window, apart = 1, 1  # of the first layer's positions
    for layer in reversed(network):
        if layer.pool:
            window, apart = 2 * window + 1, 2 * apart
        window += layer.weight.shape[-1] - 1 if layer is not network[0] else 0
    count = folded_maps(network, torch.zeros(1, 1, 28, 28, dtype=torch.uint8)).shape[-1]
    if network[0].weight.shape[-1] == 4:  # a position is half a pixel wide, and sees 11 enlarged pixels
        apart, seen = apart // 2, f"of {11 + 4 * (window - 1)} of the 224 enlarged pixels"
    else:
        window += network[0].weight.shape[-1] - 1
        seen = f"of {window} of the 28 pixels" if window < 28 else f"of {window} pixels, more than the picture's 28"
    return (f"Each map has {count}×{count} cells. Neighbouring cells lie {apart} pixels of the picture apart, and each "
            f"sees a window {seen}.")


def script(network, about):
    """The network as a script for the page, its weights with 8 bits each if it is not small; `read` is its inverse."""
    shapes = [{"outputs": layer.weight.shape[0], "inputs": layer.weight.shape[1], "window": layer.weight.shape[2],
               "padding": layer.padding, "relu": layer.relu, "pool": layer.pool, "border": layer.border}
              for layer in network]
    rows = ",\n    ".join(map(json.dumps, shapes))
    head = ("// A trained network, written by nin.pages.live: batch norm and any enlargement folded in.\n"
            f"figures.network = {{\n  about: {json.dumps(about)},\n  layers: [\n    {rows}\n  ],\n")
    if is_small(network):
        values = torch.cat([part.flatten() for layer in network for part in (layer.weight, layer.bias)])
        return (f"{head}  // Little-endian float32: each layer's weights (output, input, row, column), then biases.\n"
                f"  weights: {_packed(values.numpy().astype('<f4'))},\n}};\n")
    values = torch.cat([(layer.weight / step).round().flatten() for layer, step in zip(network, steps(network))])
    others = torch.cat([part.flatten() for layer, step in zip(network, steps(network)) for part in (step, layer.bias)])
    return (f"{head}  // Whole numbers from -127 to 127, each layer's weights (output, input, row, column).\n"
            f"  weights: {_packed(values.numpy().astype('i1'))},\n"
            "  // Little-endian float32: for each layer, what an output's numbers are multiplied by; then its biases.\n"
            f"  steps: {_packed(others.numpy().astype('<f4'))},\n}};\n")


def _packed(values):
    """A numpy array as a script's expression for its bytes."""
    return f'figures.bytes("{base64.b64encode(values.tobytes()).decode()}", {values.nbytes})[0]'


def read(text):
    """A script's Layers and record."""
    parts = [bytearray(base64.b64decode(part.split('"')[0])) for part in text.split('figures.bytes("')[1:]]
    floats = len(parts) == 1
    values = torch.frombuffer(parts[0], dtype=torch.float32 if floats else torch.int8).float()
    others = None if floats else torch.frombuffer(parts[1], dtype=torch.float32)
    network, at, after = [], 0, 0
    for row in json.loads(text.split("layers: ")[1].split("],\n")[0] + "]"):
        outputs, shape = row["outputs"], (row["outputs"], row["inputs"], row["window"], row["window"])
        weight, at = values[at:at + math.prod(shape)].view(shape), at + math.prod(shape)
        if floats:
            bias, at = values[at:at + outputs], at + outputs
        else:
            step, bias = others[after:after + 2 * outputs].view(2, outputs)
            weight, after = weight * step[:, None, None, None], after + 2 * outputs
        network.append(Layer(weight, bias, row["padding"], row["relu"], row["pool"], row.get("border", 0)))
    return network, json.loads(text.split("about: ")[1].split(",\n")[0])


def answer(network, image):
    """The answer to an image, uint8 (1, 1, 28, 28): class maps (k, cells, cells), logits (k,), probabilities (k,)."""
    maps = folded_maps(network, image)[0]
    logits = maps.mean((1, 2))
    return maps, logits, logits.softmax(0)


def picture(network, image, name):
    """The class maps over an image as SVG, and the two most probable answers in words."""
    maps, logits, p = answer(network, image)
    first, second = p.argsort(descending=True)[:2].tolist()
    words = f"{CLASSES[first]} {p[first]:.2f}, {CLASSES[second]} {p[second]:.2f}"
    texts = [f"{logit:+.1f} → {q:.2f}".replace("-", "−") for logit, q in zip(logits, p)]
    return still.drawing(name, image[0, 0], maps, CLASSES, texts, first, f"Ten class maps. {words}."), words


def garment(network, split):
    """The still picture's image, uint8 (1, 1, 28, 28): the first such garment that is classified right."""
    candidates = split.images[split.labels == SHOWN][:100]
    right = (folded_maps(network, candidates).mean((2, 3)).argmax(1) == SHOWN).nonzero().flatten().tolist()
    return candidates[right[0] if right else 0][None]


def nothing(network, about):
    """What the network says of a picture without a garment: the hook of the front page, in Markdown."""
    image = torch.full((1, 1, 28, 28), GREY, dtype=torch.uint8)
    p = answer(network, image)[2]
    drawn, words = picture(network, image, "still-nothing")
    return (f"**Show this network an even grey, and it is {p.max():.0%} sure of its answer: "
            f"{CLASSES[p.argmax()]}.** It classifies {100 * about['test accuracy']:.1f}% of "
            f"{about['test images']:,} test images correctly. What does it see there?\n\n{drawn}\n\n"
            f"*The network's ten class maps over the even grey: {READING} The answer: {words}.*\n")


def write(network, about, test_set, folder=STATIC):
    """The texts that belong to the weights, with still pictures: the live page's two, and the front page's."""
    drawn, words = picture(network, garment(network, test_set), "still-garment")
    (folder / STILL).write_text(
        f"{drawn}\n\n*The class maps over a {CLASSES[SHOWN]} of the test set: {READING} The network's answer: {words}. "
        f"With JavaScript, this place holds the network itself, on garments to pick, cover, draw or shift.*\n",
        encoding="utf-8")
    (folder / CAPTION).write_text(f"{cells(network)} {sentence(about)}\n", encoding="utf-8")
    (folder / NOTHING).write_text(nothing(network, about), encoding="utf-8")


def main(arguments=None):
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m nin live", description=__doc__.split(":")[0])
    parser.add_argument("--recipe", choices=["best", "sound"], default="best",
                        help="the ladder's best, or the sound one")
    parser.add_argument("--width", type=float, help="of all layers before the class maps")
    parser.add_argument("--epochs", type=int, help="default: the recipe's own")
    parser.add_argument("--keep", action="store_true", help="train nothing: write pictures and texts anew for the "
                        "weights that are there")
    parser.add_argument("--static", type=Path, default=STATIC, help="folder that the files are written to")
    options = parser.parse_args(arguments)
    if options.width is not None and not options.width > 0:
        parser.error("--width must be above 0: 0.5 halves the channels of all layers before the class maps")
    if options.epochs is not None and options.epochs < 1:
        parser.error("--epochs must be at least 1")
    scale = current()
    if scale.name == "smoke" and options.static == STATIC:
        parser.error("the page shows no network trained at smoke scale: rehearse with another folder (--static)")
    test_set = load(train=False).take(scale.test_images)
    if options.keep:
        network, about = read((options.static / SCRIPT).read_text("utf-8"))
    else:
        chosen = scale.fit(recipe(options.recipe, options.width, options.epochs))
        checkpoint = RESULTS / f"live-{scale.name}.part"
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        try:
            run = train(chosen, load(train=True).take(scale.train_images), test_set, checkpoint=checkpoint)
        except KeyboardInterrupt:
            sys.exit("stopped before the first epoch was finished: nothing is kept")
        if run.interrupted:
            sys.exit("stopped: every finished epoch is kept, and the same command goes on from there")
        network = layers(run.net)
        network = network if is_small(network) else rounded(network)
        about = record(run, network, test_set, options.recipe)
        (options.static / SCRIPT).parent.mkdir(parents=True, exist_ok=True)
        (options.static / SCRIPT).write_text(script(network, about), encoding="utf-8")
    write(network, about, test_set, options.static)
    if not options.keep:
        checkpoint.unlink()
    print(f"{sentence(about)}\nwritten to {options.static}, with {CAPTION}, {STILL} and {NOTHING}")


if __name__ == "__main__":
    main()
