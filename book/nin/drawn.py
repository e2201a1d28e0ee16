"""Drawn garments: a small deterministic stand-in for Fashion-MNIST, in the same ten classes and the same files."""

import json
import os
import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np

MANIFEST = "drawn.json"  # the checksums of the files and of this module
SIZES = {"train": 2000, "t10k": 500}
ROW, COLUMN = np.mgrid[0:28, 0:28].astype(np.float64)[:, None]  # each (1, 28, 28), in pixels from the top left


# Only uniform draws, + - * / and square roots, one operation at a time: IEEE arithmetic rounds these the same way on
# every machine, so the files have the same bytes everywhere.


def polygon(x, y, corners):
    """Cover, from 0 to 1 with an edge one pixel soft, of a convex polygon whose corners (x, y) go clockwise."""
    inside = np.inf
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1]):
        dx, dy = x1 - x0, y1 - y0
        inside = np.minimum(inside, (dx * (y - y0) - dy * (x - x0)) / np.sqrt(dx * dx + dy * dy))
    return np.clip(inside + 0.5, 0, 1)


def ellipse(x, y, a, b):
    """Cover of an ellipse about the origin with the half-axes `a` and `b`, in pixels."""
    return np.clip((1 - np.sqrt((x / a) ** 2 + (y / b) ** 2)) * np.minimum(a, b) + 0.5, 0, 1)


def line(x, y, start, end, width):
    """Cover of a straight stroke, `width` pixels wide."""
    (x0, y0), (x1, y1) = start, end
    dx, dy = x1 - x0, y1 - y0
    along = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy), 0, 1)
    distance = np.sqrt((x - x0 - along * dx) ** 2 + (y - y0 - along * dy) ** 2)
    return np.clip(width / 2 - distance + 0.5, 0, 1)


def top(x, y, length, width, sleeve, flare=0.0):
    """Cover of a trunk with two sleeves, `x` counted from the middle; `sleeve` runs from 0, shoulder, to 1, wrist."""
    shoulder, hem = width - 1.0, width + flare
    trunk = polygon(x, y, [(-1, 2.5), (3, 2.5), (shoulder, 4), (width - 0.5, 11), (hem, length), (-1, length)])
    outer_x, outer_y = shoulder + 1.5 + 4 * np.minimum(1, 1.5 * sleeve), 6 + 17 * sleeve
    arm = polygon(x, y, [(shoulder - 1.5, 3), (shoulder, 4), (outer_x, outer_y), (outer_x - 2.7, outer_y + 1.2),
                         (shoulder - 0.3, 9)])
    return np.maximum(trunk, arm)


# Each garment takes `u(low, high)`, which draws one number per image, and the pixels' coordinates, (n, 28, 28); it
# returns the cloth's cover and its shade, both from 0 to 1.


def t_shirt(u, x, y):
    cloth = top(x, y, u(20, 26), u(6, 7.5), u(0.2, 0.45))
    return cloth * (1 - ellipse(x, y - 2, u(2.5, 3.5), u(1.2, 3))), 1


def trouser(u, x, y):
    waist, ankle, gap = u(3.5, 5), u(4.5, 6.5), u(0.6, 2)
    return polygon(x, y, [(-0.5, 1.5), (waist, 1.5), (ankle, u(24, 27)), (gap, 26.5), (0, u(7, 10))]), 1


def pullover(u, x, y):
    length = u(22, 26)
    cloth = top(x, y, length, u(6, 7.5), u(0.85, 1))
    hem = 1 - u(0.1, 0.4) * (np.abs(y - length + 2.5) < 0.6)
    return cloth * (1 - ellipse(x, y - 2.2, u(2.2, 3), u(1, 1.8))), hem


def dress(u, x, y):
    waist, hem, middle = u(2.5, 4), u(5, 8), u(9, 12)
    bodice = polygon(x, y, [(-1, 4), (u(3, 4.5), u(1.5, 4)), (waist, middle), (-1, middle)])
    skirt = polygon(x, y, [(-1, middle - 1), (waist, middle - 1), (hem, u(25, 27)), (-1, 27)])
    return np.maximum(bodice, skirt) * (1 - ellipse(x, y - 2.5, u(1.5, 2.5), u(1.5, 3))), 1


def coat(u, x, y):
    cloth = top(x, y, u(25, 27), u(6, 7.5), u(0.85, 1), u(0.0, 1.2))
    front = 1 - u(0.15, 1) * np.clip(1.1 - x, 0, 1)
    lapel = 1 - u(0.1, 0.7) * line(x, y, (3.2, 2.5), (0.3, u(9, 13)), 1)
    return cloth, front * lapel


def sandal(u, x, y):
    heel, sole = u(13, 20), 21.5
    foot = polygon(x, y, [(2, sole - 1.5), (12, sole - 2), (25, heel), (25, heel + 1.6), (12, sole + 0.3), (2, sole)])
    stick = polygon(x, y, [(23.2, heel), (25, heel), (25, sole), (u(22.5, 24), sole)])
    straps = [line(x, y, (u(4, 6), sole - 1), (u(7, 10), sole - u(5, 7)), 1.2),
              line(x, y, (u(8, 9), sole - u(5, 6)), (u(12, 14), sole - 2), 1.2),
              line(x, y, (u(16, 18), sole - 4), (24, heel - u(4, 6)), 1.2),
              line(x, y, (24.5, heel), (24, heel - 5), 1.2)]
    return np.maximum.reduce([foot, stick, *straps]), 1


def shirt(u, x, y):
    long = u(0, 1) > 0.3
    cloth = top(x, y, u(22, 26), u(5.5, 7.2), np.where(long, u(0.8, 1), u(0.2, 0.45)))
    buttons = 1 - u(0.1, 0.9) * (x < 0.8) * (np.abs((y % 4) - 2) < 0.8) * (y > 5)
    collar = 1 - u(0.2, 0.8) * line(x, y, (3.4, 3), (0.5, 6), 1.1)
    return cloth * (1 - polygon(x, y, [(-2, 2), (2, 2), (0, u(4, 6))])), buttons * collar


def sneaker(u, x, y):
    low, back = u(11, 13), u(10, 12.5)
    body = polygon(x, y, [(2, 17), (6, 15.5), (14, low), (16, low), (16, 20), (2, 20)])
    heel = polygon(x, y, [(15, low), (19, low + 1.5), (25, back), (26, 20), (15, 20)])
    sole = polygon(x, y, [(1.5, 19), (26, 19), (26, u(20.5, 22)), (2.5, 21)])
    laces = u(0.3, 0.8) * line(x, y, (8, 16.5), (14, low + 1.5), 1.4) * ((x % 2) < 1)
    return np.maximum.reduce([body, heel, sole]), (1 - laces) * np.where(y > 18.5, 1, u(0.5, 0.9))


def bag(u, x, y):
    high, low, wide = u(9, 12), u(22, 25), u(8.5, 11.5)
    body = polygon(x, y, [(-1, high), (wide - u(0, 2), high), (wide, low), (-1, low)])
    handle, a, b = y - high, u(4, 6.5), u(4, 7)
    ring = ellipse(x, handle, a, b) * (1 - ellipse(x, handle, a - 1.5, b - 1.5))
    flap = 1 - u(0.2, 0.6) * (np.abs(y - high - u(3, 6)) < 0.7)
    return np.maximum(body, ring), flap


def ankle_boot(u, x, y):
    rim, low = u(3, 7), u(23, 25)
    shaft = polygon(x, y, [(u(12, 14), rim), (24, rim + u(-1, 1)), (25, low - 1), (12, low - 1)])
    foot = polygon(x, y, [(2.5, 19.5), (6, 17.5), (14, 14), (20, 14), (20, low - 1), (2, low - 1)])
    sole = polygon(x, y, [(2, low - 2), (25, low - 2), (25, low - 0.8), (2, low - 0.8)])
    heel = polygon(x, y, [(19, low - 2), (25, low - 2), (25, low + 1), (u(18, 20), low + 1)])
    return np.maximum.reduce([shaft, foot, sole, heel]), np.where(y > low - 2, u(0.4, 1), 1)


GARMENTS = (t_shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle_boot)  # in label order
SIDE_VIEWS = (sandal, sneaker, ankle_boot)  # the others are the same left and right of their middle line


def draw(label, n, seed):
    """`n` images of the class `label` as a uint8 array (n, 28, 28), grey on black, the same for the same `seed`."""
    rng = np.random.default_rng([seed, label])

    def u(low, high):
        return low + (high - low) * rng.random((n, 1, 1))

    garment = GARMENTS[label]
    y = ROW + u(-1, 1)
    x = COLUMN - 13.5 + u(-1, 1) + u(-0.06, 0.06) * (y - 14)  # sheared: the garment leans a little to one side
    side = garment in SIDE_VIEWS
    cover, shade = garment(u, x + 13.5 if side else np.abs(x), y)
    period, phase = u(3, 6), u(0, 6)
    striped = (u(0, 1) < (0.05 if side else 0.25)) * ((np.where(u(0, 1) < 0.7, y, x) + phase) % period < period / 2)
    grain = 1 + u(0.02, 0.15) * (2 * rng.random((n, 28, 28)) - 1)
    light = u(90, 250) * (1 + u(-0.012, 0.012) * x) * (1 + u(-0.01, 0.01) * (y - 14))
    return np.clip(np.rint(cover * shade * (1 - u(0.2, 0.6) * striped) * grain * light), 0, 255).astype(np.uint8)


def files():
    """The four files in the original's format, as a dictionary from name to bytes; each split balanced, shuffled."""
    contents = {}
    for seed, (name, n) in enumerate(SIZES.items()):
        labels = np.arange(n) % 10
        images = np.empty((n, 28, 28), np.uint8)
        for label in range(10):
            images[labels == label] = draw(label, n // 10, seed)
        order = np.argsort(np.random.default_rng(seed).random(n))
        contents[f"{name}-images-idx3-ubyte"] = struct.pack(">4i", 2051, n, 28, 28) + images[order].tobytes()
        contents[f"{name}-labels-idx1-ubyte"] = struct.pack(">2i", 2049, n) + labels[order].astype(np.uint8).tobytes()
    return contents


def intact(raw):
    """Whether the folder `raw` holds the four files, undamaged, as this version of this module draws them."""
    raw = Path(raw)
    try:
        drawn = json.loads((raw / MANIFEST).read_text())
        return drawn.pop("drawn.py") == crc32(__file__) and all(crc32(raw / name) == drawn[name] for name in drawn)
    except (OSError, ValueError):  # a file is missing, or the manifest is no JSON
        return False


def write(raw):
    """Draws the set into the folder `raw`, which must exist, each file in one step; raises OSError where it cannot."""
    contents = files()
    sums = {"drawn.py": crc32(__file__)} | {name: zlib.crc32(content) for name, content in contents.items()}
    with tempfile.TemporaryDirectory(dir=raw, prefix=".drawing-") as new:
        for name, content in [*contents.items(), (MANIFEST, json.dumps(sums).encode())]:  # the manifest comes last
            (Path(new) / name).write_bytes(content)
            os.replace(Path(new) / name, Path(raw) / name)


def crc32(path):
    """The CRC-32 checksum of a file."""
    return zlib.crc32(Path(path).read_bytes())
