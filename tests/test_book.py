"""The built pages: their links, and what a real browser makes of them from a folder with no network."""

import os
import shutil
from functools import cache
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import notebooks
import pytest

HTML = notebooks.ROOT / "_build" / "html"
PAGES = sorted(path.name for path in HTML.glob("*.html"))
BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
# A browser of its own, that looks nothing up by itself.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# What a page loads, as against what it links to.
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "embed": "src"}
SETTLED = "() => !window.MathJax?.startup?.promise || MathJax.startup.promise.then(() => true)"


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


def test_only_the_needed_mathjax_is_shipped():
    size = sum(path.stat().st_size for path in (HTML / "_static" / "mathjax").rglob("*") if path.is_file())
    assert 1e6 < size < 4e6


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; without one these tests are skipped, except where CI is set."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium found: install one, or set CHROMIUM")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


class Visit:
    """One page opened from disk, with everything it complained about."""

    def __init__(self, browser, address, width=1280, scheme="light"):
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.context.set_default_timeout(20_000)
        self.page = self.context.new_page()
        self.complaints, self.requests = [], []
        self.page.on("console", self.note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(f"{HTML.as_uri()}/{address}", wait_until="load")
        self.page.wait_for_function(SETTLED)

    def note(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def remote(self):
        """Return the addresses asked for that are not on this disk."""
        return [url for url in self.requests if not url.startswith((HTML.as_uri(), "data:", "blob:"))]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()


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
