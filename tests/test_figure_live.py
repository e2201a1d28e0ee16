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
        return self.root.locator(".fig-live-answer").inner_text()

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

    def press(self, *keys):
        """Press keys, one after the other, and wait."""
        for key in keys:
            self.page.keyboard.press(key)
        return self.settle()

    def paint(self, changes):
        """Set single pixels, {(row, column): drawn or erased}, by keys alone."""
        self.root.get_by_label("Brush").select_option("1")
        self.canvas.focus()
        self.press(*["ArrowUp"] * 28, *["ArrowLeft"] * 28)
        y = x = 0
        for (row, column), drawn in changes.items():
            self.press(*["ArrowDown" if row > y else "ArrowUp"] * abs(row - y),
                       *["ArrowRight" if column > x else "ArrowLeft"] * abs(column - x))
            if (self.root.get_by_role("button", name="Draw").get_attribute("aria-pressed") == "true") != drawn:
                self.press("e")
            self.press("Space")
            y, x = row, column

    def challenge(self, n):
        """What stands behind a challenge: its state."""
        return self.root.locator(".fig-live-state").nth(n).inner_text()

    def frame(self):
        """The window drawn on the picture, as (first row, last row, first column, last column), or None."""
        found = self.root.locator(".fig-live-window")
        if not found.is_visible():
            return None
        inner, outer = found.bounding_box(), self.canvas.bounding_box()
        unit = outer["width"] / 28
        left, top = (inner["x"] - outer["x"]) / unit, (inner["y"] - outer["y"]) / unit
        return (round(top), round(top + inner["height"] / unit) - 1,
                round(left), round(left + inner["width"] / unit) - 1)

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
        for _ in range(6):
            keys.press("Tab")
        keys.press("Enter")  # Restore, after four arrows and Undo
        assert "Since" not in visit.agrees() and torch.equal(visit.pixels(), before)
        assert visit.complaints == []


def seen(network, row, column):
    """The rows and columns of the picture that a cell depends on: (first row, last row, first column, last column).

    In the dark, and with weights made positive, every row or column of light that a cell sees raises its value.
    """
    positive = [replace(layer, weight=layer.weight.abs() + 1e-3, bias=layer.bias.abs()) for layer in network]
    lit = torch.zeros(57, 28, 28, dtype=torch.uint8)
    for i in range(28):
        lit[i, i] = lit[28 + i, :, i] = 255
    values = live.folded_maps(positive, lit[:, None])[:, 0, row, column]
    rows, columns = (values[:56] > values[56] * (1 + 1e-6)).view(2, 28)
    return tuple(found.nonzero().flatten()[end].item() for found in (rows, columns) for end in (0, -1))


def test_a_cell_under_the_pointer_shows_its_value_and_its_window(browser):
    with Live(browser, PAGE) as visit:
        visit.pick("coat, 1 of 3")
        expected = live.folded_maps(KNOWN, visit.pixels())[0]
        cells = expected.shape[-1]
        assert visit.frame() is None and "Point at a cell" in visit.root.locator(".fig-live-cell").inner_text()
        for name, row, column in (("coat", 0, 0), ("bag", cells // 2, cells - 1), ("t-shirt", cells - 1, 1)):
            tile = visit.root.locator("li canvas").nth(CLASSES.index(name))
            tile.scroll_into_view_if_needed()
            box = tile.bounding_box()
            visit.page.mouse.move(box["x"] + (column + 0.5) / cells * box["width"],
                                  box["y"] + (row + 0.5) / cells * box["height"])
            text = visit.root.locator(".fig-live-cell").inner_text()
            where, value = re.match(r"(.+): (.\d+\.\d)", text).groups()
            assert where == f"{name}, row {row + 1}, column {column + 1}"
            number = expected[CLASSES.index(name), row, column].item()
            assert float(value.replace("−", "-")) == pytest.approx(number, abs=0.06)
            top, bottom, left, right = seen(KNOWN, row, column)
            assert visit.frame() == (top, bottom, left, right)
            assert f"rows {top + 1} to {bottom + 1} and columns {left + 1} to {right + 1} of the picture" in text
        visit.page.mouse.move(5, 5)
        assert visit.frame() is None and visit.complaints == []


def test_a_map_is_enlarged_by_a_click_and_its_values_stand_in_it(browser):
    with Live(browser, PAGE) as visit:
        maps = visit.root.locator("li button")
        small = [box["width"] for box in (found.bounding_box() for found in maps.all())]
        assert min(small) >= 120 and max(small) - min(small) < 1
        maps.nth(3).click()
        assert maps.nth(3).bounding_box()["width"] > 2.5 * small[0]
        assert [found.is_visible() for found in maps.all()] == [k == 3 for k in range(10)]
        assert maps.nth(3).get_attribute("aria-pressed") == "true"
        maps.nth(3).click()  # points at a cell, and leaves it large
        assert "dress, row" in visit.root.locator(".fig-live-cell").inner_text() and maps.nth(3).is_visible()
        visit.root.get_by_role("button", name="Clear the picture").click()
        visit.agrees()
        visit.root.get_by_role("button", name="Show all ten maps").click()
        assert all(found.is_visible() for found in maps.all()) and visit.complaints == []


def test_maps_by_keys(browser):
    with Live(browser, PAGE) as visit:
        cells = live.folded_maps(KNOWN, visit.pixels()).shape[-1]
        reading, maps = visit.root.locator(".fig-live-cell"), visit.root.locator("li button")
        visit.root.get_by_role("button", name="Clear the picture").focus()
        visit.press("Tab")
        assert maps.nth(0).evaluate("b => b === document.activeElement")
        assert reading.inner_text().startswith("t-shirt, row 1, column 1: ") and visit.frame()[0] == 0
        assert reading.get_attribute("aria-live") == "polite"
        visit.press(*["ArrowRight"] * cells, "ArrowDown")
        assert reading.inner_text().startswith("trouser, row 2, column 1: ")
        visit.press(*["ArrowDown"] * (cells - 1))
        assert reading.inner_text().startswith(f"{CLASSES[6]}, row 1, column 1: ")
        visit.press("ArrowLeft", *["ArrowLeft"] * 40)
        assert reading.inner_text().startswith(f"{CLASSES[5]}, row 1, column 1: ")  # the edge holds
        visit.press("Enter")
        assert maps.nth(5).bounding_box()["width"] > 300 and not maps.nth(0).is_visible()
        visit.press(*["ArrowRight"] * cells)  # to the next map, large as well
        assert maps.nth(6).is_visible() and not maps.nth(5).is_visible()
        assert reading.inner_text().startswith(f"{CLASSES[6]}, row 1, column 1: ")
        visit.press("Enter")
        assert all(found.is_visible() for found in maps.all())
        visit.press("Space", "Escape")
        assert all(found.is_visible() for found in maps.all())
        assert maps.nth(6).evaluate("b => b === document.activeElement")
        visit.press("Tab")
        assert visit.root.get_by_label("Show the change").evaluate("b => b === document.activeElement")
        assert visit.complaints == []


def test_undo(browser):
    with Live(browser, PAGE) as visit:
        undo = visit.root.get_by_role("button", name="Undo the last change")
        assert undo.get_attribute("aria-disabled") == "true"
        visit.pick("pullover, 1 of 3")
        states = [visit.pixels()]
        visit.canvas.click(position={"x": 100, "y": 100})
        states.append(visit.pixels())
        visit.root.get_by_role("button", name="Shift left").click()
        states.append(visit.pixels())
        visit.canvas.focus()
        visit.press("Space")
        states.append(visit.pixels())
        visit.pick("bag, 1 of 3")
        assert all(not torch.equal(a, b) for a, b in zip(states, states[1:]))
        undo.click()
        visit.agrees()
        assert torch.equal(visit.pixels(), states[3])
        assert visit.root.get_by_role("radio", name="pullover, 1 of 3").is_checked()
        assert "True class of the garment you picked: pullover" in visit.root.inner_text()
        visit.canvas.focus()
        for state in states[2::-1]:
            visit.press("Control+z")
            assert torch.equal(visit.pixels(), state)
        assert "Since" not in visit.agrees()
        undo.click()
        assert visit.root.get_by_role("radio", name="t-shirt, 1 of 3").is_checked()
        assert undo.get_attribute("aria-disabled") == "true"
        undo.focus()
        visit.press("Enter")  # nothing is left to be taken back
        visit.agrees()
        assert visit.complaints == []


def probabilities(images):
    """What the network on the page says of images, uint8 (n, 1, 28, 28): (n, 10)."""
    return torch.cat([live.folded_maps(KNOWN, part).mean((2, 3)) for part in images.split(64)]).softmax(1)


def offered():
    """The thirty garments of the page and their labels, class by class."""
    test_set = load(train=False)
    chosen = torch.cat([(test_set.labels == k).nonzero().flatten()[:3] for k in range(10)])
    return test_set.images[chosen], test_set.labels[chosen]


def name_of(i):
    """A garment's label on the page."""
    return f"{CLASSES[i // 3]}, {i % 3 + 1} of 3"


def test_turn_it_into_a_bag(browser):
    """By the mouse: a plain block, as large as the brush makes it, is a bag to this network."""
    with Live(browser, PAGE) as visit:
        assert visit.challenge(0).startswith("Now: bag 0.0")
        visit.pick("bag, 1 of 3")
        assert "this one is a bag" in visit.challenge(0)  # no solution
        visit.pick("dress, 1 of 3")
        visit.root.get_by_role("button", name="Draw").click()
        box = visit.canvas.bounding_box()
        unit = box["width"] / 28
        for row in range(2, 28, 4):
            visit.page.mouse.move(box["x"] + unit, box["y"] + (row + 0.5) * unit)
            visit.page.mouse.down()
            visit.page.mouse.move(box["x"] + 27 * unit, box["y"] + (row + 0.5) * unit)
            visit.page.mouse.up()
            if "Solved: Turn it into a bag." in visit.agrees():
                break
        assert visit.challenge(0) == "Solved."
        visit.root.get_by_role("button", name="Restore the garment").click()
        assert "Solved" not in visit.settle() and visit.challenge(0) == "Solved."  # once is enough, and is said once


def few_pixels(image, label, most=8):
    """{(row, column): drawn or erased} by which the answer leaves the label, one pixel after the other; or None."""
    found, now = {}, image[None].clone()
    for _ in range(most):
        tries = now.repeat(2 * 784, 1, 1, 1).view(2, 784, 784)
        tries[0].fill_diagonal_(0)
        tries[1].fill_diagonal_(210)
        p = probabilities(tries.view(-1, 1, 28, 28))
        best = int(p[:, label].argmin())
        now = tries.view(-1, 1, 28, 28)[best:best + 1]
        found[divmod(best % 784, 28)] = best >= 784
        if p[best].argmax() != label:
            return found
    return None


def test_eight_pixels(browser):
    """By keys: of the garments that are known, the one known least surely; a wrong answer is found pixel by pixel."""
    images, labels = offered()
    p = probabilities(images)
    known = [i for i in range(30) if p[i].argmax() == labels[i]]
    for chosen in sorted(known, key=lambda i: p[i, labels[i]])[:3]:
        if changes := few_pixels(images[chosen], int(labels[chosen])):
            break
    assert changes, "the challenge cannot be met with these weights: ask for another one"
    with Live(browser, PAGE) as visit:
        visit.pick(name_of(chosen))
        assert visit.challenge(1) == "Now: 0 changed."
        visit.paint(changes)
        assert "Solved: 8 pixels." in visit.agrees() and visit.challenge(1) == "Solved."
        assert visit.challenge(2).startswith("Now: more than moved")


def shifted(image, dx, dy):
    """An image moved by whole pixels; what leaves it is lost."""
    return torch.nn.functional.pad(image, (dx, -dx, dy, -dy))


def test_only_by_moving(browser):
    images, labels = offered()
    known, found = probabilities(images).argmax(1) == labels, None
    for away in range(1, 15):
        for dx, dy in ((x, y) for x in range(-away, away + 1) for y in {away - abs(x), abs(x) - away}):
            moved = shifted(images, dx, dy)
            whole = (moved > 0).sum((1, 2, 3)) == (images > 0).sum((1, 2, 3))
            wrong = probabilities(moved).argmax(1) != labels
            for i in (known & whole & wrong).nonzero().flatten().tolist():
                found = found or (i, dx, dy)
        if found:
            break
    assert found, "the challenge cannot be met with these weights: ask for another one"
    i, dx, dy = found
    with Live(browser, PAGE) as visit:
        visit.pick(name_of(i))
        for name in ["Shift right"] * dx + ["Shift left"] * -dx + ["Shift down"] * dy + ["Shift up"] * -dy:
            visit.root.get_by_role("button", name=name).click()
        assert torch.equal(visit.pixels()[0], shifted(images[i], dx, dy))
        assert "Solved: Only by moving." in visit.agrees() and visit.challenge(2) == "Solved."
        

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
        controls = visit.root.locator(":is(button, select, input[type=radio]):visible").all()
        boxes = [control.bounding_box() for control in controls]
        assert min(min(box["width"], box["height"]) for box in boxes) >= 24
        assert len({round(box["y"]) for box in boxes[:30]}) == 3  # one garment of each class to a row
        assert visit.violations("[data-figure=live]") == []
        visit.root.locator("li button").nth(4).click()  # one large map, and a cell that is looked at
        assert visit.root.locator("li button").nth(4).bounding_box()["width"] > 280
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
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


def test_a_map_by_touch(browser):
    with Live(browser, PAGE, 390, touch=True) as visit:
        visit.settle()
        tile = visit.root.locator("li button").nth(2)
        tile.tap()
        assert tile.bounding_box()["width"] > 280
        tile.tap(position={"x": 20, "y": 20})
        assert "pullover, row 1, column 1: " in visit.root.locator(".fig-live-cell").inner_text()
        visit.root.get_by_role("button", name="Show all ten maps").tap()
        assert visit.root.locator("li button").nth(0).is_visible()


def test_the_figure_comes_before_the_prose_and_its_twin_only_without_scripts(browser):
    with Live(browser, PAGE) as visit:
        assert visit.page.locator("svg.still").count() == 0
        top = visit.root.bounding_box()["y"] + visit.page.evaluate("scrollY")
        assert top < min(heading.bounding_box()["y"] + visit.page.evaluate("scrollY")
                         for heading in visit.page.locator(".bd-article h2").all())
        assert visit.page.get_by_text("Figure L.1.").is_visible()
    with Visit(browser, PAGE, scripts=False) as visit:
        assert "pullover" in visit.page.locator("svg.still").get_attribute("aria-label")
        assert visit.page.get_by_text("The network’s answer: ").is_visible()
        assert visit.page.get_by_text("test images correctly").is_visible()
