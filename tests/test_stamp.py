"""Stamping and executing copies of notebooks."""

import nbformat
import pytest

import notebooks
import stamp


@pytest.fixture
def notebook():
    """A notebook with a title and one cell."""
    v4 = nbformat.v4
    return v4.new_notebook(cells=[v4.new_markdown_cell("# Title"), v4.new_code_cell("1 + 1", id="sum")])


def test_stamp_adds_one_cell_and_then_replaces_it(notebook):
    stamp.stamp(notebook, notebooks.FIRST_CELL)
    stamp.stamp(notebook, stamp.stamped("https://github.com/owner/name", "abc123"))
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "code", "code"]
    text = notebook.cells[1].source
    assert 'REPOSITORY, REVISION = "https://github.com/owner/name", "abc123"' in text
    assert len(text.splitlines()) == len(notebooks.FIRST_CELL.splitlines()) <= 30


@pytest.mark.parametrize("words", [["nonsense"], ["https://github.com/owner/name"], ["owner/name", "abc123"]])
def test_a_half_given_repository_changes_nothing(words, notebook, tmp_path, monkeypatch, capsys):
    path = tmp_path / "one.ipynb"
    notebooks.write(notebook, path)
    before = path.read_bytes()
    monkeypatch.setattr("sys.argv", ["stamp.py", *words, "--folder", str(tmp_path)])
    with pytest.raises(SystemExit):
        stamp.main()
    assert path.read_bytes() == before and "whole address" in capsys.readouterr().err
