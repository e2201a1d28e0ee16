"""Which stored outputs are older than their sources: by made-up notebooks over a made-up helper."""

import nbformat
import pytest

import notebooks
import stale

HELPER = {
    "__init__.py": "",
    "model.py": '''"""Networks."""

from .sizes import WIDTH


class Net:
    """A network."""

    def __init__(self, width=WIDTH):
        self.width = width


def build():
    """A network."""
    return Net()


def unused():
    return 1
''',
    "sizes.py": 'SIZES = {}\nSIZES["width"] = 3\nWIDTH = SIZES["width"]\nDEPTH = 4\n',
    "plots.py": '''import matplotlib.pyplot as plt


def bars(ax, values):
    ax.bar(range(len(values)), _heights(values))


def _heights(values):
    return list(values)


def style():
    plt.rcParams["font.size"] = 9
''',
    "runs/__init__.py": "",
    "runs/read.py": "from .. import plots\nfrom ..model import build\n\n\ndef load():\n    from .lines import lines\n"
                    "    return lines(), plots.style()\n\n\ndef again():\n    return build()\n",
    "runs/lines.py": "def lines():\n    return []\n",
}
CELLS = {
    "setup": "import matplotlib.pyplot as plt\nfrom nin import plots\nfrom nin.model import build, unused\n"
             "from nin.runs import read\n\nsize = 5",
    "noise": "def noise(k):\n    return k * level",
    "level": "level = 0.1",
    "net": "net = build()\nnumbers = [noise(k) for k in range(size)]",
    "train": "for step in range(3):\n    loss = net(step)\n    loss.backward()",
    "grow": "numbers.append(1)",
    "drawn": "figure, ax = plt.subplots()\nfor number in numbers:\n    ax.plot(number)\n"
             "plots.bars(ax, numbers)\nplt.show()",
    "shown": "print(net, numbers)",
    "runs": "lines = read.load()",
    "last": "print(size)",
}
CELL, BEFORE, HELPED = "the cell changed", "cells before it changed", "the helper changed"


@pytest.fixture
def book(tmp_path):
    """A folder with the made-up helper, and the made-up notebook with outputs and marks for all cells."""
    for name, text in HELPER.items():
        path = tmp_path / "nin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path, page(tmp_path)


def page(folder):
    """The made-up notebook, its outputs stored just now."""
    output = nbformat.v4.new_output("stream", text="some text")
    cells = [nbformat.v4.new_code_cell(text, id=name, outputs=[output], metadata={"tags": [notebooks.IGNORED]})
             for name, text in CELLS.items()]
    made = nbformat.v4.new_notebook(cells=cells)
    for number, mark in notebooks.marks(made, folder).items():
        made.cells[number].metadata["recorded"] = mark
    assert stale.stale(made, folder) == {}
    return made


def change(folder, name, old, new):
    """Replace a text in a module of the helper, or put it first where `old` is empty."""
    path = folder / "nin" / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1) if old else new + path.read_text())


@pytest.mark.parametrize("name, old, new, cells", [
    ("model.py", "return Net()", "return Net(7)", ["net", "train", "shown", "grow", "drawn"]),
    ("model.py", "self.width = width", "self.width = 2 * width", ["net", "train", "shown", "grow", "drawn"]),
    ("sizes.py", '["width"] = 3', '["width"] = 5', ["net", "train", "shown", "grow", "drawn"]),  # by three modules
    ("plots.py", "list(values)", "sorted(values)", ["drawn"]),  # a function that a function calls
    ("runs/lines.py", "return []", "return [1]", ["runs"]),  # imported inside a function
    ("plots.py", "] = 9", "] = 10", ["runs"]),  # by the module's name
])
def test_a_change_of_what_a_cell_reaches(book, name, old, new, cells):
    folder, notebook = book
    change(folder, name, old, new)
    found = stale.stale(notebook, folder)
    assert set(found.values()) == {HELPED}
    # `numbers` stands in one cell with `net`, but does not rest on it.
    assert set(found) == set(cells) - ({"grow", "drawn"} if name != "plots.py" else set())


@pytest.mark.parametrize("name, old, new", [
    ("model.py", "return 1", "return 2"),  # imported by the notebook, and called by no cell
    ("sizes.py", "DEPTH = 4", "DEPTH = 5"),
    ("runs/read.py", "return build()", "return build"),
    ("model.py", '"""A network."""\n    return', '"""Net(), a network."""\n    return'),
    ("model.py", '"""A network."""\n\n    def', '"""Has a width."""\n\n    def'),
    ("model.py", '"""Networks."""', '"""Network."""'),
    ("model.py", "return Net()", "return Net()  # of three channels"),
    ("model.py", "return Net()", "return (\n        Net())"),
    ("model.py", "", "\n# A first line.\n"),
])
def test_what_a_cell_does_not_reach_and_what_says_nothing(book, name, old, new):
    folder, notebook = book
    change(folder, name, old, new)
    assert stale.stale(notebook, folder) == {}


@pytest.mark.parametrize("cell, old, new, later", [
    ("setup", "size = 5", "size = 6", ["net", "grow", "drawn", "shown", "last"]),
    ("noise", "k * level", "k + level", ["net", "grow", "drawn", "shown"]),
    ("level", "0.1", "0.2", ["net", "grow", "drawn", "shown"]),  # by a function's call, after its definition
    ("net", "numbers = [noise(k)", "numbers = [2 * noise(k)", ["grow", "drawn", "shown"]),
    ("train", "range(3)", "range(4)", ["shown"]),  # a loop that trains
    ("grow", "append(1)", "append(2)", ["drawn", "shown"]),
    ("drawn", "ax.plot(number)", "ax.plot(number + 1)", []),  # a picture changes nothing
    ("shown", "print(", "print(1, ", []),
    ("setup", "size = 5", "size = 5\n# five\nother = 1", []),
])
def test_a_change_of_a_cell(book, cell, old, new, later):
    folder, notebook = book
    changed, = (each for each in notebook.cells if each.id == cell)
    assert old in changed.source
    changed.source = changed.source.replace(old, new)
    found = stale.stale(notebook, folder)
    assert found.pop(cell) == CELL
    assert found == dict.fromkeys(later, BEFORE)


def test_comments_in_cells_say_nothing(book):
    folder, notebook = book
    for cell in notebook.cells:
        cell.source = "# A comment.\n" + cell.source + "  # another"
    assert stale.stale(notebook, folder) == {}


def test_a_seed_counts_for_what_comes_after_it(tmp_path):
    (tmp_path / "nin").mkdir()

    def marks(seed):
        sources = ["import torch", "x = 1", f"torch.manual_seed({seed})", "print(x)"]
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        return notebooks.marks(made, tmp_path)

    assert [one == other for one, other in zip(marks(0).values(), marks(1).values(), strict=True)] == [
        True, True, False, False]


def test_a_cell_that_is_no_plain_python_counts_as_a_whole(tmp_path):
    (tmp_path / "nin").mkdir()
    one, other = (notebooks.marks(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]), tmp_path)
                  for source in ("%time 1 + 1", "%time 1 + 2"))
    assert one[0]["cell"] != other[0]["cell"]


def test_a_module_that_is_not_there_is_named(tmp_path):
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("from nin.away import x\nx()")])
    with pytest.raises(LookupError, match="no module nin.away"):
        notebooks.marks(made, tmp_path)


def test_pictures_of_recorded_runs_are_renewed_quickly_and_all_else_by_executing(book, monkeypatch, capsys):
    folder, notebook = book
    quick, = (cell for cell in notebook.cells if cell.id == "runs")
    quick.metadata.tags = [notebooks.RECORDED_RUNS]
    quick.outputs = [nbformat.v4.new_output("display_data", {"image/png": "a picture"})]
    del notebook.cells[0].metadata["recorded"]
    change(folder, "plots.py", "] = 9", "] = 10")
    notebooks.write(notebook, folder / "chapter.ipynb")
    monkeypatch.setattr(notebooks, "chapters", lambda: [folder / "chapter.ipynb"])
    monkeypatch.setattr(notebooks, "BOOK", folder)
    with pytest.raises(SystemExit) as stop:
        stale.main([])
    assert str(stop.value).splitlines()[1:] == [
        "tools/execute.py --refresh book/chapter.ipynb", f"  {HELPED}: runs",
        "tools/execute.py --in-place book/chapter.ipynb", "  stored without a mark of today's kind: setup"]
    notebooks.tidy(notebook)
    notebooks.write(notebook, folder / "chapter.ipynb")
    stale.main([])  # says nothing, and exits with 0
    assert capsys.readouterr().out == ""
