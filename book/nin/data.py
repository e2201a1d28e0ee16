"""Where Fashion-MNIST comes from, and how it is cut into batches."""

import contextlib
import http.client
import os
import shutil
import socket
import tempfile
import threading
import urllib.error
import urllib.request
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from . import drawn

CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
REPOSITORY = Path(__file__).resolve().parents[2]
FILES = {  # unpacked: bytes, CRC-32; torchvision knows the MD5 sums of the packed files
    "train-images-idx3-ubyte": (47_040_016, 0xB4F29F28),
    "train-labels-idx1-ubyte": (60_008, 0x741A4657),
    "t10k-images-idx3-ubyte": (7_840_016, 0x678FE0B1),
    "t10k-labels-idx1-ubyte": (10_008, 0x80142C1F),
}
TIMEOUT = 8  # seconds without a byte after which a network counts as closed


class DataUnreachable(RuntimeError):
    """Fashion-MNIST is not on this machine and could not be brought here; the message says what to do."""


@dataclass(frozen=True, eq=False)
class Split:
    """Images, uint8 (n, 1, 28, 28), and their labels, int64 (n,), on one device."""

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self):
        return len(self.images)

    def to(self, device):
        """The same examples on `device`."""
        return Split(self.images.to(device), self.labels.to(device))

    def take(self, n):
        """The first n examples, or all where there are fewer."""
        return Split(self.images[:n], self.labels[:n])

    def subset(self, indices):
        """The examples at `indices`, a tensor or list of integers, in that order."""
        indices = torch.as_tensor(indices, dtype=torch.int64, device=self.labels.device)
        return Split(self.images[indices], self.labels[indices])


def source():
    """Which set the environment variable NIN_DATA asks for: "real", also where it is not set, or "drawn"."""
    name = os.environ.get("NIN_DATA") or "real"
    if name not in ("real", "drawn"):
        raise ValueError(f"NIN_DATA is {name!r}; allowed are 'real' (Fashion-MNIST, the default) and 'drawn'")
    return name


def root():
    """The folder torchvision and d2l read: the repository's data/, or data/drawn/data for the drawn set."""
    return REPOSITORY / "data" if source() == "real" else REPOSITORY / "data" / "drawn" / "data"


def fetch(folder=None):
    """Makes the four files available and intact under `folder`, by default `root()`, and returns it as a Path.

    Files already there are checked (tens of milliseconds); what is missing comes from the folder named by
    FASHION_MNIST_DIR or from torchvision's download; damaged files are named in a warning and never used.
    Raises DataUnreachable where none of that works or the folder cannot be written. Whatever else lies under these
    names is replaced: a folder holds either the real or the drawn set.
    """
    folder = Path(folder).resolve() if folder is not None else root()
    raw = folder / "FashionMNIST" / "raw"
    if source() == "drawn":
        if not drawn.intact(raw):
            with _writing(raw):
                drawn.write(raw)
    elif damage := {name: why for name in FILES if (why := _damage(raw / name))}:
        for name, why in damage.items():
            if why != "missing":
                warnings.warn(f"{raw / name} is damaged ({why}): it is not used but fetched again", stacklevel=2)
        # All is unpacked in a folder of this call's own, then renamed: no other process ever sees half a file.
        with _writing(raw), tempfile.TemporaryDirectory(dir=raw.parent, prefix=".fetching-") as new:
            _unpack(Path(new), raw)
            for file in (Path(new) / "FashionMNIST" / "raw").iterdir():
                os.replace(file, raw / file.name)
    return folder


def _damage(path):
    """What is wrong with an unpacked file, "missing" if it is, or None."""
    size, checksum = FILES[path.name]
    crc = 0
    try:
        if (found := path.stat().st_size) != size:
            return f"{found:,} bytes instead of {size:,}"
        with path.open("rb") as file:
            while piece := file.read(1 << 18):  # in pieces that fit the cache: twice as fast
                crc = zlib.crc32(piece, crc)
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError as error:
        return f"unreadable: {error.strerror}"
    return None if crc == checksum else "its checksum is wrong"


@contextlib.contextmanager
def _writing(raw):
    """Makes the folder `raw`; says what to do where it, or anything written inside this context, cannot be written."""
    try:
        raw.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise DataUnreachable(
            f"Cannot write the data to {raw} ({error.strerror or error}). Make that folder writable, as with "
            f"`chmod -R u+w {raw.parents[1]}`, with 100 MB free; or copy the repository to a folder of your own and "
            f"run it there.") from error


def _unpack(new, raw):
    """Fills new/FashionMNIST/raw with all files, packed and unpacked; torchvision downloads those found nowhere."""
    from torchvision import (
        datasets,  # here, since importing it takes seconds and is rarely needed
    )

    packed = dict(datasets.FashionMNIST.resources)  # name: MD5 sum
    target = new / "FashionMNIST" / "raw"
    target.mkdir(parents=True)
    failures = _copy(packed, raw, target)
    if named := os.environ.get("FASHION_MNIST_DIR"):
        # A relative path starts at the repository, where `make` runs, not at the notebooks' folder.
        tries = [REPOSITORY / Path(named).expanduser(), Path(named).expanduser()]
        place = next((place for place in tries if place.is_dir()), tries[0])
        failures += _copy(packed, place, target)
        if absent := [name for name in packed if not (place / name).exists()]:
            failures.append(f"FASHION_MNIST_DIR: {place} lacks {', '.join(absent)}")
    else:
        failures += ["FASHION_MNIST_DIR is not set"]
    before = socket.getdefaulttimeout()
    try:
        if missing := [name for name in packed if not (target / name).exists()]:
            _knock(datasets.FashionMNIST.mirrors, missing[0])
        socket.setdefaulttimeout(TIMEOUT)  # torchvision sets none, and would wait for ever
        datasets.FashionMNIST(new, train=False, download=True)  # checks the MD5 sums, too
    except (RuntimeError, urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        failures += [f"download: {' '.join(str(error).split())}"]
        raise DataUnreachable("\n  - ".join([
            f"Fashion-MNIST is not complete and intact in {raw}, and could not be fetched:", *failures]) + f"""
Three ways out:
  1. With a network, run the same again: it downloads 31 MB.
  2. Put {', '.join(packed)} into one folder and name it: `export FASHION_MNIST_DIR=/that/folder` in a shell, \
`%env FASHION_MNIST_DIR=/that/folder` in a notebook.
  3. With neither, use a small drawn set instead: `export NIN_DATA=drawn` in a shell, \
`%env NIN_DATA=drawn` in a notebook.""") from error
    finally:
        socket.setdefaulttimeout(before)


def _copy(packed, place, target):
    """Copies the packed files that are still wanted from one folder to another; returns what is wrong with the others.

    A file counts only if the copy's MD5 sum is right: so what was checked is what is used.
    """
    from torchvision.datasets.utils import check_integrity

    failures = []
    for name, md5 in packed.items():
        path, copy = place / name, target / name
        if copy.exists() or not path.exists():
            continue
        try:
            shutil.copyfile(path, copy)
            if check_integrity(copy, md5):
                continue
            why = f"{path.stat().st_size:,} bytes, wrong MD5 sum" if path.stat().st_size else "it is empty"
        except (PermissionError, IsADirectoryError) as error:
            why = error.strerror
        copy.unlink(missing_ok=True)
        failures.append(f"{path} is damaged ({why})")
        warnings.warn(f"{failures[-1]}: it is not used", stacklevel=2)
    return failures


def _knock(mirrors, name):
    """Raises TimeoutError where no mirror answers within TIMEOUT, all of a look-up and several addresses together."""
    answered = threading.Event()

    def ask():
        for mirror in mirrors:
            # A refusal, too, is an answer: torchvision then says it better.
            with contextlib.suppress(OSError, http.client.HTTPException):
                request = urllib.request.Request(mirror + name, method="HEAD")
                urllib.request.urlopen(request, timeout=2 * TIMEOUT).close()
        answered.set()

    threading.Thread(target=ask, daemon=True).start()  # a look-up of a name cannot be stopped, only left behind
    if not answered.wait(TIMEOUT):
        raise TimeoutError(f"no answer within {TIMEOUT} seconds")


def load(train, folder=None):
    """The training (`train=True`) or test split, real or drawn as NIN_DATA says, on the CPU; raises as `fetch` does."""
    raw = fetch(folder) / "FashionMNIST" / "raw"
    prefix = "train" if train else "t10k"
    # Each file begins with a header: 4 and 2 numbers of 4 bytes, which `fetch` has checked with the rest.
    images = np.fromfile(raw / f"{prefix}-images-idx3-ubyte", np.uint8, offset=16).reshape(-1, 1, 28, 28)
    labels = np.fromfile(raw / f"{prefix}-labels-idx1-ubyte", np.uint8, offset=8)
    return Split(torch.from_numpy(images), torch.from_numpy(labels).long())


def hold_out(split, n=5000, seed=0):
    """Cuts a split at random into (train, validation) with `n` validation examples, the same on every machine."""
    if not 0 < n < len(split):
        raise ValueError(f"cannot hold out {n} of {len(split)} examples: n must lie between 1 and {len(split) - 1}")
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))
    return split.subset(order[n:]), split.subset(order[:n])


def batches(split, batch_size, generator=None):
    """Iterates over (images, labels), each example once: shuffled where a generator is given, else in order.

    The last batch is smaller where `batch_size` does not divide the number of examples.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, not {batch_size}")
    if generator is None:
        return zip(split.images.split(batch_size), split.labels.split(batch_size))
    order = torch.randperm(len(split), generator=generator, device=generator.device).to(split.labels.device)
    return ((split.images[indices], split.labels[indices]) for indices in order.split(batch_size))


def to_float(images):
    """uint8 images (n, 1, 28, 28) as float32 between 0 and 1, as torchvision's ToTensor scales them."""
    _check(images)
    if images.dtype != torch.uint8:
        raise TypeError(f"got {images.dtype} images; wanted torch.uint8, from 0 to 255")
    return images.float().div(255)


def enlarge(images, size=224):
    """Bilinear enlargement of floating-point images (n, 1, 28, 28) to (n, 1, size, size)."""
    _check(images)
    if not images.is_floating_point():
        raise TypeError(f"got {images.dtype} images; wanted floating point, as from to_float")
    if size < 1:
        raise ValueError(f"size must be 1 pixel or more, not {size}")
    return F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)


def _check(images):
    if tuple(images.shape[1:]) != (1, 28, 28) or images.dim() != 4:
        raise ValueError(f"got images of shape {tuple(images.shape)}; wanted (n, 1, 28, 28): "
                         "n grey images, one channel, 28 rows, 28 columns")


@contextlib.contextmanager
def d2l_folder(folder=None):
    """Inside this context the current folder is one from which d2l's `../data` is `folder`, by default `root()`.

    `folder` must be called data. Fetches first, and raises as `fetch` does.
    """
    folder = Path(folder).resolve() if folder is not None else root()
    if folder.name != "data":
        raise ValueError(f"d2l reads ../data, so the folder must be called data, not {folder.name}")
    beside = fetch(folder).parent / "book"
    beside.mkdir(exist_ok=True)
    with contextlib.chdir(beside):
        yield
