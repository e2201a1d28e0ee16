"""Where Fashion-MNIST comes from, and its batches. Chapters 1, 2, 3, 4, 5 and 7."""

import contextlib
import gzip
import io
import json
import os
import struct
import tempfile
import threading
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pooch
import torch
from torch.nn import functional as F

CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat",
           "sandal", "shirt", "sneaker", "bag", "ankle boot")
REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "book" / "sample"
FILES = {  # of each set, unpacked as torchvision and d2l read them; SHA-1 sums
    "real": {
        "train-images-idx3-ubyte": "b9bd999c0106c9b8b4b0cefce58c9a6060f27095",
        "train-labels-idx1-ubyte": "4bccf37222e01638381eaa326bf730337a597267",
        "t10k-images-idx3-ubyte": "880056926db704f9f713097915f99da346f5b1d1",
        "t10k-labels-idx1-ubyte": "958122e8b4b97fd4e71eca2d08ef754ed77c3ad9",
    },
    "sample": {
        "train-images-idx3-ubyte": "33bb3432b5e8c25104b115879fd41bf7c56eb829",
        "train-labels-idx1-ubyte": "a8897a66645f3d591317923899c39ce9f717f3fd",
        "t10k-images-idx3-ubyte": "7ee0b77637aa220c9168aed9b2b648e4d9fc9805",
        "t10k-labels-idx1-ubyte": "06e1e1dfedcfb988e0537aaeb823cc315cee27c0",
    },
}
MIRROR = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
TIMEOUT = 8  # seconds without a byte after which a network counts as closed
pooch.get_logger().setLevel("WARNING")  # the bar of a download says enough


class DataUnreachable(RuntimeError):
    """Fashion-MNIST could not be brought here; the message says what to do."""


@dataclass(frozen=True, eq=False)
class Split:
    """Images, uint8 (n, 1, 28, 28), and labels, int64 (n,), on one device."""

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
        """The examples at `indices`, integers, in that order."""
        indices = torch.as_tensor(indices, dtype=torch.int64, device=self.labels.device)
        return Split(self.images[indices], self.labels[indices])


def source():
    """Which set NIN_DATA asks for: "real", also where it is not set, or "sample"."""
    name = os.environ.get("NIN_DATA") or "real"
    if name not in FILES:
        raise ValueError(f"NIN_DATA must be 'real' or 'sample', not {name!r}")
    return name


def root():
    """The folder for torchvision and d2l: data/, or data/sample/data for the sample."""
    return REPOSITORY / ("data" if source() == "real" else "data/sample/data")


def fetch(folder=None):
    """Makes the four files complete and intact under `folder`, by default `root()`.

    Returns the folder as a Path. What is there is checked; what is missing comes from
    the folder named by FASHION_MNIST_DIR, else from the download. A damaged file is
    named in a warning and never used. Raises DataUnreachable where no way works.
    """
    folder = Path(folder).resolve() if folder is not None else root()
    for name, sha in FILES[source()].items():
        raw = folder / "FashionMNIST" / "raw"
        if (raw / name).exists():
            if pooch.file_hash(raw / name, "sha1") == sha:
                continue
            warnings.warn(f"{raw / name} is damaged: it is fetched again", stacklevel=2)
        _bring(raw, name, sha)
    return folder


def _bring(raw, name, sha):
    """Puts one file there, by the first way that works."""
    try:
        raw.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=raw).close()
    except OSError as error:
        raise DataUnreachable(
            f"Cannot write to {raw} ({error.strerror}): try `chmod -R u+w "
            f"{raw.parents[1]}`, or copy the repository elsewhere") from error
    named, failures = os.environ.get("FASHION_MNIST_DIR"), []
    # A relative path starts at the repository, not at the notebooks' folder.
    folders = [REPOSITORY / Path(named).expanduser()] if named else []
    for place in [*folders, MIRROR] if source() == "real" else [SAMPLE]:
        url = f"{place}/{name}.gz"
        try:  # pooch checks a temporary file, then renames it: none is seen half done
            pooch.retrieve(url, f"sha1:{sha}", name, raw, downloader=_unpack)
        except (OSError, EOFError, ValueError, zlib.error) as error:
            failures.append(f"{url}: {' '.join(str(error).split())}")
            continue
        for failure in failures:
            warnings.warn(f"{failure}; {place} was used instead", stacklevel=3)
        return
    lines = [f"Fashion-MNIST could not be fetched into {raw}:", *failures]
    raise DataUnreachable("\n  - ".join(lines) + f"""
Three ways out (in a notebook, write %env in place of export):
  1. With a network, run the same again: it downloads 31 MB.
  2. Put {', '.join(f"{file}.gz" for file in FILES["real"])} into one folder and name \
it: export FASHION_MNIST_DIR=/that/folder
  3. Use the set's first images, which are in the repository: export NIN_DATA=sample""")


def _unpack(url, output, _):
    """A downloader for pooch: writes unpacked what an address or a path names."""
    if url.startswith("http"):
        content = gzip.decompress(_download(url))
    elif url.startswith(f"{SAMPLE}/"):
        content = _from_sheets(*Path(url).name.split("-")[:2])
    else:
        content = gzip.decompress(Path(url).read_bytes())
    Path(output).write_bytes(content)
    os.chmod(output, 0o644)  # pooch's temporary file is readable for its owner alone


def _download(url):
    get = pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT)

    def knock():
        with contextlib.suppress(OSError):  # a refusal is an answer, too
            get(url, None, None, check_only=True)

    # Looking up a name may take minutes: it cannot be stopped, only left behind.
    knocking = threading.Thread(target=knock, daemon=True)
    knocking.start()
    knocking.join(TIMEOUT)
    if knocking.is_alive():
        raise TimeoutError(f"no answer within {TIMEOUT} seconds")
    content = io.BytesIO()
    get(url, content, None)
    return content.getvalue()


def _from_sheets(prefix, what):
    from PIL import Image  # here: the real set needs none

    part = {"train": "train", "t10k": "test"}[prefix]
    labels = json.loads((SAMPLE / "labels.json").read_text("utf-8"))[part]
    if what == "labels":
        return struct.pack(">2i", 2049, len(labels)) + bytes(labels)
    sheets = [np.asarray(Image.open(file)) for file in sorted(SAMPLE.glob(f"{part}-*"))]
    tiles = [sheet.reshape(-1, 28, sheet.shape[1] // 28, 28).swapaxes(1, 2).tobytes()
             for sheet in sheets]  # row by row
    return struct.pack(">4i", 2051, len(labels), 28, 28) + b"".join(tiles)


def load(train, folder=None):
    """The training (`train=True`) or test split on the CPU; raises as `fetch` does."""
    raw = fetch(folder) / "FashionMNIST" / "raw"
    prefix = "train" if train else "t10k"
    # Each file begins with a header of 4 and 2 numbers of 4 bytes.
    images = np.fromfile(raw / f"{prefix}-images-idx3-ubyte", np.uint8, offset=16)
    labels = np.fromfile(raw / f"{prefix}-labels-idx1-ubyte", np.uint8, offset=8)
    return Split(torch.from_numpy(images.reshape(-1, 1, 28, 28)),
                 torch.from_numpy(labels).long())


def hold_out(split, n=5000, seed=0):
    """Cuts a split at random, everywhere the same, into (train, n for validation)."""
    if not 0 < n < len(split):
        raise ValueError(f"cannot hold out {n} of {len(split)} examples")
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))
    return split.subset(order[n:]), split.subset(order[:n])


def batches(split, batch_size, generator=None):
    """Iterates over (images, labels), each example once; shuffled by a generator."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, not {batch_size}")
    if generator is None:
        return zip(split.images.split(batch_size), split.labels.split(batch_size))
    order = torch.randperm(len(split), generator=generator, device=generator.device)
    order = order.to(split.labels.device)
    return ((split.images[indices], split.labels[indices])
            for indices in order.split(batch_size))


def to_float(images):
    """uint8 images (n, 1, 28, 28) as float32 between 0 and 1, like ToTensor."""
    _check(images)
    if images.dtype != torch.uint8:
        raise TypeError(f"got {images.dtype} images; wanted torch.uint8, from 0 to 255")
    return images.float().div(255)


def enlarge(images, size=224):
    """Bilinear enlargement of float images (n, 1, 28, 28) to (n, 1, size, size)."""
    _check(images)
    if not images.is_floating_point():
        raise TypeError(f"got {images.dtype} images; wanted floating point: to_float")
    return F.interpolate(images, size=size, mode="bilinear", align_corners=False)


def _check(images):
    if tuple(images.shape[1:]) != (1, 28, 28) or images.dim() != 4:
        raise ValueError(f"got shape {tuple(images.shape)}; wanted (n, 1, 28, 28)")
