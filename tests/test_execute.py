"""The tool that executes notebooks."""

import base64
import io
import subprocess
import sys

import nbformat
import pytest
from PIL import Image

import notebooks
import stale

TOOL = notebooks.ROOT / "tools" / "execute.py"


def run(*words):
    """Run the tool and return the finished process."""
    return subprocess.run([sys.executable, TOOL, *words], capture_output=True, text=True, timeout=120)


def make(path, *sources, tags=()):
    """Write a notebook with the given code cells."""
    cells = [
        nbformat.v4.new_code_cell(text, id=f"cell-{number}", metadata={"tags": list(tags)})
        for number, text in enumerate(sources)
    ]
    notebooks.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Two notebooks, the first of which fails, executed in place; returns (folder, process, failing one's bytes)."""
    folder = tmp_path_factory.mktemp("executed")
    bad = make(folder / "bad.ipynb", "print('begin')", "1 / 0", "print('never')")
    make(folder / "good.ipynb", "print('seen')", tags=[notebooks.IGNORED])
    before = bad.read_bytes()
    return folder, run("--in-place", bad, folder / "good.ipynb"), before


def test_a_failing_notebook_is_named_and_left_as_it_was(executed):
    folder, done, before = executed
    assert done.returncode == 1
    assert "FAILED bad.ipynb, cell 1 (cell-1): ZeroDivisionError: division by zero" in done.stderr
    assert (folder / "bad.ipynb").read_bytes() == before


def test_the_other_notebooks_still_run(executed):
    folder, _, _ = executed
    page = notebooks.read(folder / "good.ipynb")
    cell = page.cells[0]
    assert cell.outputs[0].text == "seen\n"
    assert cell.metadata.recorded == notebooks.marks(page)[0] and stale.stale(page) == {}
    assert "execution" not in cell.metadata


def test_a_changed_cell_is_stale(executed):
    folder, _, _ = executed
    page = notebooks.read(folder / "good.ipynb")
    page.cells[0].source += "\nprint('more')"
    assert stale.stale(page) == {"cell-0": "the cell changed"}


def test_clear_drops_only_what_is_not_compared(tmp_path):
    path = make(tmp_path / "one.ipynb", "1 + 1", "2 + 2")
    notebook = notebooks.read(path)
    notebook.cells[0].metadata.tags = [notebooks.IGNORED]
    for cell in notebook.cells:
        cell.execution_count = 1
        cell.outputs = [nbformat.v4.new_output("stream", text="a number\n")]
    notebooks.tidy(notebook)
    notebooks.write(notebook, path)
    assert run("--clear", path).returncode == 0
    cleared, kept = notebooks.read(path).cells
    assert cleared.outputs == [] and cleared.execution_count is None and "recorded" not in cleared.metadata
    assert kept.outputs[0].text == "a number\n"


def test_a_missing_notebook_is_named(tmp_path):
    done = run("--clear", tmp_path / "nowhere.ipynb")
    assert done.returncode == 1 and "nowhere.ipynb" in done.stderr


def test_an_existing_folder_is_not_replaced(tmp_path):
    (tmp_path / "kept.txt").write_text("kept")
    done = run("--into", tmp_path)
    assert done.returncode == 1 and "exists already" in done.stderr
    assert (tmp_path / "kept.txt").read_text() == "kept"


@pytest.mark.parametrize("alpha, ink, mode", [(255, (0, 114, 178), "RGB"), (100, (0, 114, 178), "RGBA"),
                                              (255, (90, 90, 90), "L"), (100, (90, 90, 90), "RGBA")])
def test_a_stored_picture_is_packed_and_stays_the_same(alpha, ink, mode):
    picture = Image.new("RGBA", (200, 100), (255, 255, 255, alpha))
    picture.paste((*ink, 255), (20, 30, 60, 70))
    loose = io.BytesIO()
    picture.save(loose, "PNG", compress_level=0)
    packed = notebooks.smaller(base64.b64encode(loose.getvalue()).decode())
    after = Image.open(io.BytesIO(base64.b64decode(packed)))
    assert len(packed) < len(loose.getvalue()) / 10 and after.convert("RGBA").tobytes() == picture.tobytes()
    assert after.mode == mode and notebooks.smaller(packed) == packed
