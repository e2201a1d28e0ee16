"""A function that a chapter teaches is the library's, word for word."""

import ast
from pathlib import Path

import pytest

import notebooks

LIBRARY = Path(__file__).resolve().parents[1] / "book" / "nin"
TAUGHT = {"nin_block", "nin", "xavier", "kaiming", "class_maps", "dead_maps", "nodes", "interpolation", "fold",
          "forward", "cosine", "one_cycle", "learning_rates", "mean_interval", "welch", "probe", "features"}


def functions(source):
    """The text of every function at the top level of a source, decorators included."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            found[node.name] = "\n".join(source.splitlines()[first - 1:node.end_lineno])
    return found


OURS = {}  # {name: the texts of the functions that have it}
for path in LIBRARY.rglob("*.py"):
    for name, text in functions(path.read_text("utf-8")).items():
        OURS.setdefault(name, []).append(text)
SHOWN = [(path.stem, name, text) for path in notebooks.chapters() for cell in notebooks.read(path).cells
         if cell.cell_type == "code" and cell.source != notebooks.FIRST_CELL
         for name, text in functions(cell.source).items() if name in OURS]


@pytest.mark.parametrize("chapter, name, text", SHOWN, ids=[f"{chapter}-{name}" for chapter, name, _ in SHOWN])
def test_the_code_shown_is_the_code_used(chapter, name, text):
    assert text in OURS[name], f"{name} in {chapter}.ipynb differs from the helper's"


def test_each_is_taught_once():
    assert sorted(name for _, name, _ in SHOWN if name in TAUGHT) == sorted(TAUGHT)
