"""What all figures to touch share: a link that skips to each, a number, a caption, a picture without JavaScript."""

import re

import pytest

import notebooks
from visiting import HTML, Visit

PAGES = sorted(path.name for path in HTML.glob("*.html") if "data-figure=" in path.read_text(encoding="utf-8"))
CAPTION = re.compile(r"\*Figure (\w+\.[A-Z]), to touch\. ")


def test_there_are_figures():
    assert len(PAGES) > 5


@pytest.mark.parametrize("name", PAGES)
def test_a_few_keys_lead_to_each_figure(browser, name):
    with Visit(browser, name) as visit:
        visit.wait_for_figures()
        page, links = visit.page, visit.page.locator(".skip-to-figures a")
        figures = page.locator("[data-figure]")
        assert links.count() == figures.count()
        for number in range(links.count()):
            page.evaluate("document.activeElement.blur(), getSelection().removeAllRanges(), scrollTo(0, 0)")
            links.nth(number).focus()
            box = links.nth(number).bounding_box()
            assert box["y"] >= 0  # seen while it has the focus
            page.keyboard.press("Enter")
            assert figures.evaluate_all("all => all.indexOf(document.activeElement)") >= 0
            assert 0 <= page.evaluate("document.activeElement.getBoundingClientRect().top") + 60 < 900
            if page.evaluate("!!document.activeElement.querySelector('button, input, select, [tabindex=\"0\"]')"):
                page.keyboard.press("Tab")  # curves of a study without runs have nothing to touch
                assert page.evaluate("!!document.activeElement.closest('[data-figure]')")
        page.reload()
        visit.wait_for_figures()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent").startswith("Skip to")
        assert visit.complaints == []


@pytest.mark.parametrize("name", PAGES)
def test_without_javascript_there_is_a_picture(browser, name):
    with Visit(browser, name, scripts=False) as visit:
        for figure in visit.page.locator("[data-figure]").all():
            figure.scroll_into_view_if_needed()
            picture = figure.locator("noscript img")
            assert "needs JavaScript" in figure.inner_text()
            assert picture.get_attribute("alt")
            visit.page.wait_for_function("image => image.complete && image.naturalWidth", arg=picture.element_handle())
        assert visit.remote() == []


def test_without_javascript_a_page_with_formulas_says_what_they_are(browser):
    for name, said in (("nin-model.html", True), ("live-network.html", False)):
        with Visit(browser, name, scripts=False) as visit:
            assert ("Formulas appear" in visit.page.locator(".bd-article").inner_text()) == said
    with Visit(browser, "nin-model.html") as visit:
        assert "Formulas appear" not in visit.page.locator(".bd-article").inner_text()


def test_with_javascript_no_picture_is_loaded(browser):
    with Visit(browser, PAGES[0]) as visit:
        visit.wait_for_figures()
        assert [url for url in visit.requests if "/stills/" in url] == []


@pytest.mark.parametrize("path", notebooks.chapters(), ids=lambda path: path.stem)
def test_figures_to_touch_have_numbers_in_order(path):
    text = "\n".join(cell.source for cell in notebooks.read(path).cells if cell.cell_type == "markdown")
    numbers = [number.split(".")[1] for number in CAPTION.findall(text)]
    assert numbers == [chr(ord("A") + i) for i in range(text.count("<div data-figure="))]
