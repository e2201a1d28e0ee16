"""The page "The helper": its table lacks no call, its modules are all there, and each says which chapters it is for."""

import ast
import io
import re
import tokenize
from functools import cache

import nbformat
import pytest

import helper_page
import notebooks
import reach
from visiting import Visit

HELPER = reach.Helper(notebooks.BOOK)
CHAPTERS = notebooks.chapters()
MODULES = helper_page.core(notebooks.BOOK / "nin")
# The end of a module's docstring: "Chapter 2.", "Chapters 1 and 2.", "Chapters 3, 4 and 7.", "Chapters 3 to 7." or
# "All chapters."
NAMED = re.compile(r"(?:Chapter [1-9]|Chapters [1-9](?:, [1-9])* and [1-9]|Chapters ([1-9]) to [1-9]|All chapters)\.\Z")


FIGURES = re.compile(r"\*Figure (\w+\.\d+)")


def words(source):
    """The names in a cell as (the one before the dot or "", the name), by its tokens alone; none of keywords."""
    tokens = [token.string for token in tokenize.generate_tokens(io.StringIO(source).readline)]
    return {(tokens[k - 2] if k > 1 and tokens[k - 1] == "." else "", name) for k, name in enumerate(tokens)
            if tokens[k + 1:k + 2] != ["="]}


def definitions(module):
    """The functions and classes of a module of the helper."""
    text = HELPER.path(module).read_text(encoding="utf-8")
    return set(re.findall(r"^(?:def|class) (\w+)", text, re.MULTILINE))


def lacking(page, rows):
    """What figures' cells call and the rows {figure: text} of the table lack: another way to the same, by words."""
    found, functions, modules = [], set(), {}
    for cell, after in zip(page.cells, page.cells[1:], strict=False):
        if cell.cell_type != "code":
            continue
        for start, names in re.findall(r"^from (nin[\w.]*) import ([\w, ]+)$", cell.source, re.MULTILINE):
            for name in names.split(", "):
                if HELPER.path(f"{start}.{name}"):
                    modules[name] = definitions(f"{start}.{name}")
                elif name in definitions(start):
                    functions.add(name)
        if number := (FIGURES.findall(after.source) if after.cell_type == "markdown" else []) or FIGURES.findall(
                cell.source):
            number = number[0]
            for before, name in words(cell.source):
                called = name in (modules.get(before, ()) if before else functions)
                if called and f"`{name}`" not in rows.get(number, ""):
                    found.append(f"{number}: {name}")
    return found


@cache
def rows():
    """{figure: its row} of the table."""
    lines = [line.split(" | ", 1) for line in helper_page.table(notebooks.BOOK)[2:]]
    return {start.split("[")[1].split("]")[0]: rest for start, rest in lines}


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_the_table_has_every_call_of_a_figures_cell(path):
    page = notebooks.read(path)
    assert lacking(page, rows()) == []
    figures = [number for cell in page.cells for number in FIGURES.findall(cell.source)]
    assert figures and set(figures) <= set(rows())


def made_up(*pairs):
    """A notebook of code cells and, where a text is given beside it, the caption after each."""
    cells = []
    for source, caption in pairs:
        cells += [nbformat.v4.new_code_cell(source)] + [nbformat.v4.new_markdown_cell(caption)] * bool(caption)
    return nbformat.v4.new_notebook(cells=cells)


IMPORTS = ("from nin import plots\nfrom nin.model import build, nin\nfrom nin.runs import read", "")
FIGURE = "*Figure 9.1. Two bars. And more.*"


def test_a_call_that_the_table_lacks_is_found():
    page = made_up(IMPORTS, ("net = build(None)\nplots.runs(net)", FIGURE))
    assert sorted(lacking(page, {"9.1": "two bars | nothing"})) == ["9.1: build", "9.1: runs"]
    assert lacking(page, {"9.1": "two bars | `build` in model.py; `runs` in plots.py"}) == []


def test_calls_of_figures_and_of_other_cells(tmp_path):
    draw = "def draw(ax):\n    plots.runs(ax, read.load())\n\n\ndef other(ax):\n    return nin()"
    page = made_up(IMPORTS, (draw, ""), ("draw(None)\nplots.ORANGE", FIGURE), ("build(None)", ""))
    notebooks.write(page, tmp_path / "page.ipynb")
    (number, caption, figure), (_, _, others) = helper_page.calls(tmp_path / "page.ipynb", HELPER)
    assert (number, caption) == ("9.1", "Two bars.")
    # By a function of a cell before; a colour is no call.
    assert figure == {("nin.plots", "runs"), ("nin.runs.read", "load")}
    assert others == figure | {("nin.model", "nin"), ("nin.model", "build")}
    # Where there may be no runs to draw, the cell prints the caption itself.
    printed = f'draw(None)\nprint("*Figure 9.1. "\n      {FIGURE[13:]!r})'
    own = made_up(IMPORTS, (draw, ""), (printed, ""), ("build(None)", ""))
    notebooks.write(own, tmp_path / "own.ipynb")
    assert helper_page.calls(tmp_path / "own.ipynb", HELPER)[0][:2] == ("9.1", "Two bars.")
    assert helper_page.linked(figure) == "`runs` in [plots.py](#helper-plots); `load` in `runs/read.py`"
    assert helper_page.linked(set()) == "nothing: all is in the cell"


@cache
def rested_on(number):
    """The helper's modules that a chapter calls, or that are called by what it calls."""
    calls = helper_page.calls(CHAPTERS[number - 1], HELPER)
    return {module for module, _ in HELPER.texts(set().union(*(places for _, _, places in calls)))}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_says_which_chapters_it_is_for(path):
    """And they do rest on it: they call it, or it is called by what they call."""
    named = NAMED.search((ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").strip())
    assert named, "end the module's docstring with: Chapter 2. or: Chapters 3, 4 and 7. or: Chapters 3 to 7."
    numbers = [int(number) for number in re.findall(r"\d", named[0])] or range(1, 8)
    if named[1]:
        numbers = range(numbers[0], numbers[1] + 1)
    for number in numbers:
        assert f"nin.{path.stem}" in rested_on(number), f"chapter {number} does not rest on it"


@pytest.mark.parametrize("text, right", [
    ("Networks. Chapter 2.", True), ("Networks. Chapters 1 and 2.", True), ("Networks. Chapters 3, 4 and 7.", True),
    ("Networks. All chapters.", True), ("Networks.", False), ("Chapter 2. Networks.", False),
    ("Networks. Chapter 0.", False), ("Networks. Chapters 1, 2.", False), ("Networks. Chapter 2", False)])
def test_how_chapters_are_named(text, right):
    assert bool(NAMED.search(text)) == right


def test_the_page_has_all_modules_and_a_link_opens_one(browser):
    with Visit(browser, "helper.html") as visit:
        shown = visit.page.locator("details.module")
        assert [text.split(":")[0] for text in shown.locator("summary").all_text_contents()] == [
            path.name for path in MODULES]
        for path, text in zip(MODULES, shown.locator("pre").all_text_contents(), strict=True):
            assert text.strip() == path.read_text(encoding="utf-8").strip()
        model = visit.page.locator("details.module", has=visit.page.locator("#helper-model"))
        assert model.get_attribute("open") is None
        visit.page.locator("table a[href='#helper-model']").first.click()
        assert model.get_attribute("open") is not None and model.locator("summary").is_visible()
        assert visit.complaints == []


def test_the_readme_leads_to_the_page():
    table = [line for line in (notebooks.ROOT / "README.md").read_text(encoding="utf-8").splitlines() if "|" in line]
    assert any("helper.html" in line for line in table)
