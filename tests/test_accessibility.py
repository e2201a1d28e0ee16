"""axe-core over every page, in both themes: nothing that it can find is wrong."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from visiting import HTML, Visit

PAGES = sorted(path.name for path in HTML.glob("*.html"))
OPTIONS = {"preload": False}  # from a folder, axe may not read the style sheets by itself


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(browser, name, scheme):
    with Visit(browser, name, 1280, scheme) as visit:
        for figure in visit.page.locator("[data-figure]").all():
            visit.page.wait_for_function("figure => figure.dataset.ready", arg=figure.element_handle())
        found = Axe().run(visit.page, options=OPTIONS).response["violations"]
        assert [(violation["id"], [node["target"] for node in violation["nodes"]][:4]) for violation in found] == []
