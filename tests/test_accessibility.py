"""axe-core over every page, in both themes, narrow and wide: nothing that it can find is wrong."""

import pytest

from visiting import HTML, Visit

PAGES = sorted(path.name for path in HTML.glob("*.html"))
# Thousands of coloured words cost axe most of its time, and their colours are the same on every page.
WITH_CODE, WITHOUT_CODE = "nin-block.html", {"exclude": [[".highlight"]]}


@pytest.mark.parametrize("width, scheme", [
    pytest.param(390, "light", marks=pytest.mark.slow), (1280, "dark")])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(browser, name, width, scheme):
    with Visit(browser, name, width, scheme) as visit:
        visit.wait_for_figures()
        assert visit.violations(None if name == WITH_CODE else WITHOUT_CODE) == []


def test_what_scrolls_sideways_is_within_reach_of_the_keyboard(browser):
    """Boxes that are too wide can be focused; they lose that when they fit. Figures see to their own.

    Boxes in a closed fold are measured when it opens.
    """
    too_wide = """() => [...document.querySelectorAll(
        ".bd-article :is(table, pre, .cell_output, .text_html):not([data-figure] *)")]
                        .filter(box => box.checkVisibility({contentVisibilityAuto: true}))
                        .map(box => [box.scrollWidth > box.clientWidth, box.tabIndex === 0])"""
    with Visit(browser, "training.html", 390, "light") as visit:
        narrow = visit.page.evaluate(too_wide)
        visit.page.set_viewport_size({"width": 1900, "height": 900})
        visit.page.wait_for_timeout(300)
        wide = visit.page.evaluate(too_wide)
        visit.page.set_viewport_size({"width": 390, "height": 900})
        visit.page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
        visit.page.wait_for_timeout(300)
        opened = visit.page.evaluate(too_wide)
    for boxes in (narrow, wide, opened):
        assert all(focusable == wider for wider, focusable in boxes)
    assert sum(wider for wider, _ in wide) < sum(wider for wider, _ in narrow) < sum(wider for wider, _ in opened)
