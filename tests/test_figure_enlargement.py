"""The figure of chapter 3 that shows which source pixels an 11×11 window on the enlarged image sees."""

import re
from functools import cache

import pytest
import torch

from nin.data import CLASSES, enlarge
from visiting import Visit

PAGE, NAME = "training.html", "enlargement"
WINDOWS, WIDE, STRIDE = 54, 11, 4


@pytest.fixture
def figure(visit):
    return visit.figure(NAME)


def gradients(windows):
    """Which source pixels (n, 28, 28) get a gradient from each of n windows (slices of rows and columns).

    The window is summed with positive random weights, so that nothing cancels.
    """
    torch.manual_seed(0)
    x = torch.rand(len(windows), 1, 28, 28, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(224, 224, dtype=torch.float64) + 0.5
    total = sum((image[0] * weight)[window].sum() for image, window in zip(enlarge(x), windows, strict=True))
    return torch.autograd.grad(total, x)[0][:, 0] != 0


@cache
def seen():
    """Which source pixels (54, 54, 28, 28) each window sees, by torch."""
    along = [slice(STRIDE * i, STRIDE * i + WIDE) for i in range(WINDOWS)]
    rows = gradients([(rows, slice(None)) for rows in along])  # windows as wide as the image
    columns = gradients([(slice(None), columns) for columns in along])
    masks = rows[:, None] & columns[None]  # the enlargement acts on rows and columns in turn
    some = [(i, j) for i in (0, 1, 26, 52, 53) for j in (0, 7, 53)]
    whole = gradients([(along[i], along[j]) for i, j in some])
    assert torch.equal(torch.stack([masks[place] for place in some]), whole)
    return masks


def place(figure):
    """The window's row and column."""
    return [int(figure.get_by_label(label).input_value()) for label in ("window's row", "column")]


def go(figure, row, column):
    figure.get_by_label("window's row").fill(str(row))
    figure.get_by_label("column").fill(str(column))


def words(figure):
    return figure.locator("[aria-live=polite]").text_content()


def said(text):
    """The mask (28, 28) of the source pixels that a sentence of the figure names."""
    height, width, count, top, bottom, left, right = map(int, re.search(
        r"sees (\d)×(\d) = (\d) source pixels: rows (\d+) to (\d+), columns (\d+) to (\d+)", text).groups())
    mask = torch.zeros(28, 28, dtype=torch.bool)
    mask[top:bottom + 1, left:right + 1] = True
    assert (bottom - top + 1, right - left + 1, int(mask.sum())) == (height, width, count)
    return mask


def test_every_window_sees_what_torch_says(figure):
    """All 54×54 windows, each set as a reader's typing would set it."""
    texts = figure.evaluate("""root => {
        const [row, column] = root.querySelectorAll("input[type=number]"), texts = [];
        const type = (input, value) => {
            input.value = value;
            input.dispatchEvent(new Event("input"));
        };
        for (let i = 0; i < 54; i++) {
            type(row, i);
            for (let j = 0; j < 54; j++) {
                type(column, j);
                texts.push(root.querySelector("[aria-live]").textContent);
            }
        }
        return texts;
    }""")
    masks = torch.stack([said(text) for text in texts]).reshape(WINDOWS, WINDOWS, 28, 28)
    assert torch.equal(masks, seen())
    assert set(seen().sum(dim=(2, 3)).flatten().tolist()) == {4, 6, 9}


def test_the_boxes_are_drawn_there(figure):
    for row, column in [(0, 0), (24, 30), (53, 7), (20, 53)]:
        go(figure, row, column)
        boxes = figure.locator(".fig-enlargement-under, .fig-enlargement-over").evaluate_all(
            "all => all.map(e => ['x', 'y', 'width', 'height'].map(name => +e.getAttribute(name)))")
        ys, xs = (v.tolist() for v in seen()[row, column].nonzero().T)
        source = [min(xs), min(ys), max(xs) - min(xs) + 1, max(ys) - min(ys) + 1]
        window = [STRIDE * column, STRIDE * row, WIDE, WIDE]
        assert boxes == [source, source, window, window]


def pixels(figure, which):
    """A drawing's image as whole grey levels."""
    size, values = figure.locator("image").nth(which).evaluate("""async (image) => {
        const picture = new Image();
        picture.src = image.getAttribute("href");
        await picture.decode();
        const canvas = document.createElement("canvas");
        canvas.width = canvas.height = picture.width;
        const context = canvas.getContext("2d");
        context.drawImage(picture, 0, 0);
        const data = context.getImageData(0, 0, canvas.width, canvas.width).data;
        return [canvas.width, Array.from(data).filter((_, k) => k % 4 === 0)];
    }""")
    return torch.tensor(values, dtype=torch.float64).reshape(1, 1, size, size)


@pytest.mark.parametrize("name", CLASSES)
def test_the_enlargement_is_torchs(figure, name):
    figure.get_by_label("garment").select_option(label=name)
    source, large, sources, inside = (pixels(figure, which) for which in range(4))
    assert source.shape == (1, 1, 28, 28)
    assert source.std() > 10
    assert torch.equal(large, enlarge(source).round())  # exact: sums of multiples of 1/256
    assert torch.equal(sources, source)
    assert torch.equal(inside, large)


def test_the_source_pixels_values(figure):
    figure.get_by_label("garment").select_option(label="bag")
    source = pixels(figure, 0)[0, 0]
    for row, column in [(0, 30), (24, 30), (53, 53)]:
        go(figure, row, column)
        values = [float(text) for text in figure.locator("svg text").all_text_contents()]
        assert values == source[seen()[row, column]].tolist()


def test_mouse_slides_the_window(figure, visit):
    area = figure.get_by_role("application").bounding_box()
    for row, column in [(10, 40), (31, 2), (0, 53)]:
        visit.page.mouse.move(*(area[start] + area[size] * (STRIDE * n + WIDE / 2) / 224 for start, size, n in
                                (("x", "width", column), ("y", "height", row))))
        assert place(figure) == [row, column]
    visit.page.mouse.move(area["x"] + 1, area["y"] + 1)
    assert place(figure) == [0, 0]
    visit.page.mouse.move(1, 1)
    assert place(figure) == [0, 0]


def test_arrow_keys_reach_every_row_and_column(figure, visit):
    go(figure, 0, 0)
    figure.get_by_role("application").focus()
    for n in range(WINDOWS):
        assert place(figure) == [n, n]
        assert torch.equal(said(words(figure)), seen()[n, n])
        visit.page.keyboard.press("ArrowDown")
        visit.page.keyboard.press("ArrowRight")
    assert place(figure) == [53, 53]
    assert "At the border there are fewer." in words(figure)
    visit.page.keyboard.press("ArrowUp")
    visit.page.keyboard.press("ArrowLeft")
    assert place(figure) == [52, 52]


@pytest.mark.parametrize("entry", ["54", "-1", "2.5", ""])
def test_what_is_no_windows_number_changes_nothing(figure, visit, entry):
    go(figure, 24, 30)
    before = words(figure)
    figure.get_by_label("window's row").fill(entry)
    visit.page.keyboard.press("Tab")
    assert place(figure) == [24, 30]
    assert words(figure) == before


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_fits_and_is_accessible(browser, width, scheme):
    with Visit(browser, PAGE, width, scheme) as visit:
        figure = visit.figure(NAME)
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        assert figure.evaluate("e => e.scrollWidth <= e.clientWidth")
        assert figure.locator("select, input").evaluate_all(
            "all => all.every(e => e.getBoundingClientRect().height >= 24)")
        assert visit.complaints == []
        assert visit.violations(f"[data-figure={NAME}]") == []


def test_touch(browser):
    with Visit(browser, PAGE, 390, touch=True) as visit:
        figure = visit.figure(NAME)
        pad = figure.get_by_role("application")
        area = pad.bounding_box()
        pad.tap(position={"x": area["width"] / 2, "y": area["height"] / 4})
        assert place(figure) == [13, 27]


def test_without_scripts_the_sentence_stands(browser):
    with Visit(browser, PAGE, scripts=False) as visit:
        assert "figure to touch" in visit.page.locator(f"[data-figure={NAME}]").text_content()
