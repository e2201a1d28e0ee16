"""The predictions: every question has options, each with an answer that opens by click and by key."""

import re

import pytest

import notebooks
from visiting import Visit

PREDICT = "**Predict.**"
GROUP = re.compile(r'<div class="options">\n\n(.*?)\n</div>', re.DOTALL)
OPTION = re.compile(r"<details><summary>(.+?)</summary>\n\n(.+?)\n\n</details>", re.DOTALL)


def printed(cell):
    """The options that a code cell prints, where recorded runs decide; empty for any other cell."""
    texts = [output.get("data", {}).get("text/markdown", "") for output in cell.get("outputs", ())]
    return "\n\n" + "".join(text for text in texts if text.startswith('<div class="options">'))


def asked(path):
    """(chapter, cell's id, text with its options) for each cell of a chapter that asks."""
    cells = notebooks.read(path).cells
    pairs = zip(cells, [*cells[1:], {}], strict=True)
    return [(path.stem, cell.id, cell.source + printed(after)) for cell, after in pairs
            if cell.cell_type == "markdown" and PREDICT in cell.source]


ASKED = [question for path in notebooks.chapters() for question in asked(path)]


def options(source):
    """[[(option, answer)]] of each question of a cell; what follows the last prediction belongs to it."""
    return [OPTION.findall(group[1]) if (group := GROUP.search(part)) else []
            for part in source.split(PREDICT)[1:]]


@pytest.mark.parametrize("chapter, cell, source", ASKED, ids=[f"{chapter}-{cell}" for chapter, cell, _ in ASKED])
def test_every_prediction_has_options_with_answers(chapter, cell, source):
    for question in options(source):
        assert len(question) >= 3
        assert len({option for option, _ in question}) == len(question)
        assert all(len(answer.split()) > 5 and "<details" not in answer for _, answer in question)
        # Either one option is right and the others are wrong, or the run below decides and none is called right.
        right = sum(answer.startswith("**Yes") for _, answer in question)
        wrong = sum(answer.startswith("**No.**") for _, answer in question)
        assert (right == 1 and wrong == len(question) - 1) or right == 0


def test_the_right_option_has_no_fixed_place():
    places = {[answer.startswith("**Yes") for _, answer in question].index(True)
              for _, _, source in ASKED for question in options(source)
              if any(answer.startswith("**Yes") for _, answer in question)}
    assert len(places) >= 3


def test_every_chapter_asks():
    assert {chapter for chapter, _, _ in ASKED} == {path.stem for path in notebooks.chapters()}


@pytest.mark.parametrize("width", [1280, 390])
def test_options_open_by_click_and_by_key(browser, width):
    """Answers of chapter 2, with emphasis, mathematics and code in them."""
    with Visit(browser, "nin-model.html", width) as visit:
        page = visit.page
        group = page.locator(".options", has_text="67×67")
        assert group.locator("details").count() == 4 and group.locator("details[open]").count() == 0
        by_click, by_key = group.locator("details").nth(2), group.locator("details").nth(0)
        by_click.locator("summary").click()
        assert by_click.locator("p strong").inner_text() == "Yes."
        assert by_click.locator("p mjx-container").count() == 2 and by_click.locator("p").is_visible()
        by_key.locator("summary").focus()
        page.keyboard.press("Enter")
        assert by_key.locator("p strong").inner_text() == "No." and by_key.locator("p").is_visible()
        page.keyboard.press("Space")
        assert not by_key.locator("p").is_visible()
        with_code = page.locator(".options details", has_text="54 → 27")
        with_code.locator("summary").press("Enter")
        assert with_code.locator("p code").inner_text() == "ceil_mode=True"
        assert with_code.locator("p mjx-container").is_visible()
        box = by_click.locator("summary").bounding_box()
        assert box["height"] >= 24 and box["x"] + box["width"] <= width
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert visit.complaints == []


@pytest.mark.parametrize("path", notebooks.chapters(), ids=lambda path: path.stem)
def test_answers_are_rendered_on_every_page(browser, path):
    """As many options on the page as in the notebook, each with a paragraph inside, and no Markdown left over."""
    offered = [option for chapter, _, source in ASKED if chapter == path.stem
               for question in options(source) for option in question]
    with Visit(browser, f"{path.stem}.html") as visit:
        found = visit.page.locator(".options > details")
        assert found.count() == len(offered)
        for text in found.all_text_contents():
            assert "**" not in text and "`" not in text
        assert visit.page.locator(".options > details > p").count() >= len(offered)


def test_options_open_without_scripts(browser):
    with Visit(browser, "nin-model.html", scripts=False) as visit:
        option = visit.page.locator(".options details").first
        option.locator("summary").click()
        assert option.locator("p").is_visible()
