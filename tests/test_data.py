"""Where the images come from, what happens when they are damaged or out of reach, and how they are batched."""

import base64
import gzip
import hashlib
import http.server
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import warnings
import zlib
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from torchvision import datasets, transforms

from nin import data
from nin.d2l import d2l_folder
from nin.pages import sample

REAL = os.environ.get("FASHION_MNIST_DIR")
NAMES = list(data.FILES["real"])
CLOSED = "http://127.0.0.1:9"  # a port that nobody listens on
MIRROR = data.MIRROR


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch):
    """No test depends on the caller's settings, or reaches a network."""
    for name in ("NIN_DATA", "FASHION_MNIST_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "*")
    monkeypatch.setattr(data, "MIRROR", CLOSED)


@pytest.fixture
def four_files(tmp_path, monkeypatch):
    """A folder with four small .gz files that count as the originals."""
    folder, sums = tmp_path / "packed", {}
    folder.mkdir()
    rng = np.random.default_rng(0)
    for prefix, n in (("train", 200), ("t10k", 50)):
        for name, header, size in ((f"{prefix}-images-idx3-ubyte", (2051, n, 28, 28), 784 * n),
                                   (f"{prefix}-labels-idx1-ubyte", (2049, n), n)):
            content = struct.pack(f">{len(header)}i", *header) + rng.integers(0, 10, size, np.uint8).tobytes()
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            sums[name] = hashlib.sha1(content).hexdigest()
    monkeypatch.setitem(data.FILES, "real", sums)
    return folder


@pytest.fixture
def mirror(four_files, monkeypatch):
    """A mirror of the four small files on this machine; the list of the files got from it."""
    got = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            if self.command == "GET":
                got.append(self.path.removeprefix("/").removesuffix(".gz"))

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=four_files))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setattr(data, "MIRROR", f"http://127.0.0.1:{server.server_port}")
    yield got
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A folder called data with the real set; skips where there is none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("NIN_DATA", raising=False)
        if intact(data.root()):
            return data.root()
        if not REAL:
            pytest.skip("needs the real Fashion-MNIST: neither data/ nor FASHION_MNIST_DIR has it")
        patch.setenv("FASHION_MNIST_DIR", REAL)
        patch.setattr(data, "MIRROR", CLOSED)
        return data.fetch(tmp_path_factory.mktemp("real") / "data")


def raw(folder):
    return folder / "FashionMNIST" / "raw"


def state(folder, which="real"):
    """What is in a folder: True, False or None for a file that is intact, damaged or missing."""
    paths = {raw(folder) / name: sha1 for name, sha1 in data.FILES[which].items()}
    return [hashlib.sha1(path.read_bytes()).hexdigest() == sha1 if path.exists() else None
            for path, sha1 in paths.items()]


def intact(folder, which="real"):
    return state(folder, which) == [True] * 4


def spoil(path, how):
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes({"truncated": content[:middle], "empty": b"", "too long": content + b"x",
                      "corrupted": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1:]}[how])


# Where the files come from


def test_the_roots(monkeypatch):
    assert data.root() == data.REPOSITORY / "data" and (data.REPOSITORY / "book" / "nin" / "data.py").is_file()
    monkeypatch.setenv("NIN_DATA", "sample")
    assert data.root() == data.REPOSITORY / "data" / "sample" / "data"
    for wrong in ("Sample", "drawn"):
        monkeypatch.setenv("NIN_DATA", wrong)
        with pytest.raises(ValueError, match=f"NIN_DATA must be 'real' or 'sample', not '{wrong}'"):
            data.load(True)


def test_the_mirror_is_torchvisions():
    assert [f"{MIRROR}/"] == datasets.FashionMNIST.mirrors
    assert [f"{name}.gz" for name in NAMES] == [name for name, _ in datasets.FashionMNIST.resources]


@pytest.mark.skipif(not REAL, reason="needs the packed files in FASHION_MNIST_DIR")
def test_the_sums_are_those_of_the_files_that_torchvision_knows():
    for name, md5 in datasets.FashionMNIST.resources:
        packed = (data.REPOSITORY / REAL / name).read_bytes()
        assert hashlib.md5(packed).hexdigest() == md5
        assert hashlib.sha1(gzip.decompress(packed)).hexdigest() == data.FILES["real"][name.removesuffix(".gz")]


def test_files_from_the_named_folder_are_used_without_a_network(four_files, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "REPOSITORY", tmp_path)  # where a relative path starts
    monkeypatch.setenv("FASHION_MNIST_DIR", "packed")
    (tmp_path / "book").mkdir()
    monkeypatch.chdir(tmp_path / "book")
    assert data.fetch(tmp_path / "data") == tmp_path / "data" and intact(tmp_path / "data")
    assert sorted(os.listdir(raw(tmp_path / "data"))) == sorted(NAMES)  # nothing is left behind
    assert {(raw(tmp_path / "data") / name).stat().st_mode & 0o777 for name in NAMES} == {0o644}


def test_files_are_downloaded_where_no_folder_is_named(mirror, tmp_path):
    assert intact(data.fetch(tmp_path / "data"))
    assert mirror == NAMES


def test_what_is_there_is_used_even_where_nothing_can_be_written(four_files, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_MNIST_DIR", str(four_files))
    data.fetch(tmp_path / "data")
    monkeypatch.delenv("FASHION_MNIST_DIR")
    monkeypatch.setattr(data, "_bring", None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(data.load(True, tmp_path / "data")) == 200


SLOWLY = """
import sys, time
from pathlib import Path
from nin import data

def slowly(url, output, pooch):
    unpack(url, output, pooch)
    content = Path(output).read_bytes()
    Path(output).write_bytes(content[:1000])
    time.sleep(0.2)
    Path(output).write_bytes(content)

unpack, data._unpack = data._unpack, slowly
print(*(len(data.load(train, sys.argv[1])) for train in (True, False)))
"""


def test_two_processes_at_once_and_a_third_that_looks_on_never_see_half_a_file(tmp_path):
    environment = {**os.environ, "NIN_DATA": "sample", "PYTHONPATH": str(data.REPOSITORY / "book")}
    command = [sys.executable, "-c", SLOWLY, str(tmp_path / "data")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both, seen = [subprocess.Popen(command, env=environment, **pipes) for _ in range(2)], set()
    while any(process.poll() is None for process in both):
        seen.update(state(tmp_path / "data", "sample"))
        time.sleep(0.02)
    assert [process.communicate() for process in both] == [("4000 1000\n", "")] * 2
    assert seen == {True, None} and sorted(os.listdir(raw(tmp_path / "data"))) == sorted(NAMES)


# Damage, and nothing in reach


@pytest.mark.parametrize("how", ["truncated", "empty", "too long", "corrupted"])
def test_a_damaged_file_is_named_and_fetched_again_never_used(how, mirror, tmp_path, monkeypatch):
    folder = data.fetch(tmp_path / "data")
    del mirror[:]
    damaged = raw(folder) / NAMES[2]
    spoil(damaged, how)
    address = data.MIRROR
    monkeypatch.setattr(data, "MIRROR", CLOSED)
    with pytest.warns(UserWarning, match="is damaged"), pytest.raises(data.DataUnreachable):
        data.load(False, folder)
    monkeypatch.setattr(data, "MIRROR", address)
    with pytest.warns(UserWarning, match=f"{damaged} is damaged") as caught:
        data.load(False, folder)
    assert len(caught) == 1 and intact(folder) and mirror == [NAMES[2]]


@pytest.mark.parametrize("how", ["truncated", "empty", "corrupted", "of another set", "missing"])
def test_a_file_missing_or_damaged_in_the_named_folder_is_named_and_never_used(how, four_files, tmp_path, monkeypatch):
    path = four_files / f"{NAMES[3]}.gz"
    if how == "missing":
        path.unlink()
    elif how == "of another set":
        path.write_bytes(gzip.compress(b"another"))
    else:
        spoil(path, how)
    monkeypatch.setenv("FASHION_MNIST_DIR", str(four_files))
    with pytest.raises(data.DataUnreachable, match=f"(?s){path}: .*{CLOSED}/{NAMES[3]}.gz: .*refused"):
        data.fetch(tmp_path / "data")
    assert state(tmp_path / "data") == [True, True, True, None]


def test_what_the_named_folder_lacks_or_has_damaged_is_downloaded(mirror, four_files, tmp_path, monkeypatch):
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in NAMES[:3]:
        (mine / f"{name}.gz").write_bytes((four_files / f"{name}.gz").read_bytes())
    spoil(mine / f"{NAMES[1]}.gz", "corrupted")
    monkeypatch.setenv("FASHION_MNIST_DIR", str(mine))
    with pytest.warns(UserWarning) as caught:
        assert intact(data.fetch(tmp_path / "data"))
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == 2 and f"{mine / NAMES[1]}.gz: " in messages[0] and f"{mine / NAMES[3]}.gz: " in messages[1]
    assert mirror == [NAMES[1], NAMES[3]]


@pytest.mark.parametrize("how", ["truncated", "corrupted"])
def test_a_damaged_download_is_never_used(how, mirror, four_files, tmp_path):
    spoil(four_files / f"{NAMES[0]}.gz", how)
    with pytest.raises(data.DataUnreachable, match=f"  - {data.MIRROR}/{NAMES[0]}.gz: "):
        data.fetch(tmp_path / "data")
    assert os.listdir(raw(tmp_path / "data")) == []


def test_with_nothing_in_reach_one_error_names_the_reasons_and_three_ways_out(tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_MNIST_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(data.DataUnreachable) as caught:
        data.load(True, tmp_path / "data")
    message = str(caught.value)
    for part in (str(raw(tmp_path / "data")), f"{tmp_path / 'nowhere' / NAMES[0]}.gz: ", "No such file", "refused",
                 "With a network", "%env", "export FASHION_MNIST_DIR=", "export NIN_DATA=sample",
                 *(f"{name}.gz" for name in NAMES)):
        assert part in message, part
    assert isinstance(caught.value, RuntimeError)


@pytest.mark.parametrize("where", ["look-up", "connection"])
def test_a_network_that_swallows_everything_fails_soon(where, tmp_path, monkeypatch):
    awake, start = threading.Event(), time.perf_counter()
    monkeypatch.setattr(data, "TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes connections and never answers
        monkeypatch.setattr(data, "MIRROR", f"http://127.0.0.1:{silent.getsockname()[1]}")
        if where == "look-up":
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: awake.wait(20) and [])
        with pytest.raises(data.DataUnreachable, match="no answer within 0.3 seconds|timed out"):
            data.fetch(tmp_path / "data")
    assert time.perf_counter() - start < 5
    awake.set()


@pytest.mark.parametrize("choice", ["real", "sample"])
def test_a_folder_that_cannot_be_written_says_what_to_do(choice, four_files, tmp_path, monkeypatch):
    monkeypatch.setenv("NIN_DATA", choice)
    monkeypatch.setenv("FASHION_MNIST_DIR", str(four_files))
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(data.DataUnreachable, match=f"Cannot write to {tmp_path}.*chmod -R u[+]w {tmp_path / 'data'}`"):
        data.fetch(tmp_path / "data")

    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(data.tempfile, "TemporaryFile", refuse)  # as root, no mode would stop us
    with pytest.raises(data.DataUnreachable, match=r"\(Permission denied\).*chmod -R u\+w"):
        data.fetch(tmp_path / "other" / "data")


# The sample


@pytest.fixture(scope="module")
def sample_folder(tmp_path_factory):
    """A folder called data with the sample."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIN_DATA", "sample")
        return data.fetch(tmp_path_factory.mktemp("sample") / "data")


SHEETS = sorted(data.SAMPLE.glob("*.png"))


def test_the_sample_is_the_first_images_of_the_real_set(real, sample_folder, monkeypatch):
    for train, n in ((True, 4000), (False, 1000)):
        expected = data.load(train, real).take(n)
        with monkeypatch.context() as patch:
            patch.setenv("NIN_DATA", "sample")
            found = data.load(train, sample_folder)
        assert torch.equal(found.images, expected.images) and torch.equal(found.labels, expected.labels)


def test_the_sample_is_read_as_torchvision_reads_it_and_made_again_where_damaged(sample_folder, monkeypatch):
    monkeypatch.setenv("NIN_DATA", "sample")
    for train, n in ((True, 4000), (False, 1000)):
        split, theirs = data.load(train, sample_folder), datasets.FashionMNIST(sample_folder, train=train)
        assert split.images.shape == (n, 1, 28, 28) and split.images.dtype == torch.uint8
        assert torch.equal(split.images[:, 0], theirs.data) and torch.equal(split.labels, theirs.targets)
        assert split.labels.bincount().min() > n / 12
    spoil(raw(sample_folder) / NAMES[0], "corrupted")
    with pytest.warns(UserWarning, match=f"{NAMES[0]} is damaged"):
        assert intact(data.fetch(sample_folder), "sample")


def test_the_sample_is_small_and_has_its_licence():
    assert sum(path.stat().st_size for path in data.SAMPLE.iterdir()) < 2_500_000
    licence = (data.SAMPLE / "LICENSE").read_text("utf-8")
    assert "Copyright (c) 2017 Zalando SE, https://tech.zalando.com" in licence
    assert "The above copyright notice and this permission notice shall be included" in " ".join(licence.split())


def test_the_sheets_lie_as_the_readme_says(sample_folder):
    for part, prefix in (("train", "train"), ("test", "t10k")):
        images = np.fromfile(raw(sample_folder) / f"{prefix}-images-idx3-ubyte", np.uint8, offset=16)
        images = images.reshape(-1, 1000, 28, 28)
        paths = [path for path in SHEETS if path.name.startswith(f"{part}-")]
        for path, expected in zip(paths, images, strict=True):
            with Image.open(path) as sheet:
                assert sheet.mode == "L" and sheet.size == (1120, 700)
                assert not sheet.info  # no profile or gamma: a browser leaves the values as they are
                pixels = np.asarray(sheet)
            for k in (0, 1, 39, 40, 999):
                y, x = 28 * (k // 40), 28 * (k % 40)
                assert np.array_equal(pixels[y:y + 28, x:x + 28], expected[k])


def test_a_browser_decodes_the_same_values(browser):
    decode = """async (address) => {
        const image = new Image();
        image.src = address;
        await image.decode();
        const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
        context.drawImage(image, 0, 0);
        const values = context.getImageData(0, 0, image.width, image.height).data;
        let text = "";
        for (let i = 0; i < values.length; i += 4) {
            if (values[i + 1] !== values[i] || values[i + 2] !== values[i] || values[i + 3] !== 255) return "no grey";
            text += String.fromCharCode(values[i]);
        }
        return btoa(text);
    }"""
    page = browser.new_page()
    for path in SHEETS:
        found = page.evaluate(decode, "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode())
        with Image.open(path) as sheet:
            assert base64.b64decode(found) == sheet.tobytes()
    page.close()


def test_the_sample_is_made_of_the_real_set_only(real, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sample, "load", partial(data.load, folder=real))
    monkeypatch.setattr(sample, "SAMPLE", tmp_path / "sample")
    sample.main()
    assert json.loads((tmp_path / "sample" / "labels.json").read_text()) == json.loads(
        (data.SAMPLE / "labels.json").read_text())
    for path in SHEETS:
        with Image.open(path) as stored, Image.open(tmp_path / "sample" / path.name) as made:
            assert stored.tobytes() == made.tobytes()
    assert len(list((tmp_path / "sample").glob("*.png"))) == len(SHEETS) == 5
    monkeypatch.setenv("NIN_DATA", "sample")
    with pytest.raises(SystemExit):
        sample.main()
    assert "made from the real set" in capsys.readouterr().err


# d2l's loader


def d2l_batch(folder):
    from d2l import torch as d2l

    before = os.getcwd()
    with d2l_folder(folder):
        assert os.path.samefile("../data", folder)
        train_iter, test_iter = d2l.load_data_fashion_mnist(8, resize=224)
        batch = next(iter(test_iter))
    assert os.getcwd() == before
    return train_iter, batch


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker")
def test_d2l_reads_the_sample(sample_folder, monkeypatch):
    monkeypatch.setenv("NIN_DATA", "sample")
    train_iter, (x, y) = d2l_batch(sample_folder)
    assert len(train_iter) == 500 and x.shape == (8, 1, 224, 224)
    test = data.load(False, sample_folder)
    assert torch.equal(y, test.labels[:8])
    # PIL rounds to whole grey levels, F.interpolate does not.
    torch.testing.assert_close(x, data.enlarge(data.to_float(test.images[:8])), atol=1.01 / 255, rtol=0)


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker")
def test_d2l_reads_the_real_set(real):
    train_iter, (x, y) = d2l_batch(real)
    assert len(train_iter) == 7500 and x.shape == (8, 1, 224, 224) and y.tolist() == [9, 2, 1, 1, 6, 1, 4, 6]


def test_d2l_folder_comes_back_after_an_error_too(sample_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("NIN_DATA", "sample")
    before = os.getcwd()
    with pytest.raises(KeyError), d2l_folder(sample_folder):
        raise KeyError
    assert os.getcwd() == before
    with pytest.raises(ValueError, match="called data, not elsewhere"), d2l_folder(tmp_path / "elsewhere"):
        pass


# The real set


def test_the_real_set_is_read_as_torchvision_reads_it(real):
    for train, n in ((True, 60_000), (False, 10_000)):
        split, theirs = data.load(train, real), datasets.FashionMNIST(real, train=train)
        assert torch.equal(split.images[:, 0], theirs.data) and torch.equal(split.labels, theirs.targets)
        assert split.images.is_contiguous() and split.labels.bincount().tolist() == [n // 10] * 10
    assert [name.lower().removesuffix("/top") for name in theirs.classes] == list(data.CLASSES)


# Splits and batches


@pytest.fixture(scope="module")
def sixty_thousand():
    """60,000 different examples: each label is the example's number."""
    number = torch.arange(60_000)
    images = torch.stack([number // 256, number % 256], 1).to(torch.uint8).view(-1, 1, 1, 2)
    return data.Split(images, number)


def numbers(split_or_batch):
    images, labels = split_or_batch
    assert torch.equal(images[:, 0, 0, 0].long() * 256 + images[:, 0, 0, 1], labels)  # images stay with their labels
    return labels.tolist()


@pytest.mark.parametrize("seed", [None, 0])
def test_every_index_comes_exactly_once_per_epoch(seed, sixty_thousand):
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    epoch = [numbers(batch) for batch in data.batches(sixty_thousand, 128, generator)]
    assert [len(batch) for batch in epoch] == [128] * 468 + [96]
    order = [number for batch in epoch for number in batch]
    assert sorted(order) == list(range(60_000))
    assert (order == sorted(order)) == (seed is None)


def test_the_same_seed_repeats_and_the_next_epoch_differs(sixty_thousand):
    def epochs(seed):
        generator = torch.Generator().manual_seed(seed)
        return [[number for batch in data.batches(sixty_thousand, 128, generator) for number in batch[1].tolist()]
                for _ in range(2)]

    first, second = epochs(3)
    assert first != second and epochs(3) == [first, second] and epochs(4)[0] != first


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_of_nothing_is_refused_at_once(batch_size, sixty_thousand):
    for generator in (None, torch.Generator()):
        with pytest.raises(ValueError, match=f"batch_size must be 1 or more, not {batch_size}"):
            data.batches(sixty_thousand, batch_size, generator)


def test_hold_out_is_disjoint_complete_and_the_same_everywhere(sixty_thousand):
    train, validation = data.hold_out(sixty_thousand)
    assert (len(train), len(validation)) == (55_000, 5_000)
    assert sorted(train.labels.tolist() + validation.labels.tolist()) == list(range(60_000))
    assert numbers((train.images, train.labels)) == data.hold_out(sixty_thousand)[0].labels.tolist()
    assert validation.labels[:4].tolist() == [36044, 10678, 57327, 55074]
    assert zlib.crc32(validation.labels.numpy().astype("<i8").tobytes()) == 1243867480
    assert data.hold_out(sixty_thousand, 100, seed=1)[1].labels[:4].tolist() != [36044, 10678, 57327, 55074]


@pytest.mark.parametrize("n", [0, -5, 60_000, 60_001])
def test_hold_out_refuses_what_leaves_a_part_empty(n, sixty_thousand):
    with pytest.raises(ValueError, match=f"cannot hold out {n} of 60000 examples"):
        data.hold_out(sixty_thousand, n)


def test_a_split_is_cut_and_moved_together(sixty_thousand):
    split = sixty_thousand
    assert len(split) == 60_000 and len(split.take(10)) == 10 and len(split.take(10**6)) == 60_000
    some = split.subset([5, 300, 5])
    assert some.labels.tolist() == [5, 300, 5] and numbers((some.images, some.labels)) == [5, 300, 5]
    assert split.subset(torch.tensor([7])).labels.tolist() == [7]
    moved = split.take(3).to("meta")
    assert moved.images.device.type == moved.labels.device.type == "meta"
    with pytest.raises(AttributeError):
        split.labels = None


# Images


def test_to_float_scales_as_torchvisions_totensor_does():
    images = torch.arange(784).remainder(256).to(torch.uint8).view(1, 1, 28, 28)
    assert torch.equal(data.to_float(images)[0], transforms.ToTensor()(images[0, 0].numpy()[..., np.newaxis]))
    with pytest.raises(TypeError, match="got torch.float32 images; wanted torch.uint8"):
        data.to_float(images.float())


def test_enlarge_is_a_bilinear_interpolation():
    images = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    assert torch.equal(data.enlarge(images),
                       F.interpolate(images, size=(224, 224), mode="bilinear", align_corners=False))
    assert data.enlarge(images, 96).shape == (2, 1, 96, 96)
    assert data.enlarge(images.double()).dtype == torch.float64
    with pytest.raises(RuntimeError, match="sizes should be greater than 0"):  # torch's own words
        data.enlarge(images, 0)
    with pytest.raises(TypeError, match="got torch.uint8 images; wanted floating point"):
        data.enlarge(images.to(torch.uint8))


@pytest.mark.parametrize("shape", [(28, 28), (1, 28, 28), (5, 28, 28), (5, 3, 28, 28), (5, 1, 32, 32), (5, 1, 28, 27)])
@pytest.mark.parametrize("function", [data.to_float, data.enlarge])
def test_other_shapes_are_refused_with_what_was_got_and_wanted(function, shape):
    images = torch.zeros(shape, dtype=torch.uint8 if function is data.to_float else torch.float32)
    with pytest.raises(ValueError) as caught:
        function(images)
    assert str(shape) in str(caught.value) and "wanted (n, 1, 28, 28)" in str(caught.value)
