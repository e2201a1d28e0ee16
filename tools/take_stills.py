"""Takes the still pictures of the figures that can be touched, from the built book: tools/build.py first."""

import io
import os
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "book" / "_ext"))

import stills  # noqa: E402

BUILT = ROOT / "_build" / "html"
COLOURS = 160  # rare ones are kept


def few_colours(picture):
    """The picture with a palette, in which the most frequent colour, the ground, is what it was."""
    ground = max(picture.getcolors(picture.width * picture.height))[1]
    pixels = picture.load()
    at = next((x, y) for y in range(picture.height) for x in range(picture.width) if pixels[x, y] == ground)
    few = picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
    palette, entry = few.getpalette(), few.getpixel(at)
    palette[3 * entry:3 * entry + 3] = ground
    few.putpalette(palette)
    return few


def take(browser, page):
    """Write the pictures of all figures on a page."""
    tab = browser.new_page(viewport={"width": 1280, "height": 1600}, color_scheme="light")
    tab.goto((BUILT / page).as_uri())
    for figure in tab.locator("[data-figure]").all():
        tab.wait_for_function("figure => figure.dataset.ready", arg=figure.element_handle())
        figure.scroll_into_view_if_needed()
        tab.wait_for_timeout(1500)  # the live network's first answer
        picture = Image.open(io.BytesIO(figure.screenshot())).convert("RGB")
        path = stills.FOLDER / stills.name(figure.get_attribute("data-figure"), figure.get_attribute("data-study"))
        few_colours(picture).save(path, optimize=True)
        print(f"{path.name}: {path.stat().st_size:,} bytes")
    tab.close()


def main():
    """Write the pictures of every page that has figures."""
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    stills.FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for path in sorted(BUILT.glob("*.html")):
            if "data-figure=" in path.read_text(encoding="utf-8"):
                take(browser, path.name)


if __name__ == "__main__":
    main()
