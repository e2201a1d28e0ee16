"""The figure of the network, layer by layer: its numbers against nin.costs and torch, and how it is used."""

import math
from functools import cache

import pytest
import torch
from playwright.sync_api import Error
from torch import nn

from nin.costs import layers, parameter_count
from nin.model import SMALLEST, Variant, build, nin
from visiting import Visit

PAGE = "nin-model.html"
SIZES = (SMALLEST, SMALLEST + 1, 96, 98, 99, 130, 224, 227, 256, 448)
TABLE = "([size, batch]) => document.querySelector('[data-figure=layers]').table(size, batch)"


@pytest.fixture(scope="module")
def visit(browser):
    """The page with the figure, for tests that leave the figure as it is."""
    with Visit(browser, PAGE) as visit:
        visit.figure("layers")
        yield visit


@cache
def counted(size=224, batch=1):
    """The rows of nin.costs for the section's network."""
    return layers(nin(), (batch, 1, size, size))


def leaves(net):
    """The modules of `costs.layers`, by name."""
    return {name: layer for name, layer in net.named_modules() if not list(layer.children())}


def spot(figure, name):
    """The drawing's place for the layer of that name."""
    return figure.locator(f"[data-layer='{name}']")


def shown(figure):
    """The numbers that can be read in the table: {row: texts}."""
    return dict(figure.locator("tbody tr").evaluate_all(
        "rows => rows.map((row) => [row.cells[0].innerText, [...row.cells].slice(1).map((cell) => cell.innerText)])"))


def expected(name, size=224, batch=1):
    """What the table should say of a layer, by nin.costs."""
    rows = counted(size, batch)
    row = next(row for row in rows if row.name == name)

    def cost(what):
        part, whole = getattr(row, what), sum(getattr(row, what) for row in rows)
        share = f"{part / whole:.1%}" if part / whole >= 0.0005 else "under 0.1%" if part else "0%"
        return [f"{part:,}", f"{share} of {whole:,}"]

    return {"output": [f"({', '.join(map(str, row.shape))})"], "parameters": cost("parameters"),
            "MACs": cost("macs"), "activation bytes": cost("out_bytes")}


def agrees(figure, name, size=224, batch=1):
    """Assert that the layer of that name is shown, with its numbers."""
    said = shown(figure)
    assert {what: said[what] for what in ("output", "parameters", "MACs", "activation bytes")} \
        == expected(name, size, batch)
    kind = next(row.kind for row in counted() if row.name == name)
    assert f", {kind}. " in line(figure)


def line(figure):
    """The text line beside the drawing."""
    return figure.locator("[aria-live=polite]").inner_text()


def framed(figure):
    """The layers with a frame around them."""
    return figure.locator("[data-layer]").evaluate_all("""layers => layers
        .filter((layer) => getComputedStyle(layer).outlineStyle !== "none" && !layer.matches(":focus-visible"))
        .map((layer) => layer.dataset.layer)""")


@pytest.mark.parametrize("batch", (1, 3, 128))
@pytest.mark.parametrize("size", SIZES)
def test_numbers_are_those_of_costs(visit, size, batch):
    told = visit.page.evaluate(TABLE, [size, batch])
    assert [(row["name"], row["kind"], tuple(row["shape"]), row["parameters"], row["macs"], row["bytes"])
            for row in told] == \
        [(row.name, row.kind, row.shape, row.parameters, row.macs, row.out_bytes) for row in counted(size, batch)]
    assert sum(row["parameters"] for row in told) == parameter_count(nin())


def test_windows_are_those_of_the_modules(visit):
    told = {row["name"]: row for row in visit.page.evaluate(TABLE, [224, 1])}
    for name, layer in leaves(nin()).items():
        row = told[name]
        if isinstance(layer, nn.Conv2d):
            assert (row["k"], row["k"]) == layer.kernel_size
            assert (row["s"], row["s"]) == layer.stride
            assert (row["p"], row["p"]) == layer.padding
        elif isinstance(layer, nn.MaxPool2d):
            assert (row["k"], row["s"], row["p"]) == (layer.kernel_size, layer.stride, layer.padding)
        elif isinstance(layer, nn.AdaptiveAvgPool2d):
            assert row["k"] == row["before"]


def seen(size, further=0):
    """By gradients, per layer the first and last row and column that the neuron `further` beyond the centre sees."""
    net = build(Variant(width=1 / 96)).double().eval()  # few channels: the fields are the same
    for parameter in net.parameters():
        nn.init.ones_(parameter) if parameter.dim() > 1 else nn.init.zeros_(parameter)
    for i in (1, 3, 5):
        net[i] = nn.AvgPool2d(3, stride=2)  # a maximum would pass its gradient to one pixel only
    outputs = {}
    for name, layer in leaves(net).items():
        layer.register_forward_hook(lambda layer, args, out, name=name: outputs.__setitem__(name, out))
    image = torch.ones(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    net(image)
    fields = {}
    for name, out in outputs.items():
        place = min((out.shape[-1] - 1) // 2 + further, out.shape[-1] - 1) if out.dim() == 4 else None
        neuron = out[0, 0] if place is None else out[0, 0, place, place]
        grad = torch.autograd.grad(neuron, image, retain_graph=True)[0][0, 0]
        rows, columns = (grad.ne(0).any(dim=dim).nonzero().flatten().tolist() for dim in (1, 0))
        assert rows == columns == list(range(rows[0], rows[-1] + 1))
        fields[name] = (rows[0], rows[-1])
    return fields


@pytest.mark.parametrize("size", (SMALLEST, 96, 224, 227))
def test_receptive_fields_are_where_gradients_go(visit, size):
    told = {row["name"]: (row["first"], row["last"]) for row in visit.page.evaluate(TABLE, [size, 1])}
    assert told == seen(size)


def test_unclipped_fields_and_jumps(visit):
    size = 424  # large enough for the whole fields of two neighbours, the average and the logits apart
    centre, beside = seen(size), seen(size, further=1)
    for row in visit.page.evaluate(TABLE, [size, 1])[:-2]:
        first, last = centre[row["name"]]
        assert (row["r"], row["jump"]) == (last - first + 1, beside[row["name"]][0] - first), row["name"]


def test_by_mouse(browser):
    with Visit(browser, PAGE) as visit:
        figure = visit.figure("layers")
        assert figure.locator("[data-layer]").count() == len(counted())
        agrees(figure, "0.0")
        spot(figure, "2.0").hover()  # pointing shows it
        agrees(figure, "2.0")
        figure.locator(".figure-title").hover()  # leaving goes back to the chosen one
        agrees(figure, "0.0")
        spot(figure, "5").click()
        figure.locator(".figure-title").hover()
        agrees(figure, "5")
        assert shown(figure)["window"] == ["3×3, stride 2, padding 0"]
        assert spot(figure, "5").get_attribute("aria-selected") == "true"
        assert figure.locator("[aria-selected=true]").count() == 1
        spot(figure, "2.0").hover()  # the frame follows, and there is one only
        assert framed(figure) == ["2.0"]
        assert visit.complaints == [] and visit.remote() == []


def test_every_layer_by_keyboard(browser):
    with Visit(browser, PAGE) as visit:
        figure = visit.figure("layers")
        figure.get_by_label("Bars show").focus()
        visit.page.keyboard.press("Tab")  # one stop for the whole drawing
        names = [row.name for row in counted()]
        for i, name in enumerate(names):
            assert visit.page.evaluate("document.activeElement.dataset.layer") == name
            agrees(figure, name)
            visit.page.keyboard.press("ArrowRight" if i % 2 else "ArrowDown")
        agrees(figure, names[-1])  # no further
        for key, name in [("ArrowLeft", names[-2]), ("ArrowUp", names[-3]), ("Home", names[0]), ("End", names[-1])]:
            visit.page.keyboard.press(key)
            agrees(figure, name)
        visit.page.keyboard.press("Tab")
        assert not visit.page.evaluate("document.activeElement.closest('[data-figure=layers]')")


def test_a_resting_mouse_leaves_the_keyboard_alone(browser):
    with Visit(browser, PAGE) as visit:
        figure = visit.figure("layers")
        spot(figure, "0.0").click()
        spot(figure, "4.0").hover()
        agrees(figure, "4.0")
        visit.page.keyboard.press("ArrowRight")
        agrees(figure, "0.1")
        visit.page.evaluate("scrollBy(0, 60)")
        visit.page.wait_for_timeout(200)
        agrees(figure, "0.1")


def test_field_in_words_and_in_the_picture(browser):
    with Visit(browser, PAGE) as visit:
        figure = visit.figure("layers")
        rows = {row["name"]: row for row in visit.page.evaluate(TABLE, [224, 1])}
        for name in ("0.0", "3", "7.0", "9"):
            first, last = rows[name]["first"], rows[name]["last"]
            side = last - first + 1
            spot(figure, name).click()
            assert f"sees rows and columns {first + 1} to {last + 1}: {side}×{side} pixels" in line(figure)
            square = figure.locator(".over")
            assert [square.get_attribute(a) for a in ("x", "y", "width", "height")] \
                == [str(value) for value in (first, first, side, side)]
            # As large on the screen as it should be, inside the picture of 224 pixels.
            box, whole = square.bounding_box(), figure.get_by_role("img").bounding_box()
            assert box["width"] / whole["width"] == pytest.approx(side / 224, abs=0.03)
        unseen = 223 - rows["9"]["last"]
        assert f"The last {unseen} of the picture's rows and columns reach no logit." in line(figure)


def test_size_and_batch(browser):
    with Visit(browser, PAGE) as visit:
        figure = visit.figure("layers")
        size, batch = figure.get_by_label("Image, pixels a side"), figure.get_by_label("Batch")
        spot(figure, "7.0").click()
        size.press("Control+a")
        size.press_sequentially("96")
        agrees(figure, "7.0", 96)  # without leaving the field
        batch.fill("128")
        agrees(figure, "7.0", 96, 128)
        size.fill("256")
        size.press("ArrowDown")
        agrees(figure, "7.0", 255, 128)
        size.fill("224")
        agrees(figure, "7.0", 224, 128)
        assert "384×5×5 → 10 logits" in figure.inner_text()
        # Too small, and not a size at all: said clearly, and the last good numbers stay.
        for text in (str(SMALLEST - 1), "7", "", "0", "96.5", "5000"):
            size.fill(text)  # while typing: no Enter
            agrees(figure, "7.0", 224, 128)
            assert str(SMALLEST) in line(figure) and "still those of 224×224 pixels, batch 128" in line(figure), text
            assert size.get_attribute("aria-invalid") == "true"
        size.fill(str(SMALLEST))
        agrees(figure, "7.0", SMALLEST, 128)
        assert "still" not in line(figure) and size.get_attribute("aria-invalid") == "false"
        batch.fill("0")
        agrees(figure, "7.0", SMALLEST, 128)
        assert "batch size must be a whole number" in line(figure)
        assert visit.complaints == []


def test_smallest_size(visit):
    assert visit.page.evaluate(TABLE, [SMALLEST, 1])[-1]["shape"] == [1, 10]
    with pytest.raises(Error, match="no room for the max pool"):
        visit.page.evaluate(TABLE, [SMALLEST - 1, 1])


@pytest.mark.parametrize("label, what", [("parameters", "parameters"), ("activation bytes", "out_bytes"),
                                         ("MACs", "macs")])  # the last is how the page starts
def test_bars_are_shares(visit, label, what):
    figure = visit.figure("layers")
    figure.get_by_label("Bars show").select_option(label=label)
    values = [getattr(row, what) for row in counted()]
    heights = figure.locator(".bar").evaluate_all("bars => bars.map((bar) => bar.height.baseVal.value)")
    for value, height in zip(values, heights, strict=True):
        assert height == pytest.approx(20 * value / max(values), abs=0.51)
        assert (height > 0) == (value > 0)


@pytest.mark.parametrize("width", (390, 1280))
def test_fits_and_can_be_touched(browser, width):
    with Visit(browser, PAGE, width=width) as visit:
        figure = visit.figure("layers")
        figure.get_by_label("Batch").fill("128")
        for control in figure.locator("[role=option], input, select").all():
            box = control.bounding_box()
            assert min(box["width"], box["height"]) >= 24
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        outer = figure.bounding_box()
        for part in figure.locator("table, svg, p").all():
            box = part.bounding_box()
            assert box["x"] >= outer["x"] and box["x"] + box["width"] <= outer["x"] + outer["width"] + 1
        spot(figure, "8").click()
        agrees(figure, "8", 224, 128)


@pytest.mark.parametrize("scheme", ("light", "dark"))
def test_axe_finds_nothing(browser, scheme):
    with Visit(browser, PAGE, scheme=scheme) as visit:
        figure = visit.figure("layers")
        for name in ("0.0", "9"):
            spot(figure, name).click()
            assert visit.violations("[data-figure=layers]") == []


def test_boxes_are_as_wide_as_the_logarithm_of_their_channels(visit):
    widths = visit.figure("layers").locator(".box").evaluate_all("boxes => boxes.map((box) => box.width.baseVal.value)")
    for width, row in zip(widths, counted(), strict=True):
        assert width == pytest.approx(28 * math.log2(1 + row.shape[1]) / math.log2(385), abs=0.01)


def test_without_scripts_the_sentence_stands(browser):
    with Visit(browser, PAGE, scripts=False) as visit:
        assert "In the HTML book" in visit.page.locator("[data-figure=layers]").inner_text()
