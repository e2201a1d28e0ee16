"""How much work a training cell does here: all of it on a GPU, a taste on a laptop, seconds in a test."""

import datetime
import itertools
import os
import platform
from dataclasses import dataclass, replace
from importlib.metadata import version

import torch


@dataclass(frozen=True)
class Scale:
    """Turns the section's numbers into those used here; at `full` they are the section's own."""

    name: str
    max_epochs: int
    max_batch_size: int
    train_images: int
    test_images: int
    loader_batches: int  # of d2l's data loader, which enlarges images on the CPU
    max_seeds: int

    def epochs(self, n):
        """At most n epochs."""
        return min(n, self.max_epochs)

    def batch_size(self, n):
        """At most n examples per batch."""
        return min(n, self.max_batch_size)

    def seeds(self, n):
        """The seeds 0 to n - 1, or the first few of them."""
        return range(min(n, self.max_seeds))

    def fit(self, recipe):
        """A recipe with its epochs and batch size cut to this scale."""
        return replace(recipe, num_epochs=self.epochs(recipe.num_epochs), batch_size=self.batch_size(recipe.batch_size))

    def limit(self, loader):
        """A data loader's first batches: all of them at `full`."""
        return loader if self.name == "full" else _First(loader, self.loader_batches)

    def __str__(self):
        if self.name == "full":
            return "full: the section's own settings"
        return (f"{self.name}: {self.train_images:,} training and {self.test_images:,} test images, at most "
                f"{self.max_epochs} epochs, batches of at most {self.max_batch_size}")


class _First:
    """The first n batches of a loader, each time it is iterated."""

    def __init__(self, loader, n):
        self.loader, self.n = loader, min(n, len(loader))

    def __len__(self):
        return self.n

    def __iter__(self):
        return itertools.islice(self.loader, self.n)


SCALES = {scale.name: scale for scale in (
    Scale("full", 10**9, 10**9, 60_000, 10_000, 10**9, 10**9),
    Scale("taste", 2, 32, 6_400, 1_000, 25, 8),
    Scale("smoke", 1, 8, 48, 48, 5, 2),
)}


def current():
    """The scale that NIN_SCALE names, else `full` where there is a CUDA GPU and `taste` where there is none."""
    name = os.environ.get("NIN_SCALE") or ("full" if torch.cuda.is_available() else "taste")
    if name not in SCALES:
        raise ValueError(f"NIN_SCALE must be one of {', '.join(SCALES)}, not {name!r}")
    return SCALES[name]


def device():
    """The device that training uses: the first CUDA GPU, else the CPU."""
    return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")


def device_name():
    """The GPU's name, or the CPU's architecture and the number of threads that torch uses."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    threads = torch.get_num_threads()
    return f"CPU ({platform.machine()}, {threads} thread{'s' if threads > 1 else ''})"


def about():
    """One paragraph for the top of a notebook: scale, device, versions and date."""
    return (f"scale {current()}\ndevice {device_name()}\nPython {platform.python_version()}, torch "
            f"{torch.__version__}, torchvision {version('torchvision')}, {datetime.date.today()}")
