"""Lists the stored outputs whose sources have changed since, and what renews them; exits with 1 where there are any."""

import argparse
import sys
import textwrap

import notebooks

CHANGED = {"cell": "the cell changed", "before": "cells before it changed", "helper": "the helper changed"}


def stale(notebook, book=None):
    """Return {cell: what changed since its output was stored} for the outputs that the tests do not compare."""
    found = {}
    for number, now in notebooks.marks(notebook, book).items():
        cell = notebook.cells[number]
        then = cell.metadata.get("recorded", {})
        if notebooks.is_recorded(cell) and then != now:
            changed = [text for part, text in CHANGED.items() if then.get(part) != now[part]]
            known = then.keys() == now.keys()
            found[cell.id] = ", ".join(changed) if known else "stored without a mark of today's kind"
    return found


def listing(paths):
    """Return the lines that name the stale outputs, and above them the command that renews them."""
    lines = []
    for path in paths:
        notebook = notebooks.read(path)
        found = stale(notebook)
        quick = {cell.id for cell in notebook.cells if notebooks.RECORDED_RUNS in notebooks.tags(cell)
                 and notebooks.IGNORED not in notebooks.tags(cell)}
        for option, cells in (("--refresh", found.keys() & quick), ("--in-place", found.keys() - quick)):
            if cells:
                lines.append(f"tools/execute.py {option} book/{path.name}")
            for changed in dict.fromkeys(found[name] for name in found if name in cells):
                those = ", ".join(name for name in found if name in cells and found[name] == changed)
                lines += textwrap.wrap(f"{changed}: {those}", 110, initial_indent="  ", subsequent_indent="    ",
                                       break_on_hyphens=False)
    return lines


def main(arguments=None):
    """Print what is stale in the chapters."""
    argparse.ArgumentParser(description=__doc__).parse_args(arguments)
    if lines := listing(notebooks.chapters()):
        sys.exit("\n".join(["Stored outputs are older than their sources. These commands renew them:", *lines]))


if __name__ == "__main__":
    main()
