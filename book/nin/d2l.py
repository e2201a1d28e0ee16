"""d2l's own training functions, called quietly. Chapter 3."""

import contextlib
import io
import re
import warnings

from .data import fetch


@contextlib.contextmanager
def d2l_quietly():
    """d2l's module and the text of what it prints; nothing is drawn or warned of."""
    with warnings.catch_warnings():
        # Of its four workers on fewer cores, its plot of a single epoch.
        warnings.simplefilter("ignore")
        import matplotlib

        matplotlib.use("agg")
        from d2l import torch as d2l

        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            yield d2l, printed


def printed_numbers(text):
    """(loss, train_acc, test_acc, examples/s) as train_ch6 prints them at the end."""
    return tuple(map(float, re.findall(r"(?:loss |acc |\n)(\d[\d.]*|nan|inf)", text)))


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
