"""The sample in the repository, as sheets that a browser decodes, too: python -m nin sample"""

import argparse
import json

from PIL import Image

from ..data import SAMPLE, load, source

PART = {"train": 4_000, "test": 1_000}  # the first images of the training and of the test set
SHEET, ACROSS = 1_000, 40  # images on a sheet; in one of its rows


def sheet(images):
    """Images, uint8 (n, 1, 28, 28), as one array (n / 40 * 28, 40 * 28): tiles, row by row."""
    return images.view(-1, ACROSS, 28, 28).transpose(1, 2).reshape(-1, ACROSS * 28).numpy()


def write(folder):
    """Writes the sheets and the labels of the real set's first images to `folder`; raises as `load` does."""
    labels = {}
    for part, n in PART.items():
        split = load(train=part == "train").take(n)
        labels[part] = split.labels.tolist()
        for k, images in enumerate(split.images.split(SHEET)):
            # Greyscale with no colour profile: a browser shows these very values.
            Image.fromarray(sheet(images)).save(folder / f"{part}-{k}.png", optimize=True)
    (folder / "labels.json").write_text(json.dumps(labels, separators=(",", ":")) + "\n", "utf-8")


def main(arguments=()):
    """Write the sample from the real set."""
    parser = argparse.ArgumentParser(prog="python -m nin sample", description=__doc__)
    parser.parse_args(arguments)
    if source() != "real":
        parser.error("the sample is made from the real set: unset NIN_DATA")
    SAMPLE.mkdir(exist_ok=True)
    write(SAMPLE)
    print(f"written to {SAMPLE}")
