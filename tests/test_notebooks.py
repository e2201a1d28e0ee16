"""What every notebook of the book keeps to; nbval runs them, this reads them."""

import re
from pathlib import Path

import pytest

import notebooks

LIST = Path(__file__).parent / "ignored_cells.txt"
CHAPTERS = notebooks.chapters()
PAGES = {path.stem: notebooks.read(path) for path in CHAPTERS}
ABSOLUTE_PATH = re.compile(r"(?:(?<![\w.-])/(?:home|Users|root|tmp|work|content|mnt|var|opt)/|\b[A-Z]:\\)[\w.-]")
DIRECTIVE = re.compile(r"^\s*(?:```+|:::+)\s*\{", re.MULTILINE)


def code_cells(page):
    """Return (number in the notebook, cell) for every code cell."""
    return [(number, cell) for number, cell in enumerate(page.cells) if cell.cell_type == "code"]


@pytest.fixture(params=PAGES)
def page(request):
    """One notebook after the other."""
    return PAGES[request.param]


def test_every_page_stands_once_in_the_table_of_contents():
    contents = (notebooks.ROOT / "_toc.yml").read_text(encoding="utf-8")
    listed = re.findall(r"^(?:root:|\s*- file:) (\S+)$", contents, re.MULTILINE)
    pages = [path for kind in ("*.ipynb", "*.md") for path in notebooks.BOOK.glob(kind)]
    assert sorted(listed) == sorted(path.stem for path in pages)
    assert {path.name for path in CHAPTERS} == {path.name for path in pages if path.suffix == ".ipynb"}


def test_first_cell(page):
    _, first = code_cells(page)[0]
    assert first.source == notebooks.FIRST_CELL, "run: python tools/stamp.py"
    assert notebooks.tags(first) == ["remove-cell"]


def test_title(page):
    assert page.cells[0].cell_type == "markdown"
    assert page.cells[0].source.startswith("# ")


def test_cells_have_names(page):
    names = [cell.get("id") for cell in page.cells]
    assert all(names) and len(set(names)) == len(names)


def test_cells_are_short(page):
    long = {cell.id: len(cell.source.splitlines()) for _, cell in code_cells(page)}
    assert {name: lines for name, lines in long.items() if lines > 30} == {}


def test_stored_outputs(page):
    for _, cell in code_cells(page):
        if cell.outputs:
            assert cell.execution_count is not None, f"{cell.id} has outputs but no execution count"
        if "raises-exception" not in notebooks.tags(cell):
            errors = [output.evalue for output in cell.outputs if output.output_type == "error"]
            assert not errors, f"{cell.id} stores an error"


def test_compared_cells_have_been_executed(page):
    # nbval compares nothing where no execution is stored.
    compared = [cell for _, cell in code_cells(page) if cell.source.strip()]
    compared = [cell for cell in compared if notebooks.IGNORED not in notebooks.tags(cell)]
    missing = [cell.id for cell in compared if cell.execution_count is None]
    assert missing == [], "store the outputs with tools/execute.py --in-place"


def test_images_are_described(page):
    for number, cell in code_cells(page):
        if not notebooks.has_image(cell):
            continue
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        assert len(alt) > 5, f"{cell.id}: the metadata lack mystnb: {{image: {{alt: ...}}}}"
        after = page.cells[number + 1] if number + 1 < len(page.cells) else None
        # Where there may be no runs to draw, the cell itself prints the caption.
        own = any(output.get("data", {}).get("text/markdown", "").startswith("*Figure") for output in cell.outputs)
        assert own or after is not None and after.cell_type == "markdown" and after.source.startswith("*Figure"), (
            f"{cell.id}: neither does it print a caption that begins with *Figure, nor is the next cell one"
        )


def test_plots_of_recorded_runs_are_tagged(page):
    # tools/execute.py --refresh stores them anew when lines have been added.
    call = re.compile(r"plots\.(?:runs|panels)\(|show_runs\(|plots\.spread\(")
    plots = {cell.id for _, cell in code_cells(page) if call.search(cell.source)}
    assert plots == {cell.id for _, cell in code_cells(page) if notebooks.RECORDED_RUNS in notebooks.tags(cell)}


def test_a_refresh_keeps_what_the_machine_and_live_cells_made():
    from nbformat.v4 import new_code_cell, new_notebook, new_output

    def page(text):
        picture = new_output("display_data", {"image/png": text})
        words = new_output("stream", text=text)
        cells = {"words": ([], words), "machine": ([notebooks.IGNORED], words), "live": ([], picture),
                 "runs": ([notebooks.RECORDED_RUNS], picture)}
        return new_notebook(cells=[new_code_cell(name, id=name, outputs=[output], execution_count=1,
                                                 metadata={"tags": tags, "recorded": {"source": text}})
                                   for name, (tags, output) in cells.items()])

    after = notebooks.refreshed(page("old"), page("new"))
    shown = {cell.id: cell.outputs[0].get("text") or cell.outputs[0].data["image/png"] for cell in after.cells}
    assert shown == {"words": "new", "machine": "old", "live": "old", "runs": "new"}
    marks = {cell.id: cell.metadata.get("recorded") for cell in after.cells}
    assert marks == {"words": None, "machine": {"source": "old"}, "live": {"source": "old"},
                     "runs": notebooks.marks(after)[3]}  # a stale output does not pass for a new one


def test_plain_markdown(page):
    found = [cell.id for cell in page.cells if cell.cell_type == "markdown" and DIRECTIVE.search(cell.source)]
    assert found == [], "MyST directives show as code in Jupyter, on Colab and on GitHub"


def test_no_path_of_a_machine(page):
    for _, cell in code_cells(page):
        for output in cell.outputs:
            data = output.get("data", {})
            shown = [output.get("text", ""), *output.get("traceback", [])]
            shown += [str(content) for kind, content in data.items() if not kind.startswith("image/p")]
            assert not ABSOLUTE_PATH.search("\n".join(shown)), f"{cell.id} shows a path of the machine it ran on"


def test_tidy(page):
    assert page.metadata.kernelspec.name == "python3"
    assert page.metadata.language_info == {"name": "python"}
    assert not [cell.id for cell in page.cells if "execution" in cell.metadata]


def test_ignored_cells_are_listed():
    listed = [line.split() for line in LIST.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    tagged = [
        [name, cell.id]
        for name, page in PAGES.items()
        for _, cell in code_cells(page)
        if any(tag in notebooks.tags(cell) for tag in (notebooks.IGNORED, "nbval-skip"))
    ]
    assert sorted(listed) == sorted(tagged), "tests/ignored_cells.txt and the notebooks' tags differ"


def test_no_hidden_exceptions_to_the_comparison(page):
    for _, cell in code_cells(page):
        assert "NBVAL_" not in cell.source, f"{cell.id}: use the tag and list the cell"
        assert "nbval-skip" not in notebooks.tags(cell), f"{cell.id} is never run"


@pytest.mark.parametrize("path", notebooks.chapters(), ids=lambda path: path.stem)
def test_no_comment_cuts_a_sentence(path):
    """A line that begins with a comment ends the paragraph above it."""
    lines = [line for cell in notebooks.read(path).cells if cell.cell_type == "markdown"
             for line in ["", *cell.source.split("\n")]]
    assert [above for above, line in zip(lines, lines[1:]) if line.startswith("<!--")
            and above.strip() and not above.endswith((".", ":", "?", "!", ")", "-->"))] == []
