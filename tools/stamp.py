"""Writes the first code cell into notebooks: stamp.py [--folder FOLDER] [REPOSITORY REVISION].

Without a repository the cell is the one of the sources; with one, it fetches that revision on Colab.
"""

import argparse
from pathlib import Path

import nbformat

import notebooks

EMPTY = 'REPOSITORY, REVISION = "", ""'


def stamped(repository, revision):
    """Return the first cell's text for a repository's address and a commit."""
    if EMPTY not in notebooks.FIRST_CELL:
        raise ValueError(f"tools/first_cell.py has no line beginning with {EMPTY}")
    return notebooks.FIRST_CELL.replace(EMPTY, f'REPOSITORY, REVISION = "{repository}", "{revision}"')


def stamp(notebook, text):
    """Put the text into the notebook's first code cell, adding that cell where it is missing."""
    first = next((cell for cell in notebook.cells if cell.cell_type == "code"), None)
    if first is None or "REPOSITORY, REVISION = " not in first.source:
        first = nbformat.v4.new_code_cell(id="first-cell")
        # Above every other code cell, below the title.
        notebook.cells.insert(1, first)
    first.source = text
    first.metadata["tags"] = ["remove-cell"]


def main():
    """Stamp every notebook of a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repository", nargs="?", default="")
    parser.add_argument("revision", nargs="?", default="")
    parser.add_argument("--folder", type=Path, default=notebooks.BOOK)
    arguments = parser.parse_args()
    if arguments.repository and not ("://" in arguments.repository and arguments.revision):
        parser.error("give the repository's whole address, https://..., and a commit; or neither")
    text = stamped(arguments.repository, arguments.revision)
    for path in sorted(arguments.folder.glob("*.ipynb")):
        notebook = notebooks.read(path)
        stamp(notebook, text)
        notebooks.write(notebook, path)


if __name__ == "__main__":
    main()
