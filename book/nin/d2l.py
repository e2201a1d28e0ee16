"""d2l's own training functions, on the helper's data. Chapter 3."""

import contextlib

from .data import fetch


@contextlib.contextmanager
def d2l_folder(folder=None):
    """Inside, d2l's `../data` is `folder`, by default `root()`; raises like `fetch`."""
    folder = fetch(folder)
    if folder.name != "data":
        raise ValueError(f"d2l reads ../data: a folder called data, not {folder.name}")
    beside = folder.parent / "book"
    beside.mkdir(exist_ok=True)
    with contextlib.chdir(beside):
        yield
