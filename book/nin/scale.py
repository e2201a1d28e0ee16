"""How much work a cell does here, and on what device. Chapters 1 to 7."""

import datetime
import functools
import itertools
import os
import platform
import re
import subprocess
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

# Recorded runs, and rows of benchmarks.
RESULTS = Path(__file__).resolve().parents[1] / "results"
POCKET = 0.25  # the pocket network's width


@dataclass(frozen=True)
class Scale:
    """Turns the section's numbers into those used here; `full` leaves them."""

    name: str
    pocket: bool  # the pocket network: 28×28 images as they are, a quarter as wide
    live_epochs: int  # of a live cell, at most
    patient_epochs: int  # of the one cell that may take longer
    max_epochs: int  # of a recorded run, at most
    max_batch_size: int
    train_images: int
    test_images: int
    loader_batches: int  # of d2l's data loader, which reads images one by one
    max_seeds: int

    def epochs(self, n, patient=False):
        """At most n epochs: as many as take a minute or, with d2l's trainer, six."""
        return min(n, self.patient_epochs if patient else self.live_epochs)

    def batch_size(self, n):
        """At most n examples per batch."""
        return min(n, self.max_batch_size)

    def seeds(self, n):
        """The seeds 0 to n - 1, or the first few of them."""
        return range(min(n, self.max_seeds))

    def variant(self, variant):
        """A variant at this scale's size."""
        if not self.pocket:
            return variant
        return replace(variant, native=True, width=POCKET * variant.width)

    def fit(self, recipe):
        """A recipe as it is recorded here: its network's size, epochs and batches."""
        return replace(
            recipe, variant=self.variant(recipe.variant),
            batch_size=self.batch_size(recipe.batch_size),
            num_epochs=min(recipe.num_epochs, self.max_epochs),
            first=None if recipe.first is None else self.fit(recipe.first))

    def live(self, recipe):
        """A recipe as a live cell trains it: fitted, with epochs to wait for."""
        return replace(self.fit(recipe), num_epochs=self.epochs(recipe.num_epochs))

    def limit(self, loader):
        """A data loader's first batches: all of them where there is the time."""
        if self.loader_batches >= len(loader):
            return loader
        return _First(loader, self.loader_batches)

    def checkpoint(self, name):
        """The file of a live run of the section's network; None at pocket size.

        The run goes on from it. A finished one stays there and is shown at once: delete
        the file to train anew.
        """
        if self.name != "full":
            return None
        folder = Path(__file__).resolve().parents[2] / "_build" / "live"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.part"

    def __str__(self):
        if self == SCALES["full"]:
            return "full: the section's own settings"
        size = "the pocket network" if self.pocket else "the section's network"
        return (f"{self.name}: {size}, {self.train_images:,} training and "
                f"{self.test_images:,} test images, at most {self.live_epochs} epochs "
                f"in a cell")


class _First:
    """The first n batches of a loader, each time it is iterated."""

    def __init__(self, loader, n):
        self.loader, self.n = loader, n

    def __len__(self):
        return self.n

    def __iter__(self):
        return itertools.islice(self.loader, self.n)


ALL = 10**9
SCALES = {scale.name: scale for scale in (
    Scale("full", False, ALL, ALL, ALL, ALL, 60_000, 10_000, ALL, ALL),
    Scale("pocket", True, 3, 5, ALL, ALL, 60_000, 10_000, ALL, 20),
    Scale("smoke", True, 1, 1, 1, 8, 48, 48, 5, 2),
)}


def current():
    """The scale that NIN_SCALE names, else `full` where there is a GPU, else `pocket`.

    NIN_IMAGES and NIN_EPOCHS, whole numbers, cut any scale down: for a try of what is
    slow. Raises ValueError where one of the three is something else.
    """
    asked = os.environ.get("NIN_SCALE")
    name = asked or ("full" if device().type == "cuda" else "pocket")
    if name not in SCALES:
        raise ValueError(f"NIN_SCALE must be one of {', '.join(SCALES)}, not {name!r}")
    cuts = {}
    if images := _whole("NIN_IMAGES"):
        cuts |= {"train_images": images, "test_images": images,
                 "loader_batches": -(-images // 128)}
        if images < 5 * 128:  # d2l's trainer wants five batches at least
            cuts |= {"max_batch_size": max(1, images // 5), "loader_batches": 5}
    if epochs := _whole("NIN_EPOCHS"):
        names = "live_epochs", "patient_epochs", "max_epochs"
        cuts |= dict.fromkeys(names, epochs)
    scale = SCALES[name]
    return replace(scale, **{part: min(most, getattr(scale, part))
                             for part, most in cuts.items()})


def _whole(name):
    """The whole number above zero in an environment variable; None if it is unset."""
    text = os.environ.get(name)
    if text and not (text.isdecimal() and int(text)):
        raise ValueError(f"{name} must be a whole number above zero, not {text!r}")
    return int(text) if text else None


def device():
    """The device that training uses: the first CUDA GPU, else the CPU."""
    import torch  # here, so that recorded runs can be read without it

    return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")


def device_name(threads=None):
    """The GPU's name, or the CPU's and its threads, by default those of torch here."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    threads = threads or torch.get_num_threads()
    return f"CPU ({cpu_name()}, {threads} thread{'s' if threads > 1 else ''})"


@functools.cache
def cpu_name():
    """The CPU's model, with family and number where its name has no digit."""
    try:
        if platform.system() == "Darwin":
            words = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.check_output(words, text=True).strip()
        text = Path("/proc/cpuinfo").read_text()
        lines = dict(re.findall(r"^([^\t\n]+?)\s*: (.*)$", text, re.MULTILINE))
        name = lines.get("model name") or lines["CPU part"]
    except (OSError, subprocess.SubprocessError, KeyError):
        return platform.processor() or platform.machine()
    if any(character.isdigit() for character in name):
        return name
    return f"{name}, family {lines.get('cpu family')}, model {lines.get('model')}"


def about():
    """The lines for the top of a notebook: scale, device, versions and date."""
    return (f"scale {current()}\ndevice {device_name()}\n"
            f"Python {platform.python_version()}, torch {version('torch')}, "
            f"torchvision {version('torchvision')}, {datetime.date.today()}")
