"""What the tools and tests share about the book's notebooks."""

import base64
import io
import os
import tempfile
from pathlib import Path

import nbformat

import reach

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
FIRST_CELL = (ROOT / "tools" / "first_cell.py").read_text(encoding="utf-8").rstrip("\n")
# The machine decides these cells' outputs, so tests run them without comparing.
IGNORED = "nbval-ignore-output"
# Plots that depend on recorded runs alone.
RECORDED_RUNS = "recorded-runs"


def chapters():
    """Return the paths of the notebooks in the order of the table of contents."""
    lines = (ROOT / "_toc.yml").read_text(encoding="utf-8").splitlines()
    names = [line.split("file:")[1].strip() for line in lines if "file:" in line]
    return [BOOK / f"{name}.ipynb" for name in names if (BOOK / f"{name}.ipynb").exists()]


def tags(cell):
    """Return the tags of a cell."""
    return cell.metadata.get("tags", [])


def has_image(cell):
    """Tell whether a stored output of the cell shows an image."""
    return any(kind.startswith("image/") for output in cell.outputs for kind in output.get("data", {}))


def is_recorded(cell):
    """Tell whether the cell stores what the tests cannot compare: the machine's own outputs, and pictures."""
    return bool(cell.outputs) and (IGNORED in tags(cell) or has_image(cell))


def is_erased(output):
    """Tell whether an output is what a finished progress bar leaves behind: a line overwritten with blanks."""
    return output.output_type == "stream" and not output.text.split("\r")[-1].strip() and "\r" in output.text


def marks(notebook, book=None):
    """Return {cell's number: the marks by which a recorded output knows its sources again}; see reach.py."""
    cells = {number: cell.source for number, cell in enumerate(notebook.cells) if cell.cell_type == "code"}
    return dict(zip(cells, reach.marks(cells.values(), reach.Helper(book or BOOK)), strict=True))


def read(path):
    """Return the notebook in the file `path`."""
    return nbformat.read(path, as_version=4)


def write(notebook, path):
    """Replace the file `path` at once: an interruption leaves the old one or the new one, never a part."""
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            nbformat.write(notebook, stream)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def smaller(png):
    """Return a base64 PNG's picture in fewer bytes: no alpha if it is opaque, no colours if it is grey, well packed."""
    from PIL import Image  # here: rendering needs none

    try:
        picture, packed = Image.open(io.BytesIO(base64.b64decode(png))), io.BytesIO()
    except (OSError, ValueError):  # no picture that Pillow knows: not this function's to judge
        return png
    if picture.mode == "RGBA" and picture.getextrema()[3] == (255, 255):
        picture = picture.convert("RGB")
    if picture.mode == "RGB" and picture.convert("L").convert("RGB").tobytes() == picture.tobytes():
        picture = picture.convert("L")
    picture.save(packed, "PNG", optimize=True, dpi=picture.info.get("dpi", (110, 110)))
    packed = base64.b64encode(packed.getvalue()).decode()
    return packed if len(packed) < len(png.strip()) else png


def tidy(notebook):
    """Drop what differs between machines but says nothing: timing, Python's patch version, editor settings."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    now = marks(notebook)
    for number, cell in enumerate(notebook.cells):
        cell.metadata.pop("execution", None)
        cell.metadata.pop("collapsed", None)
        if cell.cell_type != "code":
            continue
        cell.metadata.pop("recorded", None)
        cell.outputs = [output for output in cell.outputs if not is_erased(output)]
        for data in (output.get("data", {}) for output in cell.outputs):
            if "image/png" in data:
                data["image/png"] = smaller(data["image/png"])
        if is_recorded(cell):
            cell.metadata["recorded"] = now[number]


def refreshed(stored, executed):
    """The stored notebook with an executed one's outputs where these are the same at every scale.

    Those are what the tests compare, and plots of recorded runs; the machine's own outputs, and plots of what a live
    cell trained, stay as they were, with their marks.
    """
    now = marks(stored)
    for number, (old, new) in enumerate(zip(stored.cells, executed.cells, strict=True)):
        if old.cell_type != "code" or IGNORED in tags(old):
            continue
        if RECORDED_RUNS in tags(old) or not (has_image(old) or has_image(new)):
            old.outputs, old.execution_count = new.outputs, new.execution_count
            old.metadata.pop("recorded", None)
            if is_recorded(old):
                old.metadata["recorded"] = now[number]
    return stored


def clear(notebook, only_recorded=False):
    """Drop the stored outputs: all, or only those of the cells that the tests do not compare."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and (not only_recorded or is_recorded(cell)):
            cell.outputs, cell.execution_count = [], None
            cell.metadata.pop("recorded", None)
