"""The built pages: their links, and what a real browser makes of them from a folder with no network."""

from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import notebooks
from visiting import HTML, Visit

PAGES = sorted(path.name for path in HTML.glob("*.html"))
HEAVY = {"live-network.html", "train-yourself.html"}  # they test their own weight
# What a page loads, as against what it links to.
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "embed": "src"}


class Page(HTMLParser):
    """Collects a page's anchors, links and loaded assets."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.links, self.assets = {"", "top"}, [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = {name: value or "" for name, value in attrs}
        self.anchors.update(attrs[name] for name in ("id", "name") if name in attrs)
        if tag == "a" and "href" in attrs:
            self.links.append(attrs["href"])
        elif tag == "link" and attrs.get("rel") in ("stylesheet", "icon", "preload", "shortcut icon"):
            self.assets.append(attrs.get("href", ""))
        elif LOADED.get(tag) in attrs:
            self.assets.append(attrs[LOADED[tag]])


@cache
def parse(name):
    """Return the parsed page of that file name."""
    return Page((HTML / name).read_text(encoding="utf-8"))


def problem(address):
    """Return what is wrong with an internal address, seen from the top folder, or None."""
    parts = urlsplit(address)
    target = HTML / unquote(parts.path)
    if not target.is_file():
        return f"{address}: no such file"
    if target.suffix == ".html" and unquote(parts.fragment) not in parse(target.name).anchors:
        return f"{address}: no such place on that page"
    return None


def test_every_chapter_has_its_page():
    assert PAGES, "the book is not built: run make book"
    assert {f"{path.stem}.html" for path in notebooks.chapters()} <= set(PAGES)
    assert {"index.html", "references.html", "search.html"} <= set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_internal_links(name):
    addresses = {link if urlsplit(link).path else name + link for link in parse(name).links + parse(name).assets
                 if not urlsplit(link).scheme and not link.startswith("//")}
    assert addresses
    assert [found for found in map(problem, sorted(addresses)) if found] == []


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_loaded_from_elsewhere(name):
    assets = parse(name).assets
    assert [asset for asset in assets if asset.startswith("//") or urlsplit(asset).scheme not in ("", "data")] == []


@pytest.mark.parametrize("name", PAGES)
def test_buttons_are_ours(name):
    foreign = [link for link in parse(name).links if "github.com/executablebooks" in link]
    assert foreign == []


def test_styles_load_nothing_from_elsewhere():
    styles = list((HTML / "_static").rglob("*.css"))
    assert styles
    assert [path.name for path in styles if "url(http" in path.read_text(encoding="utf-8").replace('"', "")] == []


def test_every_rule_of_our_styles_is_closed():
    """A browser takes what follows an open rule for a part of it, and says nothing."""
    ours = list((notebooks.BOOK / "_static").rglob("*.css"))
    assert len(ours) > 5
    texts = {path.name: path.read_text(encoding="utf-8") for path in ours}
    assert [name for name, text in texts.items() if text.count("{") != text.count("}")] == []


def test_only_the_needed_mathjax_is_shipped():
    size = sum(path.stat().st_size for path in (HTML / "_static" / "mathjax").rglob("*") if path.is_file())
    assert 1e6 < size < 4e6


# The longest line of each box of code that is wider than its box.
CUT = """() => [...document.querySelectorAll(".bd-article pre")]
  .filter(box => box.scrollWidth > box.clientWidth)
  .map(box => box.textContent.split("\\n").sort((a, b) => b.length - a.length)[0])"""


CUT_TABLES = """() => [...document.querySelectorAll(".bd-article table")]
  .filter(table => table.scrollWidth > table.clientWidth || table.clientWidth > table.parentElement.clientWidth)
  .map(table => table.innerText.slice(0, 80))"""


CUT_FORMULAS = """() => [...document.querySelectorAll("mjx-container[display=true]")]
  .filter(box => box.scrollWidth > box.clientWidth + 1).map(box => box.closest("section").id)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", PAGES)
def test_in_a_browser(browser, name, width, scheme):
    with Visit(browser, name, width, scheme) as visit:
        page = visit.page
        assert visit.complaints == []
        assert visit.remote() == []
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        formulas = page.locator(".math.notranslate").count()
        assert page.locator(".math.notranslate mjx-container").count() >= formulas
        assert page.locator("mjx-merror").count() == 0
        broken = page.evaluate("[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)")
        assert broken == []
        if width == 1280:  # no formula, no line of code and no table is cut, in folded boxes either
            visit.wait_for_figures()
            assert page.evaluate("document.documentElement.scrollHeight") <= 20_000
            page.evaluate("document.querySelectorAll('details').forEach(box => box.open = true)")
            assert page.evaluate(CUT) == []
            assert page.evaluate(CUT_TABLES) == []
            assert page.evaluate(CUT_FORMULAS) == []


# Of each plot with a caption: whether the caption stands to the right of it, and does not go on below.
BESIDE = """() => [...document.querySelectorAll(".bd-article div.cell_output > img")].flatMap((plot) => {
  const after = plot.nextElementSibling ?? plot.closest("div.cell").nextElementSibling;
  if (!after?.matches("p:has(> em:only-child)")) return [];
  const [of, caption] = [plot, after].map(one => one.getBoundingClientRect());
  return [caption.left >= of.right && caption.top < of.top + 40];
})"""


@pytest.mark.parametrize("name", ["training.html", "exercise-2-one-by-one.html", "exercise-3-resources.html"])
def test_captions_stand_beside_their_plots_where_there_is_room(browser, name):
    for width, beside in ((1280, True), (390, False)):
        with Visit(browser, name, width) as visit:
            found = visit.page.evaluate(BESIDE)
            assert len(found) > 3 and set(found) == {beside}


# Numbers that stand left, or whose digits have several widths; row names that the other columns push away.
MISPLACED = """() => [...document.querySelectorAll(".bd-article table:is(.table, .dataframe)")].flatMap((table) => {
  table.scrollLeft = table.scrollWidth;
  const left = table.getBoundingClientRect().left, found = [];
  for (const cell of table.querySelectorAll("th, td")) {
    const style = getComputedStyle(cell), box = cell.getBoundingClientRect();
    if (cell.matches(".number") !== (style.textAlign === "right")) found.push(cell.innerText);
    if (cell.matches(".number") && style.fontVariantNumeric !== "tabular-nums") found.push(cell.innerText);
    if (cell.matches(".row-name") && box.width && box.left < left - 1) found.push(cell.innerText);
  }
  return found;
})"""


@pytest.mark.parametrize("name", ["nin-block.html", "exercise-1-tuning.html"])
def test_numbers_stand_right_and_row_names_stay(browser, name):
    with Visit(browser, name, 390) as visit:
        assert visit.page.evaluate(MISPLACED) == []
        assert visit.page.locator("td.number").count() > 50


@pytest.mark.parametrize("name", sorted({*PAGES} - HEAVY))
def test_a_page_is_light(browser, name):
    """Page, pictures, figures and their data, without what all pages share and a browser loads once."""
    with Visit(browser, name) as visit:
        visit.wait_for_figures()
        files = {Path(unquote(urlsplit(url).path)) for url in visit.requests if url.startswith("file:")}
    own = [file for file in files if file.parent in (HTML, HTML / "_images", HTML / "_static" / "figures")
           and file.name != "searchindex.js" and file.suffix != ".css"]  # all pages have these
    assert HTML / name in own
    assert sum(file.stat().st_size for file in own) < 1e6


@pytest.mark.parametrize("width", [1280, 390])
def test_search(browser, width):
    with Visit(browser, "index.html", width) as visit:
        page = visit.page
        page.locator("button.search-button-field:visible, button.search-button:visible").first.click()
        page.locator("input[type=search]:visible").first.fill("convolution")
        page.keyboard.press("Enter")
        page.wait_for_selector("#search-results li a[href*='nin-block.html']")
        assert visit.complaints == []
        assert visit.remote() == []
