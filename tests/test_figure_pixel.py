"""The figure of chapter 1 in which one pixel goes through a 1×1 convolution."""

import pytest
import torch
from torch.nn import functional as F

from visiting import Visit

PAGE, NAME = "nin-block.html", "pixel"
ROWS, COLUMNS, INPUTS, OUTPUTS = 5, 4, 3, 2


@pytest.fixture
def figure(visit):
    """The figure with its first numbers and its first pixel."""
    figure = visit.figure(NAME)
    figure.get_by_label("ReLU after it").uncheck()
    figure.get_by_role("button", name="First numbers again").click()
    cell(figure, 0, 2, 2).click()
    return figure


def cell(figure, which, row, column):
    """A pixel of a map: the input maps are 0 to 2, the output maps 3 and 4."""
    return figure.locator(".fig-pixel-cells").nth(which).locator("span").nth(COLUMNS * row + column)


def maps(figure):
    """The input maps (3, 5, 4) and the output maps (2, 5, 4) as they are written."""
    texts = figure.locator(".fig-pixel-cells span").all_text_contents()
    values = torch.tensor([float(text.replace("−", "-")) for text in texts]).reshape(-1, ROWS, COLUMNS)
    return values[:INPUTS], values[INPUTS:]


def moved(figure):
    """The output pixels (2, 5, 4) that are marked as moved."""
    marks = figure.locator(".fig-pixel-cells span").evaluate_all("all => all.map(e => e.classList.contains('moved'))")
    return torch.tensor(marks).reshape(-1, ROWS, COLUMNS)[INPUTS:]


def number(figure, label):
    return float(figure.get_by_label(label, exact=True).input_value())


def by_torch(figure):
    """What conv2d makes of the input maps with the weights and biases in the figure's inputs."""
    weight = torch.tensor([[number(figure, f"Weight of input {c} for output {o}") for c in range(INPUTS)]
                           for o in range(OUTPUTS)])
    bias = torch.tensor([number(figure, f"Bias of output {o}") for o in range(OUTPUTS)])
    return F.conv2d(maps(figure)[0][None], weight[:, :, None, None], bias)[0]  # (3, 5, 4) -> (2, 5, 4)


def status(figure):
    return figure.locator("[aria-live=polite]").text_content()


def test_the_maps_are_conv2ds(figure):
    out = maps(figure)[1]
    assert out.shape == (OUTPUTS, ROWS, COLUMNS)
    assert out.unique().numel() > 5
    assert torch.equal(out, by_torch(figure))


def test_a_click_shows_the_pixels_sums(figure):
    cell(figure, 0, 3, 1).click()
    x, y = (m[:, 3, 1].int().tolist() for m in maps(figure))
    assert [number(figure, f"Input {c} of the pixel") for c in range(INPUTS)] == x
    assert figure.locator("output").all_text_contents() == [str(v).replace("-", "−") for v in y]
    assert "row 3, column 1" in status(figure)
    for o, line in enumerate(figure.locator("li").all_text_contents()):
        name, whole = line.replace("−", "-").split(": ")
        assert name == f"output {o}"
        left, right = whole.replace("·", "*").split(" = ")
        assert len(left.split(" + ")) == INPUTS + 1
        assert eval(left) == int(right) == y[o]
    cell(figure, 4, 0, 3).click()  # an output pixel shows the input pixel below which it lies
    assert "row 0, column 3" in status(figure)


def test_the_mouse_looks_and_lets_go(figure, visit):
    cell(figure, 1, 4, 0).hover()
    assert figure.get_by_text("The pixel in row 4, column 0:").is_visible()
    assert figure.locator(".fig-pixel-cells .shown").count() == INPUTS + OUTPUTS
    visit.page.mouse.move(1, 1)
    assert figure.get_by_text("The pixel in row 2, column 2:").is_visible()


def test_arrow_keys_choose_and_stop_at_the_border(figure, visit):
    figure.get_by_role("application").focus()
    for keys, place in [(["ArrowUp"], (1, 2)), (["ArrowLeft"], (1, 1)), (["ArrowRight"] * 9, (1, 3)),
                        (["ArrowDown"] * 9, (4, 3)), (["ArrowUp"] * 9, (0, 3)), (["ArrowLeft"] * 9, (0, 0))]:
        for key in keys:
            visit.page.keyboard.press(key)
        assert "row {}, column {}:".format(*place) in status(figure)


@pytest.mark.parametrize(("label", "o", "c"), [("Weight of input 1 for output 0", 0, 1), ("Bias of output 1", 1, None)])
def test_a_weight_moves_its_whole_map_alike(figure, visit, label, o, c):
    x, before = maps(figure)
    figure.get_by_label(label, exact=True).focus()
    visit.page.keyboard.press("ArrowUp")
    change = maps(figure)[1] - before
    assert torch.equal(change[o], torch.ones(ROWS, COLUMNS) if c is None else x[c])  # 1 more, at every pixel
    assert not change[1 - o].any()
    assert torch.equal(moved(figure), change != 0)
    assert torch.equal(maps(figure)[1], by_torch(figure))
    assert f"output {o} at 20 of 20 pixels" in status(figure)
    assert f"output {1 - o} at 0 of 20 pixels" in status(figure)


def test_an_input_moves_its_own_pixel_only(figure, visit):
    cell(figure, 0, 1, 2).click()
    before = maps(figure)[1]
    figure.get_by_label("Input 1 of the pixel").fill("9")
    x, after = maps(figure)
    assert x[1, 1, 2] == 9
    assert (after != before).nonzero().tolist() == [[0, 1, 2], [1, 1, 2]]
    assert torch.equal(moved(figure), after != before)
    assert torch.equal(after, by_torch(figure))
    cell(figure, 4, 3, 3).hover()
    assert moved(figure).sum() == 2  # the marks stay until the next choice
    cell(figure, 0, 0, 0).click()
    assert not moved(figure).any()


def test_relu(figure):
    plain = maps(figure)[1]
    assert (plain < 0).any(dim=(1, 2)).all()
    figure.get_by_label("ReLU after it").check()
    assert torch.equal(maps(figure)[1], plain.relu())
    assert torch.equal(moved(figure), plain < 0)
    cell(figure, 0, 4, 0).click()
    assert "max(0, " in figure.locator("li").first.text_content()


@pytest.mark.parametrize("entry", ["7", "1.5", "", "-"])
def test_a_number_out_of_range_is_refused_in_words(figure, visit, entry):
    before = maps(figure)[1]
    field = figure.get_by_label("Weight of input 0 for output 0")
    field.focus()
    visit.page.keyboard.press("Control+a")
    visit.page.keyboard.press("Delete")
    visit.page.keyboard.type(entry)
    visit.page.keyboard.press("Tab")
    assert torch.equal(maps(figure)[1], before)
    assert field.input_value() == "1"
    assert "whole numbers from −3 to 3" in status(figure)


def test_keyboard_alone(figure, visit):
    """From the maps, Tab goes through the weights, the pixel and the biases to the switch and the button."""
    figure.get_by_role("application").focus()
    names = []
    for _ in range(INPUTS * OUTPUTS + INPUTS + OUTPUTS + 2):
        visit.page.keyboard.press("Tab")
        names.append(visit.page.evaluate("""() => {
            const e = document.activeElement;
            return e.ariaLabel ?? (e.labels[0] ?? e).textContent.trim();
        }"""))
    assert len(set(names)) == len(names)
    assert names[0] == "Weight of input 0 for output 0"
    assert names[-1] == "First numbers again"
    first = maps(figure)
    figure.get_by_label("Bias of output 0").fill("3")
    figure.get_by_role("button").focus()
    visit.page.keyboard.press("Enter")
    assert all(torch.equal(a, b) for a, b in zip(maps(figure), first, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_fits_and_is_accessible(browser, width, scheme):
    with Visit(browser, PAGE, width, scheme) as visit:
        figure = visit.figure(NAME)
        figure.get_by_label("Weight of input 1 for output 0").fill("-3")
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        assert figure.evaluate("e => e.scrollWidth <= e.clientWidth")
        assert visit.page.evaluate("""() => [...document.querySelectorAll(
            "[data-figure=pixel] :is(input[type=number], button, label, .fig-pixel-cells span)")]
            .every(e => Math.min(e.getBoundingClientRect().width, e.getBoundingClientRect().height) >= 23.9)""")
        assert visit.complaints == []
        assert visit.violations(f"[data-figure={NAME}]") == []


def test_touch(browser):
    with Visit(browser, PAGE, 390, touch=True) as visit:
        figure = visit.figure(NAME)
        cell(figure, 2, 1, 3).tap()
        assert "row 1, column 3" in status(figure)


def test_without_scripts_the_sentence_stands(browser):
    with Visit(browser, PAGE, scripts=False) as visit:
        assert "figure to touch" in visit.page.locator(f"[data-figure={NAME}]").text_content()
