"""The figure of a step's memory: its numbers against nin.moments, which torch's tracker checks, and how it is used."""

import itertools

import pytest

from nin.model import SMALLEST, nin
from nin.moments import moments, peak_moment, predicted_peak
from visiting import Visit

PAGE = "exercise-3-resources.html"
COUNT = """settings => document.querySelector("[data-figure=memory]").moments(settings)
    .map(({phase, layer, bytes}) => [phase, layer, bytes])"""
GRID = list(itertools.product((1, 2, 8, 128, 1024), (SMALLEST, 96, 112, 224, 227, 448)))


@pytest.fixture(scope="module")
def count(browser):
    """All moments as the figure counts them, for some settings."""
    with Visit(browser, PAGE) as visit:
        visit.figure("memory")
        yield lambda **settings: [tuple(moment) for moment in visit.page.evaluate(COUNT, settings)]


@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("copies", [None, 0, 1, 2], ids=["prediction", "SGD", "momentum", "Adam"])
def test_every_moment_is_the_helpers(count, copies, bf16):
    training = copies is not None
    for batch, size in GRID:
        expected = moments(nin(), (batch, 1, size, size), training, copies or 0, bf16)
        told = count(batch=batch, size=size, copies=copies or 0, bf16=bf16, training=training)
        assert told == [(moment.phase, moment.layer, moment.nbytes) for moment in expected], (batch, size)


def said(figure):
    """The line above the drawing, and the parts in the table: {part: MB}."""
    parts = dict(figure.locator("tbody tr").evaluate_all(
        "rows => rows.map(row => [row.cells[0].innerText, Number(row.cells[1].innerText.replace(',', ''))])"))
    return figure.locator("[aria-live=polite]").inner_text(), parts


def agrees(figure, *, batch=128, size=224, training=True, **options):
    """Assert that the figure shows the predicted peak, where it comes, and parts that add up to it."""
    shape = (batch, 1, size, size)
    peak = predicted_peak(nin(), shape, training, **options)
    at = peak_moment(moments(nin(), shape, training, **options))
    line, parts = said(figure)
    assert f"Peak: {peak / 1e6:,.1f} MB" in line
    assert f"at layer {at.layer} " in line if at.layer else "in the update" in line
    assert sum(parts.values()) == pytest.approx(peak / 1e6, abs=0.3)


def test_by_keys(browser):
    with Visit(browser, PAGE) as visit:
        figure, press = visit.figure("memory"), visit.page.keyboard.press
        agrees(figure)
        figure.get_by_label("Batch").focus()
        press("ArrowRight")
        agrees(figure, batch=256)
        press("Home")
        agrees(figure, batch=1)
        press("Tab")
        press("ArrowLeft")
        agrees(figure, batch=1, size=223)
        press("Home")
        agrees(figure, batch=1, size=SMALLEST)
        assert visit.complaints == [] and visit.remote() == []


def test_by_mouse(browser):
    with Visit(browser, PAGE) as visit:
        figure = visit.figure("memory")
        figure.get_by_label("Batch").click(position={"x": 2, "y": 12})  # the left end
        figure.get_by_label("Optimiser").select_option("Adam")
        agrees(figure, batch=1, optimizer_copies=2)
        assert "in the update" in said(figure)[0]
        figure.get_by_label("Precision").select_option("bfloat16, autocast")
        agrees(figure, batch=1, optimizer_copies=2, bf16=True)
        figure.get_by_label("Step of").select_option("prediction")
        assert figure.get_by_label("Optimiser").is_disabled()
        agrees(figure, batch=1, training=False, bf16=True)
        assert visit.complaints == []


@pytest.mark.parametrize("width", (390, 1280))
def test_fits_and_can_be_touched(browser, width):
    with Visit(browser, PAGE, width) as visit:
        figure = visit.figure("memory")
        for control in figure.locator("input, select").all():
            box = control.bounding_box()
            assert min(box["width"], box["height"]) >= 24
        outer = figure.bounding_box()
        for part in figure.locator("table, svg, p").all():
            box = part.bounding_box()
            assert box["x"] >= outer["x"] and box["x"] + box["width"] <= outer["x"] + outer["width"] + 1
        highest = figure.locator("svg").evaluate("svg => Math.min(...[...svg.children].map((c) => c.getBBox().y))")
        assert highest >= 0


@pytest.mark.parametrize("scheme", ("light", "dark"))
def test_axe_finds_nothing(browser, scheme):
    with Visit(browser, PAGE, scheme=scheme) as visit:
        visit.figure("memory")
        assert visit.violations("[data-figure=memory]") == []
