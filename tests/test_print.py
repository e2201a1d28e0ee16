"""A chapter printed from the dark theme: dark text on white, wrapped code, open answers; read from the PDF itself."""

import re
import zlib

import pytest

from visiting import Visit

PAGE = "exercise-3-resources.html"
# Colours are set by "r g b rg" before the shapes and letters that have them; rectangles are "x y w h re"; q keeps the
# colour until Q. Two states (gs) at once are a mask, as of a soft shadow.
STEP = re.compile(r"^(?:/\w+ gs\n/\w+ gs\n.* re\nf|([\d.]+) ([\d.]+) ([\d.]+) RG [\d. ]+ rg|"
                  r"([-\d.]+) ([-\d.]+) ([-\d.]+) ([-\d.]+) re\nf$|"
                  r"(?:.* Td )?<([0-9A-F]+)> Tj|(q|Q))$", re.MULTILINE)


def streams(pdf):
    """The uncompressed texts of a PDF's pages."""
    for part in pdf.split(b"endstream"):
        packed = re.split(rb">>\s?stream\r?\n", part)[-1]
        if packed[:1] == b"x":
            text = zlib.decompressobj().decompress(packed)
            if b"\nBT" in text:
                yield text.decode("latin-1")


def drawn(pdf):
    """(ground, ink): the brightness, 0 to 1, of each large area and of each letter that a PDF draws."""
    ground, ink = [], []
    for text in streams(pdf):
        shade, kept = 0.0, []
        for found in STEP.finditer(text):
            if found[1]:
                red, green, blue = (float(found[i]) for i in (1, 2, 3))
                shade = 0.2126 * red + 0.7152 * green + 0.0722 * blue
            elif found[6]:
                if abs(float(found[6]) * float(found[7])) > 200_000:  # of a page's 900,000
                    ground.append(shade)
            elif found[9] == "q":
                kept.append(shade)
            elif found[9]:
                shade = kept.pop()
            elif found[8]:
                ink += [shade] * (len(found[8]) // 4)
    return ground, ink


@pytest.fixture(scope="module")
def printed(browser):
    """The page in the dark theme, and its print."""
    with Visit(browser, PAGE, scheme="dark") as visit:
        visit.wait_for_figures()
        yield visit, visit.page.pdf(format="A4", print_background=True)


def test_dark_text_on_white(printed):
    ground, ink = drawn(printed[1])
    assert len(ground) > 20 and len(ink) > 20_000
    assert sorted(ground)[len(ground) // 2] == 1
    assert min(ground) > 0.3  # the bars beside folded boxes are blue, and painted as clipped areas
    assert sum(shade < 0.5 for shade in ink) > 0.99 * len(ink)


def test_the_screen_is_as_it_was(printed):
    page = printed[0].page
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.locator(".bd-article details[open]").count() == 0


def test_answers_are_open_and_nothing_is_cut(browser):
    """As a browser lays it out once it is told to print."""
    with Visit(browser, PAGE, width=800, scheme="dark") as visit:
        visit.page.emulate_media(media="print")
        visit.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        answers = visit.page.locator(".bd-article details:not(.hide, .toggle-details)")
        assert answers.count() == visit.page.locator(".bd-article details[open]:not(.hide)").count() > 5
        assert visit.page.evaluate("""() => [...document.querySelectorAll(".bd-article pre")]
            .filter(box => box.checkVisibility() && box.scrollWidth > box.clientWidth + 1).length""") == 0
        links = visit.page.locator(".skip-to-figures")
        assert links.count() and not links.is_visible()
        assert not visit.page.locator(".bd-article details.hide:not([open])").first.is_visible()
        assert visit.page.locator(".bd-article details.hide[open]").count() >= 1
        assert visit.page.evaluate("""() => [...document.querySelectorAll(".bd-article details[open] > summary ~ *")]
            .filter(part => getComputedStyle(part).animationName !== "none").length""") == 0  # else it would be blank
        visit.page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert visit.page.locator(".bd-article details[open]").count() == 0
