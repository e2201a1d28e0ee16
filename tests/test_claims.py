"""Sentences that say in words what recorded runs show: true of the lines, and false once two groups are exchanged.

The claims stand in the modules claims_*.py: STUDIES, whose runs they are about, and CLAIMS.
"""

import importlib
from pathlib import Path

import pytest

import notebooks
from nin.runs import read

MODULES = [importlib.import_module(path.stem) for path in sorted(Path(__file__).parent.glob("claims_*.py"))]
CLAIMS = [(module, name) for module in MODULES for name in module.CLAIMS]


def exchanged(runs, exchange):
    """The runs with the groups exchanged: by pairs of labels, or by a function."""
    if callable(exchange):
        return exchange(runs)
    other = exchange | {b: a for a, b in exchange.items()}
    return [{**run, "label": other.get(run["label"], run["label"])} for run in runs]


@pytest.mark.parametrize("module, name", CLAIMS, ids=[name for _, name in CLAIMS])
def test_a_claim_is_true_and_depends_on_which_group_is_which(module, name):
    _, check, exchange = module.CLAIMS[name]
    runs = [run for study in module.STUDIES for run in read.load(study)]
    assert check(runs), f"the recorded runs no longer say: {check.__doc__}"
    assert not check(exchanged(runs, exchange)), "a claim that survives the exchange says nothing"


def test_each_claim_stands_where_it_is_made():
    pages = [*notebooks.BOOK.glob("*.ipynb"), *notebooks.BOOK.glob("*.md")]
    texts = [(path.stem, cell.source) for path in pages if path.suffix == ".ipynb"
             for cell in notebooks.read(path).cells]
    texts += [(path.stem, path.read_text(encoding="utf-8")) for path in pages if path.suffix == ".md"]
    made = [(page, line.removeprefix("<!-- claim: ").removesuffix(" -->")) for page, text in texts
            for line in text.splitlines() if line.startswith("<!-- claim: ")]
    assert sorted(made) == sorted((module.CLAIMS[name][0], name) for module, name in CLAIMS)
