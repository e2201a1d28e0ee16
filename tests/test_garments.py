"""The sprite for the touchable figures."""

import base64
import json
import re
from pathlib import Path

import torch

from nin import data
from nin.pages import garments


def test_the_script_holds_the_images_that_it_names():
    split = data.load(train=False)
    text = garments.script(split, per_class=2)
    labels, indices = (json.loads(re.search(rf"{name}: (\[.*?\])", text)[1]) for name in ("labels", "indices"))
    assert labels == [k for k in range(10) for _ in range(2)] == split.labels[indices].tolist()
    pixels = torch.frombuffer(bytearray(base64.b64decode(re.search(r'bytes\("(.*?)"', text)[1])), dtype=torch.uint8)
    assert torch.equal(pixels.view(20, 1, 28, 28), split.images[indices])


def test_the_stored_script_is_small_and_of_this_form():
    stored = Path(garments.SCRIPT).read_text("utf-8")
    assert len(stored) < 40_000 and json.loads(re.search(r"classes: (\[.*?\])", stored)[1]) == list(data.CLASSES)
    assert len(json.loads(re.search(r"labels: (\[.*?\])", stored)[1])) == 30
