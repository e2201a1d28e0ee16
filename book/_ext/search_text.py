"""Writes what each section of each page says as a script, which the search page reads: from a folder it may not fetch.

_static/search.js finds words in it, shows where they stand, and leads to the section.
"""

import json
from html.parser import HTMLParser
from pathlib import Path

# Beside the words: buttons, pictures, formulas in TeX, and tags that have no end.
SKIPPED = {"script", "style", "svg", "button", "head"}
EMPTY = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
BLOCKS = {"p", "li", "td", "th", "tr", "pre", "div", "summary", "dt", "dd", "figcaption"}


class Sections(HTMLParser):
    """Collects the sections of a page: {anchor: [title, prose, code]}, each with the text that is its own."""

    def __init__(self, page):
        super().__init__()
        self.found, self.open, self.tags = {}, [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag in EMPTY:
            return
        attrs = dict(attrs)
        classes = (attrs.get("class") or "").split()
        skip = tag in SKIPPED or "math" in classes or "headerlink" in classes
        self.tags.append((tag, skip))
        if tag == "section" and attrs.get("id"):
            self.open.append(attrs["id"])
            self.found.setdefault(attrs["id"], ["", "", ""])

    def handle_endtag(self, tag):
        if tag in EMPTY or tag not in (name for name, _ in self.tags):
            return
        while self.tags.pop()[0] != tag:
            pass
        if tag == "section" and self.open:
            self.open.pop()
        if tag in BLOCKS:
            self.handle_data(" ")

    def handle_data(self, data):
        if not self.open or any(skip for _, skip in self.tags):
            return
        names = [name for name, _ in self.tags]
        kind = 0 if any(name in ("h1", "h2", "h3", "h4") for name in names) else 2 if "pre" in names else 1
        self.found[self.open[-1]][kind] += data


def sections(page):
    """[[anchor, title, prose, code]] of a page's HTML, in order; the first is the page itself."""
    return [[anchor, *(" ".join(text.split()) for text in texts)] for anchor, texts in Sections(page).found.items()]


def script(folder, names):
    """The text of search-text.js: every page's file name and sections."""
    pages = [[name, sections((folder / name).read_text(encoding="utf-8"))] for name in names]
    lines = ",\n".join(json.dumps(page, ensure_ascii=False, separators=(",", ":")) for page in pages if page[1])
    return f"search.pages = [\n{lines}\n];\n"


def write_script(app, error):
    """Write the script into the built book."""
    if error is None and app.builder.format == "html":
        folder = Path(app.outdir)
        names = [f"{name}.html" for name in sorted(app.env.found_docs) if (folder / f"{name}.html").is_file()]
        (folder / "_static" / "search-text.js").write_text(script(folder, names), encoding="utf-8")


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("build-finished", write_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
