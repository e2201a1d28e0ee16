"""Executes notebooks of the book and keeps their outputs: see execute.py --help."""

import argparse
import asyncio
import os
import shutil
import signal
import sys
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

import notebooks

try:
    from tqdm import tqdm
except ImportError:
    tqdm = None


class Bar:
    """Counts executed cells: one progress bar where tqdm is installed, else one line per notebook."""

    def __init__(self, total):
        self.bar = tqdm(total=total, unit="cell", dynamic_ncols=True) if tqdm else None

    def begin(self, name):
        if self.bar is not None:
            self.bar.set_description(name)
        else:
            print(name, flush=True)

    def advance(self, cells=1):
        if self.bar is not None:
            self.bar.update(cells)

    def close(self):
        if self.bar is not None:
            self.bar.close()


def code_cells(notebook):
    """Return the code cells that have something to execute."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def execute(notebook, folder, bar):
    """Fill in the notebook's outputs, working in `folder`; return a text about what failed, or None."""
    notebooks.clear(notebook)
    cells = code_cells(notebook)
    current = None
    finished = 0

    def begin_cell(cell_index, **_):
        nonlocal current
        current = cell_index

    def finish_cell(**_):
        nonlocal finished
        finished += 1
        bar.advance()

    def take_back_interrupts(**_):
        # nbclient answers Ctrl-C with a dead kernel; a plain KeyboardInterrupt is wanted.
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)

    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
        on_notebook_start=take_back_interrupts,
        on_cell_execute=begin_cell,
        on_cell_executed=finish_cell,
    )
    try:
        client.execute()
    except CellExecutionError as error:
        failure = f"{error.ename}: {error.evalue}"
    except DeadKernelError as error:
        failure = str(error)
    else:
        return None
    bar.advance(len(cells) - finished)
    where = "before its first cell" if current is None else f"cell {current} ({notebook.cells[current].get('id', '-')})"
    return f"{where}: {failure}"


def copy_book(target):
    """Copy the book's folder, so that what chapters write stays out of the sources."""
    if target.exists() and notebooks.ROOT / "_build" not in target.parents:
        sys.exit(f"{target} exists already. Name a new folder, or one in _build.")
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(notebooks.BOOK, target, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    # The data stays where it is: the chapters look for it beside the book's folder.
    data = notebooks.ROOT / "data"
    data.mkdir(exist_ok=True)
    link = target.parent / "data"
    if not link.exists():
        link.symlink_to(data, target_is_directory=True)


def parse():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="notebooks in book/ (default: all chapters)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--into", type=Path, default=notebooks.ROOT / "_build" / "run" / "book", metavar="FOLDER",
                     help="execute a copy of the book in FOLDER (default: _build/run/book)")
    how.add_argument("--in-place", action="store_true", help="store the outputs in the notebooks themselves")
    how.add_argument("--refresh", action="store_true", help="after new recorded lines: execute in minutes, at smoke "
                     "scale, and store only what is the same at every scale and the plots of recorded runs")
    how.add_argument("--clear", action="store_true",
                     help="execute nothing; drop the stored outputs that the tests do not compare")
    return parser.parse_args()


def main():
    """Execute every notebook, failing or not; exit with 1 where one failed."""
    arguments = parse()
    paths = [path.resolve() for path in arguments.notebooks] or notebooks.chapters()
    for path in paths:
        if not path.is_file():
            sys.exit(f"There is no notebook {path}.")
    if arguments.clear:
        for path in paths:
            notebook = notebooks.read(path)
            notebooks.clear(notebook, only_recorded=True)
            notebooks.write(notebook, path)
        return
    targets = {path: path for path in paths}
    if arguments.refresh:
        os.environ["NIN_SCALE"] = "smoke"
    elif not arguments.in_place:
        copy_book(arguments.into.resolve())
        targets = {path: arguments.into.resolve() / path.name for path in paths}

    books = {path: notebooks.read(path) for path in paths}
    bar = Bar(sum(len(code_cells(notebook)) for notebook in books.values()))
    failures = []
    try:
        for path, notebook in books.items():
            bar.begin(path.stem)
            failure = execute(notebook, targets[path].parent, bar)
            notebooks.tidy(notebook)
            if failure:
                failures.append(f"{path.name}, {failure}")
            if arguments.refresh:
                notebook = notebooks.refreshed(notebooks.read(path), notebook)
            if not (failure and (arguments.in_place or arguments.refresh)):
                notebooks.write(notebook, targets[path])
    except KeyboardInterrupt:
        sys.exit("\nStopped; the notebooks that were finished are stored, the others are as they were.")
    finally:
        bar.close()
    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
