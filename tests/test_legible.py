"""Plots on a screen of 390 pixels: no letter is under 9 of them, by the figures' sizes and letters."""

import ast
import base64
import io
import struct

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import pytest
from matplotlib.text import Text
from PIL import Image

import notebooks
import stale
from nin import plots
from visiting import Visit

COLUMN = 356  # of 390 pixels, beside the margins
WIDEST, LETTERS = 5, 9.5  # inches, points
MARGIN = 0.25  # matplotlib's own around what it saves, and a label that sticks out
LEAST = 9  # pixels


def pixels(points, inches):
    """How large letters appear in the column."""
    return points / 72 * COLUMN / inches


def literals(source, name):
    """The numbers given to arguments of that name, first numbers of pairs included."""
    given = [word.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)
             for word in node.keywords if word.arg == name]
    firsts = [value.elts[0] if isinstance(value, ast.Tuple) else value for value in given]
    return [value.value for value in firsts if isinstance(value, ast.Constant) and not isinstance(value.value, str)]


def small(source):
    """What is too wide or too small in some code."""
    letters = [size for name in ("fontsize", "labelsize") for size in literals(source, name)]
    return ([f"{width} inches" for width in literals(source, "figsize") if width > WIDEST]
            + [f"{size} points" for size in letters if size < LETTERS])


def test_the_limits_are_legible():
    assert pixels(LETTERS, WIDEST + MARGIN) > LEAST - 0.06
    assert small("plt.subplots(2, figsize=(5.1, 2)); ax.legend(fontsize=9)") == ["5.1 inches", "9 points"]


def test_the_books_style_is_legible():
    with plt.rc_context():
        plots.style()
        figure, ax = plt.subplots()
        ax.plot([1, 2], [1, 10], label="a line")
        ax.set(title="title", xlabel="x", ylabel="y", yscale="log")
        ax.legend()
        figure.canvas.draw()
        assert figure.get_size_inches()[0] <= WIDEST
        sizes = {text.get_fontsize() for text in figure.findobj(Text) if text.get_text()}
        assert sizes and min(sizes) >= LETTERS
        plt.close(figure)
    assert small((notebooks.BOOK / "nin" / "plots.py").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", notebooks.chapters(), ids=lambda path: path.stem)
def test_chapters_draw_legible_plots(path):
    cells = [cell.source for cell in notebooks.read(path).cells if cell.cell_type == "code"]
    assert [found for source in cells for found in small(source)] == []


@pytest.mark.parametrize("path", notebooks.chapters(), ids=lambda path: path.stem)
def test_stored_plots_are_no_wider(path):
    """Those that are not out of date."""
    notebook = notebooks.read(path)
    old = stale.stale(notebook)
    for cell in notebook.cells:
        for output in cell.get("outputs", []) if cell.id not in old else []:
            if png := output.get("data", {}).get("image/png"):
                width, = struct.unpack(">I", base64.b64decode(png[:64])[16:20])
                assert width <= (WIDEST + MARGIN) * 160, cell.id


@pytest.mark.parametrize("path", notebooks.chapters(), ids=lambda path: path.stem)
def test_photographs_lie_on_black_and_are_told_apart(path):
    """What the dark theme turns round, it knows by a tag."""
    for cell in notebooks.read(path).cells:
        if cell.cell_type == "code" and "plt.show()" in cell.source:
            drawn = "plots.images(" in cell.source or "plots.maps(" in cell.source
            assert ("plots.on_black(" in cell.source) == ("photograph" in notebooks.tags(cell)) >= drawn, cell.id


def test_in_the_dark_a_plot_has_the_pages_ground_and_light_letters(browser):
    """The recorded runs of chapter 3: the ground, the letters, and the orange of runs that lost classes."""
    with Visit(browser, "training.html", scheme="dark") as visit:
        plot = visit.page.locator("div.cell:not(.tag_photograph) div.cell_output img").nth(1)
        plot.scroll_into_view_if_needed()
        visit.page.wait_for_function("image => image.complete && image.naturalWidth", arg=plot.element_handle())
        seen = Image.open(io.BytesIO(plot.screenshot())).convert("RGB")
        page = Image.open(io.BytesIO(visit.page.screenshot())).convert("RGB").getpixel((1000, 5))
    colours = {colour: count for count, colour in seen.getcolors(seen.width * seen.height)}
    ground = max(colours, key=colours.get)
    assert max(abs(a - b) for a, b in zip(ground, page)) < 8
    assert max(map(min, colours)) > 220
    orange = [(red, green, blue) for red, green, blue in colours if red > 180 and 90 < green < 160 and blue < 40]
    assert orange and "plots.runs(" in "".join(
        cell.source for cell in notebooks.read(notebooks.BOOK / "training.ipynb").cells)
