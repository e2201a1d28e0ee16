"""The live network in its page: the same numbers as torch, within its time and size, by mouse, touch and keyboard."""

import os
import re
import shutil
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import torch

import visiting
from nin.data import CLASSES, load
from nin.model import build
from nin.pages import live
from nin.recipes import BEST, Variant
from visiting import Visit

PAGE = "live-network.html"
LIMIT = 6_000_000  # bytes: page, weights, runtime
KNOWN = live.read((live.STATIC / live.SCRIPT).read_text("utf-8"))[0]
CLASSIFY = """async (pictures) => {
    const answers = [];
    for (const picture of pictures) {
        const {maps, logits, milliseconds} = await document.querySelector('[data-figure=live]').classify(picture);
        answers.push([[...maps], logits, milliseconds]);
    }
    return answers;
}"""
OTHER = """async (pictures) => {
    const worker = new Worker(URL.createObjectURL(new Blob([`(${figures.networkWorker})()`])));
    worker.postMessage(figures.networkMessage(figures.network));
    const answers = [];
    for (const pixels of pictures) {  // one after the other: a message answers whoever listens
        answers.push(await new Promise((resolve) => {
            worker.addEventListener("message", ({data}) => resolve([...data.maps]), {once: true});
            worker.postMessage({pixels});
        }));
    }
    return answers;
}"""


class Live(Visit):
    """A visit to the page, and what its figure says."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.root = self.figure("live")
        self.canvas = self.root.locator(".fig-live-picture canvas")

    def settle(self):
        """Wait until the newest picture has its answer; return the answer's text."""
        self.page.wait_for_selector("[data-figure=live][aria-busy=false]")
        return self.root.locator("[aria-live]").inner_text()

    def pixels(self):
        """What the canvas shows, as a uint8 image (1, 1, 28, 28)."""
        reds = self.canvas.evaluate("""canvas => {
            const copy = new OffscreenCanvas(28, 28).getContext("2d", {willReadFrequently: true});
            copy.drawImage(canvas, 0, 0);
            return [...copy.getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0);
        }""")
        return torch.tensor(reds, dtype=torch.uint8).view(1, 1, 28, 28)

    def logits(self):
        """The logits beneath the maps."""
        texts = self.root.locator(".fig-live-logit").all_inner_texts()
        return [float(text.replace("−", "-")) for text in texts]

    def pick(self, name):
        """Pick a garment by its label and wait."""
        self.root.get_by_role("radio", name=name, exact=True).check()
        return self.settle()

    def agrees(self):
        """Check that text and logits are those that torch gives for what the canvas shows."""
        text, logits = self.settle(), live.folded_maps(KNOWN, self.pixels()).mean((2, 3))[0]
        assert self.logits() == pytest.approx(logits.tolist(), abs=0.06)
        (p, q), (first, second) = logits.softmax(0).topk(2)
        found = re.search(r"Answer: (.+) (\d\.\d\d), (.+) (\d\.\d\d)\.", text).groups()
        assert (found[0], found[2]) == (CLASSES[first], CLASSES[second])
        assert (float(found[1]), float(found[3])) == pytest.approx((float(p), float(q)), abs=0.006)
        return text


def test_the_same_numbers_as_torch(browser):
    images = load(train=False).images[:100]
    with Live(browser, PAGE) as visit:
        answers = visit.page.evaluate(CLASSIFY, images.flatten(1).tolist())
    expected = live.folded_maps(KNOWN, images)
    maps = torch.tensor([answer[0] for answer in answers]).view(expected.shape)
    logits = torch.tensor([answer[1] for answer in answers])
    assert (maps - expected).abs().max() < 1e-3
    assert (logits - expected.mean((2, 3))).abs().max() < 1e-3
    times = [answer[2] for answer in answers]
    print(f"\n{statistics.median(times):.0f} ms a picture, {times[0]:.0f} ms the first, {max(times):.0f} ms at most")
    assert statistics.median(times) < 1000


def another(variant):
    """The script of another network, as the page would be given it, and the network that it holds."""
    torch.manual_seed(0)
    net = build(variant)
    net.train()(torch.rand(8, 1, variant.side, variant.side))  # batch norms that have seen something
    script = live.script(live.layers(net.eval()), {})
    return script, live.read(script)[0]


@pytest.mark.parametrize("limit", [10**6, 0])
@pytest.mark.parametrize("variant", [
    replace(BEST.variant, width=0.1, native=True), Variant(width=0.1, batch_norm=True)])
def test_another_network_than_the_one_shown(browser, variant, limit, monkeypatch):
    """Without the enlargement, with weights rounded to 8 bits: what a GPU trains for the page."""
    monkeypatch.setattr(live, "FLOATS", limit)
    script, network = another(variant)
    images = load(train=False).images[:5]
    expected = live.folded_maps(network, images)
    with Live(browser, PAGE) as visit:
        visit.settle()
        visit.page.add_script_tag(content=script)
        answers = visit.page.evaluate(OTHER, images.flatten(1).tolist())
    maps = torch.tensor(answers).view(expected.shape)
    assert (maps - expected).abs().max() < 1e-5 * expected.abs().max()


def test_the_page_given_the_best_network(browser, tmp_path, monkeypatch):
    """Maps of 4×4 cells, drawn over the whole picture; untrained, so with no more than its shape."""
    monkeypatch.setattr(live, "FLOATS", 0)
    script, network = another(replace(BEST.variant, width=0.25, native=True))
    site = tmp_path / "html"
    shutil.copytree(visiting.HTML, site, copy_function=os.symlink)
    weights = site / "_static" / live.SCRIPT
    weights.unlink()
    weights.write_text(script, encoding="utf-8")
    monkeypatch.setattr(visiting, "HTML", site)
    monkeypatch.setattr(sys.modules[__name__], "KNOWN", network)
    with Live(browser, PAGE) as visit:
        visit.agrees()
        visit.pick("sneaker, 2 of 3")
        visit.agrees()
        assert visit.complaints == []
        cells = visit.root.locator("li canvas").first.evaluate("""canvas => {
            const context = canvas.getContext("2d"), step = canvas.width / 4, seen = new Set();
            for (let y = 0; y < 4; y++) for (let x = 0; x < 4; x++) {
                seen.add(`${[...context.getImageData(x * step + 2, y * step + 2, 1, 1).data]}`);
            }
            return seen.size;
        }""")
        assert cells > 4


def test_size_and_quiet(browser):
    with Live(browser, PAGE) as visit:
        visit.settle()
        assert visit.complaints == [] and visit.remote() == []
        files = {unquote(urlsplit(address).path) for address in visit.requests if address.startswith("file:")}
    size = sum(Path(file).stat().st_size for file in files)
    print(f"\n{size / 1e6:.2f} MB in {len(files)} files")
    assert any(file.endswith("live-weights.js") for file in files) and size < LIMIT


def test_every_garment_is_the_one_it_says(browser):
    with Live(browser, PAGE) as visit:
        radios = visit.root.get_by_role("radio")
        names = [f"{name}, {n} of 3" for n in (1, 2, 3) for name in CLASSES]
        assert [radio.get_attribute("aria-label") for radio in radios.all()] == names
        assert visit.agrees() == visit.pick("t-shirt, 1 of 3")
        visit.pick("ankle boot, 3 of 3")
        assert "ankle boot" in visit.agrees() and "Since" not in visit.settle()


def test_covering_a_sleeve_changes_its_maps(browser):
    with Live(browser, PAGE) as visit:
        visit.pick("pullover, 1 of 3")
        before, logits = visit.pixels(), visit.logits()
        pictures = visit.root.locator("li canvas").evaluate_all("all => all.map(c => c.toDataURL())")
        box = visit.canvas.bounding_box()
        x, top, bottom = box["x"] + 0.12 * box["width"], box["y"] + 0.1 * box["height"], box["y"] + 0.9 * box["height"]
        visit.page.mouse.move(x, top)
        visit.page.mouse.down()
        visit.page.mouse.move(x, bottom, steps=3)
        visit.page.mouse.up()
        text = visit.agrees()
        after = visit.pixels()
        assert (after[..., 4:25, 1:6] == 0).all() and (before[..., 4:25, 1:6] > 0).any()  # no gaps between the steps
        assert torch.equal(after[..., 7:], before[..., 7:])
        moves = [new - old for new, old in zip(visit.logits(), logits)]
        fall = min(range(10), key=moves.__getitem__)
        assert f"Since you picked it: {CLASSES[fall]} " in text or sorted(moves)[1] - min(moves) < 0.2
        now = visit.root.locator("li canvas").evaluate_all("all => all.map(c => c.toDataURL())")
        assert all(old != new for old, new in zip(pictures, now))
        visit.root.get_by_label("Show the change").check()
        assert visit.root.locator("li canvas").evaluate_all("all => all.map(c => c.toDataURL())") != now
        visit.root.get_by_role("button", name="Restore the garment").click()
        assert "Since" not in visit.agrees() and torch.equal(visit.pixels(), before)
        assert visit.logits() == logits and visit.complaints == []


def test_drawing_and_shifting_with_the_mouse(browser):
    with Live(browser, PAGE) as visit:
        visit.root.get_by_role("button", name="Clear the picture").click()
        visit.agrees()
        assert (visit.pixels() == 0).all()
        draw = visit.root.get_by_role("button", name="Draw")
        draw.click()
        assert draw.get_attribute("aria-pressed") == "true"
        visit.root.get_by_label("Brush").select_option("3")
        box = visit.canvas.bounding_box()
        visit.page.mouse.click(box["x"] + 10.5 / 28 * box["width"], box["y"] + 5.5 / 28 * box["height"])
        visit.agrees()
        drawn = torch.zeros(1, 1, 28, 28, dtype=torch.bool)
        drawn[..., 4:7, 9:12] = True
        assert torch.equal(visit.pixels() > 0, drawn)
        for name, dims, by in (("left", 3, -1), ("up", 2, -1), ("right", 3, 1), ("down", 2, 1), ("right", 3, 1)):
            visit.root.get_by_role("button", name=f"Shift {name}").click()
            drawn = drawn.roll(by, dims)
            visit.agrees()
            assert torch.equal(visit.pixels() > 0, drawn)
        for _ in range(20):
            visit.root.get_by_role("button", name="Shift right").click()
        visit.agrees()
        assert (visit.pixels() == 0).all()  # what leaves does not come back in


def test_by_keyboard_alone(browser):
    with Live(browser, PAGE) as visit:
        keys, first = visit.page.keyboard, visit.settle()
        visit.root.get_by_role("radio", name="t-shirt, 1 of 3").focus()
        keys.press("ArrowRight")  # from radio to radio
        assert visit.root.get_by_role("radio", name="trouser, 1 of 3").is_checked()
        assert visit.agrees() != first
        before = visit.pixels()
        keys.press("Tab")
        assert visit.canvas.evaluate("c => c === document.activeElement")
        for key in ["ArrowUp"] * 5 + ["ArrowLeft"]:
            keys.press(key)
        assert visit.settle().startswith("Row 10, column 14, erasing.")
        assert torch.equal(visit.pixels(), before)  # moving alone changes nothing
        keys.press("Space")
        visit.agrees()
        covered = visit.pixels()
        assert (covered[..., 7:12, 11:16] == 0).all() and (before[..., 7:12, 11:16] > 0).any()
        keys.press("e")
        for _ in range(4):
            keys.press("Shift+ArrowDown")
        assert "drawing" in visit.agrees()
        assert (visit.pixels()[..., 8:16, 11:16] > 0).all()
        for _ in range(30):
            keys.press("ArrowLeft")
        keys.press("Enter")
        assert visit.agrees().startswith("Row 14, column 1, ")
        for _ in range(3):
            keys.press("Tab")  # over the two modes to the brush
        keys.press("ArrowUp")
        assert visit.root.get_by_label("Brush").input_value() == "3"
        for _ in range(5):
            keys.press("Tab")
        keys.press("Enter")  # Restore
        assert "Since" not in visit.agrees() and torch.equal(visit.pixels(), before)
        assert visit.complaints == []


def test_only_the_newest_picture_counts(browser):
    with Live(browser, PAGE) as visit:
        visit.root.evaluate("""root => {
            const radios = root.querySelectorAll('input[type=radio]');
            for (const radio of [...radios].slice(1, 28)) radio.click();
        }""")
        assert "Since" not in visit.agrees()
        assert visit.root.get_by_role("radio", name="sneaker, 3 of 3").is_checked()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_fits_and_is_accessible(browser, width, scheme):
    with Live(browser, PAGE, width, scheme) as visit:
        visit.settle()
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        boxes = [control.bounding_box() for control in visit.root.locator("button, select, input[type=radio]").all()]
        assert min(min(box["width"], box["height"]) for box in boxes) >= 24
        assert len({round(box["y"]) for box in boxes[:30]}) == 3  # one garment of each class to a row
        assert visit.violations("[data-figure=live]") == []


def test_touch(browser):
    with Live(browser, PAGE, 390, touch=True) as visit:
        visit.root.get_by_role("radio", name="bag, 2 of 3").tap()
        visit.canvas.scroll_into_view_if_needed()
        visit.settle()
        place = visit.canvas.bounding_box()
        visit.canvas.tap(position={"x": 100, "y": 100})
        assert "Since you picked it" in visit.settle()
        assert visit.canvas.bounding_box() == place  # the longer answer does not push the picture from the finger


def test_without_scripts_the_still_picture_and_its_words_stand(browser):
    with Visit(browser, PAGE, scripts=False) as visit:
        assert visit.page.get_by_text("this place holds a figure to touch").is_visible()
        picture = visit.page.locator("img[src*=live-network]")
        assert "The network's answer: " in picture.get_attribute("alt")
        assert visit.page.get_by_text("test images correctly").is_visible()
