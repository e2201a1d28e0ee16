"""The network that runs live in a page: trains it, writes its weights and its still picture: python -m nin.live"""

import argparse
import base64
import datetime
import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from .data import CLASSES, batches, load, source, to_float
from .record import RESULTS
from .scale import current, device, device_name
from .stem import fold, nodes
from .training import SOUND, train

STATIC = Path(__file__).resolve().parents[1] / "_static"
SCRIPT, PICTURE, CAPTION = "figures/live-weights.js", "live-network.png", "live-network.txt"
SHOWN = 2  # the class of the garment on the still picture: a pullover has sleeves


@dataclass
class Layer:
    """A convolution with stride 1, then a ReLU and a 3×3 maximum with stride 2 where they are asked for."""

    weight: torch.Tensor  # (out, in, window, window)
    bias: torch.Tensor  # (out,)
    padding: int
    relu: bool = False
    pool: bool = False


@torch.no_grad()
def layers(net):
    """A trained net up to its class maps as Layers on the `stem.nodes` of an image: batch norm and enlargement folded.

    Raises ValueError where the net has no class maps, or a layer that is none of these.
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
            found[-1].pool = True
        elif not isinstance(layer, nn.Dropout):
            raise ValueError(f"the page cannot compute {layer}")
    found[0].weight = fold(found[0].weight)
    for layer in found:
        layer.weight, layer.bias = layer.weight.float(), layer.bias.float()
    return found


@torch.no_grad()
def folded_maps(network, images):
    """What the page computes, in torch: Layers and images (n, 1, 28, 28), uint8, to class maps (n, k, 5, 5)."""
    x = nodes(to_float(images))
    for layer in network:
        x = F.conv2d(x, layer.weight, layer.bias, padding=layer.padding)
        x = x.relu() if layer.relu else x
        x = F.max_pool2d(x, 3, 2) if layer.pool else x
    return x


def accuracy(network, split):
    """The fraction of a split that Layers classify correctly."""
    right = sum((folded_maps(network, images).mean((2, 3)).argmax(1) == labels).sum() for images, labels in
                batches(split, 250))
    return int(right) / len(split)


def recipe(width=0.5, num_epochs=10):
    """The sound recipe for a network of that width: at 0.5 its weights still fit a page."""
    return replace(SOUND, variant=replace(SOUND.variant, width=width), num_epochs=num_epochs)


def record(run, network, test_set):
    """Where the weights come from: what the page says of them."""
    return {"device": device_name(), "torch": torch.__version__, "date": str(datetime.date.today()),
            "data": source(), "epochs": len(run.history), "training images": run.train_images,
            "minutes": round(sum(epoch["seconds"] for epoch in run.history) / 60, 1), "seed": run.recipe.seed,
            "width": run.recipe.variant.width, "test images": len(test_set),
            "test accuracy": accuracy(network, test_set)}


def sentence(about):
    """A record in words."""
    width = about["width"]
    wide = "as wide as the section's" if width == 1 else f"{width:g} times as wide as the section's"
    images = "drawn garments" if about["data"] == "drawn" else "images of Fashion-MNIST"
    epochs = "1 epoch" if about["epochs"] == 1 else f"{about['epochs']} epochs"
    return (f"The weights were trained on {about['device']} with torch {about['torch']}, {about['date']}: the sound "
            f"recipe of the chapter before, seed {about['seed']}, {epochs} over {about['training images']:,} {images} "
            f"in {about['minutes']:g} minutes, every layer before the class maps {wide}. What this page computes "
            f"classifies {100 * about['test accuracy']:.2f}% of {about['test images']:,} test images correctly.")


def script(network, about):
    """The network as a script for the page; `read` is its inverse."""
    shapes = [{"outputs": layer.weight.shape[0], "inputs": layer.weight.shape[1], "window": layer.weight.shape[2],
               "padding": layer.padding, "relu": layer.relu, "pool": layer.pool} for layer in network]
    values = torch.cat([part.flatten() for layer in network for part in (layer.weight, layer.bias)])
    packed = base64.b64encode(values.numpy().astype("<f4").tobytes()).decode()
    rows = ",\n    ".join(map(json.dumps, shapes))
    return ("// A trained network, written by nin.live: on the 57×57 nodes of nin.stem, batch norm folded in.\n"
            f"figures.network = {{\n  about: {json.dumps(about)},\n  layers: [\n    {rows}\n  ],\n"
            "  // Little-endian float32: each layer's weights (output, input, row, column), then its biases.\n"
            f"  weights: figures.bytes(\"{packed}\", {4 * len(values)})[0],\n}};\n")


def read(text):
    """A script's Layers and record."""
    values = text.split('figures.bytes("')[1].split('"')[0]
    values = torch.frombuffer(bytearray(base64.b64decode(values)), dtype=torch.float32)
    network, start = [], 0
    for row in json.loads(text.split("layers: ")[1].split("],\n")[0] + "]"):
        shape = (row["outputs"], row["inputs"], row["window"], row["window"])
        end = start + torch.Size(shape).numel()
        weight, bias = values[start:end].view(shape), values[end:end + shape[0]]
        start = end + shape[0]
        network.append(Layer(weight, bias, row["padding"], row["relu"], row["pool"]))
    return network, json.loads(text.split("about: ")[1].split(",\n")[0])


def picture(network, split):
    """The still picture, a matplotlib Figure, and what it shows in words: the first such garment classified right."""
    import matplotlib.pyplot as plt

    from . import plots

    plots.style()
    candidates = split.images[split.labels == SHOWN][:100]
    found = folded_maps(network, candidates)
    right = (found.mean((2, 3)).argmax(1) == SHOWN).nonzero().flatten().tolist()
    chosen = right[0] if right else 0
    maps, image = found[chosen], candidates[chosen, 0]
    logits = maps.mean((1, 2))
    p, order = logits.softmax(0), logits.argsort(descending=True).tolist()
    figure, axes = plt.subplots(2, 5, figsize=(7.5, 3.7))
    titles = [f"{name}\n{logit:+.1f} → {q:.2f}" for name, logit, q in zip(CLASSES, logits, p)]
    shown = plots.maps(axes.flat, image.numpy(), maps.numpy(), titles, highlight={SHOWN})
    figure.colorbar(shown, ax=axes, shrink=0.8, label="evidence (logit)")
    return figure, (f"The ten class maps over a {CLASSES[SHOWN]} of the test set. The network's answer: "
                    + ", ".join(f"{CLASSES[k]} {p[k]:.2f}" for k in order[:2]) + ".")


def write(network, about, test_set, folder=STATIC):
    """The page's three files: weights, still picture, and the sentences that stand with it."""
    figure, words = picture(network, test_set)
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    (folder / SCRIPT).write_text(script(network, about), encoding="utf-8")
    figure.savefig(folder / PICTURE)
    (folder / CAPTION).write_text(
        f"![{words} Each map is a grid of five by five cells, orange for the class and purple against it.]"
        f"(_static/{PICTURE})\n\n*{words} Under each name: the map's mean, which is the logit, and the probability.*"
        f"\n\n{sentence(about)}\n", encoding="utf-8")


def main(arguments=None):
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m nin.live", description=__doc__.split(":")[0])
    parser.add_argument("--width", type=float, default=0.5, help="of all layers before the class maps (default: 0.5)")
    parser.add_argument("--epochs", type=int, help="default: 10 with a GPU, else 3")
    parser.add_argument("--keep", action="store_true", help="train nothing: write picture and text anew for the "
                        "weights that are there")
    parser.add_argument("--static", type=Path, default=STATIC, help="folder that the files are written to")
    options = parser.parse_args(arguments)
    scale = current()
    if scale.name != "full" and (options.static == STATIC or not os.environ.get("NIN_SCALE")):
        parser.error("the page shows a network trained at full scale: set NIN_SCALE=full, also where there is no GPU, "
                     "or rehearse with another scale and another folder (--static)")
    test_set = load(train=False).take(scale.test_images)
    if options.keep:
        network, about = read((options.static / SCRIPT).read_text("utf-8"))
    else:
        chosen = scale.fit(recipe(options.width, options.epochs or (10 if device().type == "cuda" else 3)))
        checkpoint = RESULTS / f"live-{scale.name}.part"
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        try:
            run = train(chosen, load(train=True).take(scale.train_images), test_set, checkpoint=checkpoint)
        except KeyboardInterrupt:
            sys.exit("stopped before the first epoch was finished: nothing is kept")
        if run.interrupted:
            sys.exit("stopped: every finished epoch is kept, and the same command goes on from there")
        network = layers(run.net)
        about = record(run, network, test_set)
    write(network, about, test_set, options.static)
    if not options.keep:
        checkpoint.unlink()
    print(f"{sentence(about)}\nwritten to {options.static}: {SCRIPT}, {PICTURE}, {CAPTION}")


if __name__ == "__main__":
    main()
