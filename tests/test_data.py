"""Where the images come from, what happens when they are damaged or out of reach, and how they are batched."""

import gzip
import hashlib
import http.server
import os
import socket
import threading
import time
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torchvision import datasets, transforms

from nin import data, drawn

REAL = os.environ.get("FASHION_MNIST_DIR")
PACKED = [name for name, _ in datasets.FashionMNIST.resources]
UNPACKED = list(data.FILES)


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch):
    """No test depends on the caller's settings, or reaches a network: the mirror is a port that nobody listens on."""
    for name in ("NIN_DATA", "FASHION_MNIST_DIR", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])


@pytest.fixture(scope="module")
def contents():
    """Four small files in Fashion-MNIST's format, from name to bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawn, "SIZES", {"train": 200, "t10k": 50})
        return drawn.files()


@pytest.fixture
def four_files(contents, tmp_path, monkeypatch):
    """A folder with four small .gz files that count as the originals."""
    folder = tmp_path / "packed"
    folder.mkdir()
    resources, files = [], {}
    for name, content in contents.items():
        packed = gzip.compress(content, 1, mtime=0)
        (folder / f"{name}.gz").write_bytes(packed)
        resources.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))
        files[name] = len(content), zlib.crc32(content)
    monkeypatch.setattr(datasets.FashionMNIST, "resources", resources)
    monkeypatch.setattr(data, "FILES", files)
    return folder


@pytest.fixture
def mirror(four_files, monkeypatch):
    """A mirror on this machine; the list of the paths asked of it."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(f"{self.command} {self.path}")

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=four_files))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    yield asked
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A folder called data with the real set; skips where there is none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("NIN_DATA", raising=False)
        here = data.root() / "FashionMNIST" / "raw"
        if all(data._damage(here / name) is None for name in UNPACKED):
            return data.root()
        if not REAL:
            pytest.skip("needs the real Fashion-MNIST: neither data/ nor FASHION_MNIST_DIR has it")
        patch.setenv("FASHION_MNIST_DIR", REAL)
        patch.setattr(datasets.FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])
        return data.fetch(tmp_path_factory.mktemp("real") / "data")


def raw(folder):
    return folder / "FashionMNIST" / "raw"


def intact(folder):
    return all(data._damage(raw(folder) / name) is None for name in data.FILES)


def spoil(path, how):
    content = path.read_bytes()
    middle = len(content) // 2
    spoilt = {"truncated": content[:middle], "empty": b"", "too long": content + b"x",
              "corrupted": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1:]}[how]
    path.write_bytes(spoilt)


# Where the files come from


def test_the_roots(monkeypatch):
    assert data.root() == data.REPOSITORY / "data" and (data.REPOSITORY / "book" / "nin" / "data.py").is_file()
    monkeypatch.setenv("NIN_DATA", "real")
    assert data.root() == data.REPOSITORY / "data"
    monkeypatch.setenv("NIN_DATA", "drawn")
    assert data.root() == data.REPOSITORY / "data" / "drawn" / "data"
    monkeypatch.setenv("NIN_DATA", "Drawn")
    with pytest.raises(ValueError, match="NIN_DATA is 'Drawn'.*'real'.*'drawn'"):
        data.root()


def test_files_from_the_named_folder_are_used_without_a_network(four_files, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_MNIST_DIR", str(four_files))
    assert data.fetch(tmp_path / "data") == tmp_path / "data" and intact(tmp_path / "data")
    assert sorted(file.name for file in raw(tmp_path / "data").iterdir()) == sorted(PACKED + UNPACKED)
    assert os.listdir(tmp_path / "data" / "FashionMNIST") == ["raw"]  # nothing is left behind


def test_a_relative_folder_starts_at_the_repository(four_files, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "REPOSITORY", tmp_path)
    monkeypatch.setenv("FASHION_MNIST_DIR", "packed")
    (tmp_path / "book").mkdir()
    monkeypatch.chdir(tmp_path / "book")
    assert intact(data.fetch(tmp_path / "data"))


def test_files_are_downloaded_where_no_folder_is_named(mirror, tmp_path):
    assert intact(data.fetch(tmp_path / "data"))
    assert {line for line in mirror if line.startswith("GET")} == {f"GET /{name}" for name in PACKED}
    assert socket.getdefaulttimeout() is None


def test_only_what_the_folder_lacks_is_downloaded(mirror, four_files, tmp_path, monkeypatch):
    some = tmp_path / "some"
    some.mkdir()
    (four_files / PACKED[0]).rename(some / PACKED[0])
    monkeypatch.setenv("FASHION_MNIST_DIR", str(some))
    assert intact(data.fetch(tmp_path / "data"))
    assert {line for line in mirror if line.startswith("GET")} == {f"GET /{name}" for name in PACKED[1:]}


def test_what_is_there_is_used_even_where_nothing_can_be_written(four_files, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_MNIST_DIR", str(four_files))
    data.fetch(tmp_path / "data")
    monkeypatch.delenv("FASHION_MNIST_DIR")
    monkeypatch.setattr(data, "_writing", None)
    monkeypatch.setattr(data, "_unpack", None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(data.load(True, tmp_path / "data")) == 200


def test_callers_at_the_same_time_never_see_half_a_file(four_files, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_MNIST_DIR", str(four_files))
    folder, stop, seen = tmp_path / "data", threading.Event(), set()

    def watch():
        while not stop.is_set():
            seen.update((name, data._damage(raw(folder) / name)) for name in data.FILES)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(data.fetch, [folder] * 4)) == [folder] * 4
    finally:
        stop.set()
        watcher.join()
        socket.setdefaulttimeout(None)
    assert {why for _, why in seen} <= {None, "missing"} and intact(folder)


def test_the_drawn_set_can_be_drawn_by_several_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("NIN_DATA", "drawn")
    monkeypatch.setattr(drawn, "SIZES", {"train": 200, "t10k": 50})
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(data.fetch, [tmp_path / "data"] * 3))
    assert drawn.intact(raw(tmp_path / "data"))
    assert sorted(os.listdir(raw(tmp_path / "data"))) == sorted([*UNPACKED, drawn.MANIFEST])


# Damage, and nothing in reach


@pytest.mark.parametrize("how", ["truncated", "empty", "too long", "corrupted"])
def test_a_damaged_unpacked_file_is_named_and_fetched_again(how, mirror, tmp_path, monkeypatch):
    folder = data.fetch(tmp_path / "data")
    del mirror[:]
    damaged = raw(folder) / UNPACKED[0]
    spoil(damaged, how)
    with pytest.warns(UserWarning, match=f"{damaged} is damaged") as caught:
        data.fetch(folder)
    assert len(caught) == 1 and intact(folder)
    assert not mirror  # the packed file beside it was intact


def test_an_intact_packed_file_is_not_replaced_by_a_damaged_one(four_files, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_MNIST_DIR", str(four_files))
    folder = data.fetch(tmp_path / "data")
    (raw(folder) / UNPACKED[0]).unlink()
    spoil(four_files / PACKED[0], "truncated")
    assert intact(data.fetch(folder))


@pytest.mark.parametrize("how", ["truncated", "empty", "corrupted"])
def test_damaged_packed_and_unpacked_files_are_downloaded_again(how, mirror, tmp_path):
    folder = data.fetch(tmp_path / "data")
    del mirror[:]
    for name in (UNPACKED[2], PACKED[2]):
        spoil(raw(folder) / name, how)
    with pytest.warns(UserWarning) as caught:
        data.fetch(folder)
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == 2 and UNPACKED[2] in messages[0] and PACKED[2] in messages[1]
    assert intact(folder) and f"GET /{PACKED[2]}" in mirror and f"GET /{PACKED[0]}" not in mirror


@pytest.mark.parametrize("how", ["truncated", "empty", "corrupted"])
def test_a_damaged_file_in_the_named_folder_is_named_and_never_used(how, four_files, tmp_path, monkeypatch):
    spoil(four_files / PACKED[3], how)
    monkeypatch.setenv("FASHION_MNIST_DIR", str(four_files))
    with pytest.warns(UserWarning, match=f"{four_files / PACKED[3]} is damaged"):
        with pytest.raises(data.DataUnreachable, match=f"(?s){PACKED[3]} is damaged.*download.*refused"):
            data.fetch(tmp_path / "data")
    assert os.listdir(raw(tmp_path / "data")) == []


def test_a_damaged_file_in_the_named_folder_is_downloaded_instead(mirror, four_files, tmp_path, monkeypatch):
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in PACKED:
        (mine / name).write_bytes((four_files / name).read_bytes())
    spoil(mine / PACKED[1], "corrupted")
    monkeypatch.setenv("FASHION_MNIST_DIR", str(mine))
    with pytest.warns(UserWarning, match=f"{mine / PACKED[1]} is damaged"):
        assert intact(data.fetch(tmp_path / "data"))
    assert {line for line in mirror if line.startswith("GET")} == {f"GET /{PACKED[1]}"}


def test_a_damaged_download_is_never_used(mirror, four_files, tmp_path):
    spoil(four_files / PACKED[0], "corrupted")
    with pytest.raises(data.DataUnreachable, match="download: .*corrupted"):
        data.fetch(tmp_path / "data")
    assert os.listdir(raw(tmp_path / "data")) == []


def test_with_nothing_in_reach_one_error_names_the_reasons_and_three_ways_out(tmp_path, monkeypatch):
    with pytest.raises(data.DataUnreachable) as caught:
        data.load(True, tmp_path / "data")
    message = str(caught.value)
    for part in (str(tmp_path), "FASHION_MNIST_DIR is not set", "download: ", "refused", "With a network",
                 "export FASHION_MNIST_DIR=", "%env FASHION_MNIST_DIR=", "export NIN_DATA=drawn", *PACKED):
        assert part in message, part
    assert isinstance(caught.value, RuntimeError) and socket.getdefaulttimeout() is None
    monkeypatch.setenv("FASHION_MNIST_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(data.DataUnreachable, match=f"FASHION_MNIST_DIR: {tmp_path / 'nowhere'} lacks {PACKED[0]}, "):
        data.fetch(tmp_path / "data")


def test_a_network_that_swallows_everything_fails_soon(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes connections and never answers
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [address])
        start = time.perf_counter()
        with pytest.raises(data.DataUnreachable, match="download: no answer within 0.3 seconds"):
            data.fetch(tmp_path / "data")
        assert time.perf_counter() - start < 5


@pytest.mark.parametrize("choice", ["real", "drawn"])
def test_a_folder_that_cannot_be_written_says_what_to_do(choice, four_files, tmp_path, monkeypatch):
    monkeypatch.setenv("NIN_DATA", choice)
    monkeypatch.setenv("FASHION_MNIST_DIR", str(four_files))
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(data.DataUnreachable, match=f"Cannot write the data to {tmp_path}.*writable, as with `chmod"):
        data.fetch(tmp_path / "data")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(data.tempfile, "TemporaryDirectory", refuse)  # as root, no mode would stop us
    with pytest.raises(data.DataUnreachable, match=r"\(Permission denied\).*chmod -R u\+w"):
        data.fetch(tmp_path / "other" / "data")


# The drawn set


@pytest.fixture(scope="module")
def drawn_folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIN_DATA", "drawn")
        return data.fetch(tmp_path_factory.mktemp("drawn") / "data")


def test_the_drawn_set_is_the_same_everywhere():
    first, second = ([hashlib.sha256(content).hexdigest() for content in drawn.files().values()] for _ in range(2))
    assert first == second
    # If a drawing was changed on purpose, put the new sum here; on an unchanged drawing it must hold on any machine.
    assert hashlib.sha256("".join(first).encode()).hexdigest()[:16] == "ac1468a620ba67aa"


def test_the_drawn_set_has_the_same_format_and_balanced_shuffled_classes(drawn_folder, monkeypatch):
    monkeypatch.setenv("NIN_DATA", "drawn")
    for train, n in ((True, 2000), (False, 500)):
        split = data.load(train, drawn_folder)
        theirs = datasets.FashionMNIST(drawn_folder, train=train)
        assert torch.equal(split.images[:, 0], theirs.data) and torch.equal(split.labels, theirs.targets)
        assert split.images.shape == (n, 1, 28, 28) and split.images.dtype == torch.uint8
        assert split.labels.dtype == torch.int64 and split.labels.bincount().tolist() == [n // 10] * 10
        assert split.labels[:40].unique().numel() > 5
        assert len(split.images.flatten(1).unique(dim=0)) == n
        assert (split.images[:, :, 0, :] == 0).float().mean() > 0.95  # garments stand on black
    assert len(data.CLASSES) == len(drawn.GARMENTS) == 10
    assert [garment.__name__.replace("_", "-", 1) if garment is drawn.t_shirt else garment.__name__.replace("_", " ")
            for garment in drawn.GARMENTS] == list(data.CLASSES)


def test_drawn_garments_can_be_told_apart_but_not_the_tops_easily(drawn_folder, monkeypatch):
    monkeypatch.setenv("NIN_DATA", "drawn")
    train, test = (data.load(train, drawn_folder) for train in (True, False))
    x, z = (F.normalize(data.to_float(split.images).flatten(1)) for split in (train, test))
    predicted = train.labels[(z @ x.T).argmax(1)]  # the nearest neighbour
    right = predicted == test.labels
    tops = torch.isin(test.labels, torch.tensor([data.CLASSES.index(n) for n in ("pullover", "coat", "shirt")]))
    assert 0.75 < right.float().mean() < 0.99
    assert right[~tops].float().mean() > 0.95 > right[tops].float().mean()


@pytest.mark.parametrize("how", ["truncated", "corrupted", "gone", "drawn by another version", "no manifest"])
def test_a_drawn_set_that_is_damaged_or_outdated_is_drawn_again(how, tmp_path, monkeypatch):
    monkeypatch.setenv("NIN_DATA", "drawn")
    monkeypatch.setattr(drawn, "SIZES", {"train": 200, "t10k": 50})
    folder = data.fetch(tmp_path / "data")
    before = (raw(folder) / UNPACKED[0]).read_bytes()
    if how == "gone":
        (raw(folder) / UNPACKED[0]).unlink()
    elif how == "no manifest":
        (raw(folder) / drawn.MANIFEST).write_text("")
    elif how == "drawn by another version":
        (raw(folder) / drawn.MANIFEST).write_text('{"drawn.py": 1}')
    else:
        spoil(raw(folder) / UNPACKED[0], how)
    assert not drawn.intact(raw(folder))
    data.fetch(folder)
    assert drawn.intact(raw(folder)) and (raw(folder) / UNPACKED[0]).read_bytes() == before


# d2l's loader


def d2l_batch(folder):
    from d2l import torch as d2l

    before = os.getcwd()
    with data.d2l_folder(folder):
        assert os.path.samefile("../data", folder)
        train_iter, test_iter = d2l.load_data_fashion_mnist(8, resize=224)
        batch = next(iter(test_iter))
    assert os.getcwd() == before
    return train_iter, batch


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker")
def test_d2l_reads_the_drawn_set(drawn_folder, monkeypatch):
    monkeypatch.setenv("NIN_DATA", "drawn")
    train_iter, (x, y) = d2l_batch(drawn_folder)
    assert len(train_iter) == 250 and x.shape == (8, 1, 224, 224)
    test = data.load(False, drawn_folder)
    assert torch.equal(y, test.labels[:8])
    # PIL rounds to whole grey levels, F.interpolate does not.
    torch.testing.assert_close(x, data.enlarge(data.to_float(test.images[:8])), atol=1.01 / 255, rtol=0)


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker")
def test_d2l_reads_the_real_set(real):
    train_iter, (x, y) = d2l_batch(real)
    assert len(train_iter) == 7500 and x.shape == (8, 1, 224, 224) and y.tolist() == [9, 2, 1, 1, 6, 1, 4, 6]


def test_d2l_folder_comes_back_after_an_error_too(drawn_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("NIN_DATA", "drawn")
    before = os.getcwd()
    with pytest.raises(KeyError), data.d2l_folder(drawn_folder):
        raise KeyError
    assert os.getcwd() == before
    with pytest.raises(ValueError, match="must be called data, not elsewhere"), data.d2l_folder(tmp_path / "elsewhere"):
        pass


# The real set


def test_the_real_set_is_read_as_torchvision_reads_it(real):
    for train, n in ((True, 60_000), (False, 10_000)):
        split, theirs = data.load(train, real), datasets.FashionMNIST(real, train=train)
        assert torch.equal(split.images[:, 0], theirs.data) and torch.equal(split.labels, theirs.targets)
        assert split.images.is_contiguous() and split.labels.bincount().tolist() == [n // 10] * 10
    assert [name.lower().removesuffix("/top") for name in theirs.classes] == list(data.CLASSES)


@pytest.mark.timing
def test_checking_what_is_there_is_cheap(real):
    times = []
    for _ in range(5):
        start = time.perf_counter()
        data.fetch(real)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.2  # about 0.02 s on a quiet machine


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
    with pytest.raises(ValueError, match="size must be 1 pixel or more, not 0"):
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
