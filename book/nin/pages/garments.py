"""A small sprite of test images for the touchable figures: python -m nin garments"""

import argparse
import base64
import json
from pathlib import Path

import torch

from ..data import CLASSES, load

SCRIPT = Path(__file__).resolve().parents[2] / "_static" / "figures" / "garments.js"


def script(split, per_class=3):
    """A script that holds the first few images of each class, class by class; the split needs that many of each."""
    chosen = torch.cat([(split.labels == k).nonzero().flatten()[:per_class] for k in range(len(CLASSES))])
    pixels = base64.b64encode(split.images[chosen].numpy().tobytes()).decode()
    return ("// Fashion-MNIST test images (Xiao, Rasul & Vollgraf 2017, MIT licence), written by nin.pages.garments.\n"
            f"figures.garments = {{\n  classes: {json.dumps(list(CLASSES))},\n"
            f"  labels: {split.labels[chosen].tolist()},  // places in classes\n"
            f"  indices: {chosen.tolist()},  // in the test set\n"
            "  // One Uint8Array of 28 rows of 28 grey values for each label.\n"
            f"  images: figures.bytes(\"{pixels}\", {28 * 28}),\n}};\n")


def main(arguments=()):
    """Write the script from the test set."""
    argparse.ArgumentParser(prog="python -m nin garments", description=__doc__).parse_args(arguments)
    SCRIPT.parent.mkdir(parents=True, exist_ok=True)
    SCRIPT.write_text(script(load(train=False)), encoding="utf-8")
    print(f"written to {SCRIPT}")


if __name__ == "__main__":
    main()
