"""The front page: its figures are those of the runs and of the shapes, it is light, and it leads where it says."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest
import torch
from docutils import nodes
from docutils.utils import new_document

import findings
import front_page
import notebooks
from nin.model import nin
from nin.runs import read
from visiting import HTML, Visit

PAGE = "index.html"
TEXT = (notebooks.BOOK / "index.md").read_text(encoding="utf-8")
FOUND = TEXT.split("## What it found")[1].split("## ")[0]


@pytest.mark.parametrize("name", ["findings.json", "thumbnail-outcomes.svg", "thumbnail-plateau.svg",
                                  "thumbnail-window.svg"])
def test_what_the_front_page_takes_is_what_the_runs_say(name):
    stored = (findings.STATIC / name).read_text(encoding="utf-8")
    assert stored == findings.files()[name], "run python tools/findings.py: runs or shapes have changed"


def test_every_figure_is_used_and_none_is_missing():
    used = set(re.findall(r"\{\{ (\w+) \}\}", TEXT))
    assert used <= set(json.loads((findings.STATIC / "findings.json").read_text(encoding="utf-8")))
    built = (HTML / PAGE).read_text(encoding="utf-8")
    assert "{{" not in built and "not yet recorded" not in built.lower()


def test_at_most_ten_findings_each_one_sentence_with_a_figure_and_a_link():
    items = [" ".join(item.split()) for item in re.split(r"^\d+\. ", FOUND.split("<!--")[0], flags=re.MULTILINE)[1:]]
    assert 5 <= len(items) <= 10
    for item in items:
        sentence, link = re.fullmatch(r"(.+) \(\[chapter \d\]\(([\w-]+\.ipynb)\)\)\.", item).groups()
        assert "{{ " in sentence and ". " not in re.sub(r"\{\{.*?\}\}", "", sentence)
        assert (notebooks.BOOK / link).exists()


def test_chapters_are_named_by_their_numbers():
    chapters = [path.name for path in notebooks.chapters()]
    links = re.findall(r"\[chapter (\d)\]\(([\w-]+\.ipynb)\)", TEXT)
    assert links and all(chapters.index(name) + 1 == int(number) for number, name in links)


def test_shares_come_from_the_lines():
    runs = [run for run in read.load("training") if run["label"] == findings.START]
    clean = sum(run["outcome"] == "clean" for run in runs)
    recorded = read.load("training") + read.load("training-rate")
    values = findings.measured(read.by_label(recorded))
    assert values["clean_section"].startswith(f"{clean} of {len(runs)} runs [")
    other = {findings.START: findings.KAIMING, findings.KAIMING: findings.START}
    exchanged = [{**run, "label": other.get(run["label"], run["label"])} for run in recorded]
    found = findings.measured(read.by_label(exchanged))
    assert found["clean_section"] == values["clean_kaiming"] and found["plateau_kaiming"] == values["plateau_section"]
    ends = [100 * run["test_acc"] for run in runs if run["outcome"] == "clean"]
    assert values["section_accuracy"].startswith(f"{sum(ends) / len(ends):.1f}% [")
    assert found["section_accuracy"] != values["section_accuracy"]


def test_one_1x1_less_comes_from_its_lines():
    groups = read.by_label(read.load("exercise-2-one-by-one"))
    values = findings.removed(groups)
    steps = [run["plateau_end"] for run in groups[findings.ONE]]
    assert values["plateau_one"] == f"{min(steps):,} to {max(steps):,}"
    exchanged = findings.removed(groups | {findings.ONE: groups[findings.TWO], findings.TWO: groups[findings.ONE]})
    assert values["one_points"].startswith("+") and exchanged["one_points"].startswith("-")


def test_no_1x1_comes_from_its_lines():
    """What helps under the section's recipe costs under one that starts: each turns with its own groups."""
    for study, values_of, name, none, two in (
            ("exercise-2-one-by-one", findings.removed, "none_points", findings.NONE, findings.TWO),
            ("exercise-2-sound", findings.started, "sound_none_points", findings.SOUND_NONE, findings.SOUND_TWO)):
        groups = read.by_label(read.load(study))
        means = [sum(run["test_acc"] for run in runs) / len(runs)
                 for label in (none, two) if (runs := [run for run in groups[label] if run["outcome"] == "clean"])]
        sign, turned = "+-" if means[0] > means[1] else "-+"
        assert values_of(groups)[name].startswith(sign), study
        assert values_of(groups | {none: groups[two], two: groups[none]})[name].startswith(turned), study


def test_the_ladders_top_comes_from_its_lines():
    groups = read.by_label(read.load("exercise-1-tuning"))
    values, runs = findings.topped(groups), groups[findings.TOP]
    ends = [100 * run["test_acc"] for run in runs if run["outcome"] == "clean"]
    assert values["top_accuracy"].startswith(f"{sum(ends) / len(ends):.1f}% [")
    assert values["top_n"] == f"{len(ends)} of {len(runs)} runs clean"
    other = findings.topped(groups | {findings.TOP: groups["+ Kaiming"]})
    assert not set(other.items()) & set(values.items()) - {("top_epochs", "80")}


def test_counts_by_a_second_way():
    values, net = findings.counted(), nin()
    assert values["parameters"] == f"{sum(p.numel() for p in net.parameters()):,}"
    assert values["notes_parameters"] == f"{sum(p.numel() for p in nin(in_channels=3).parameters()):,}"
    head = [layer for layer in net[7] if isinstance(layer, torch.nn.Conv2d)]
    assert (head[0].in_channels, head[0].out_channels, head[0].kernel_size) == (384, 10, (3, 3))
    assert values["head_1x1"] == str(sum(p.numel() for layer in head[1:] for p in layer.parameters()))
    ones = [layer for layer in net.modules() if isinstance(layer, torch.nn.Conv2d) and layer.kernel_size == (1, 1)]
    assert ones and all(layer.in_channels == layer.out_channels for layer in ones)
    left = sum(p.numel() for p in net.parameters()) - sum(p.numel() for layer in ones for p in layer.parameters())
    assert values["bare_parameters"] == f"{left / sum(p.numel() for p in net.parameters()):.0%}"
    assert (values["window_weights"], values["window_combinations"]) == (str(11 * 11), str(4 * 4))


def test_the_drawings_have_a_mark_for_every_run():
    groups = read.by_label(read.load("training"))
    dots = findings.outcomes(groups)
    assert dots.count("<circle") == len(groups[findings.START])
    assert dots.count('fill="none" stroke=') == sum(run["outcome"] != "clean" for run in groups[findings.START])
    assert f"{dots.count('<circle')} runs of one recipe" in dots
    assert min(float(y) for y in re.findall(r'cy="(.*?)"', dots)) >= 5  # none is cut
    lines = findings.plateau(groups)
    assert lines.count("<path stroke=") == sum(bool(run.get("losses")) for label in (findings.START, findings.KAIMING)
                                               for run in groups[label])


def test_it_is_light_and_loads_no_mathematics(browser):
    with Visit(browser, PAGE) as visit:
        files = {Path(unquote(urlsplit(url).path)) for url in visit.requests if url.startswith("file:")}
        assert visit.complaints == [] and visit.remote() == []
    assert not [file for file in files if "mathjax" in str(file)]
    themes = [file for file in files if {"scripts", "styles", "vendor", "webpack"} & set(file.parts)]
    own = files - set(themes)
    assert HTML / PAGE in own and sum(file.stat().st_size for file in own) < 1e6


def test_a_chapter_has_mathematics_still(browser):
    with Visit(browser, "nin-block.html") as visit:
        assert any("mathjax" in url for url in visit.requests)


@pytest.mark.parametrize("name, page", [("Touch it", "live-network.html"), ("Start chapter 1", "nin-block.html")])
def test_the_buttons_by_keys(browser, name, page):
    with Visit(browser, PAGE) as visit:
        visit.page.locator(".front-buttons").get_by_role("link", name=name).focus()
        visit.page.keyboard.press("Enter")
        visit.page.wait_for_url(f"**/{page}")
        assert visit.complaints == []


def test_a_card_leads_to_its_chapter_by_a_click_anywhere(browser):
    with Visit(browser, PAGE) as visit:
        cards = visit.page.locator(".sd-card")
        assert cards.count() == 3 and cards.locator("svg[role=img]").count() == 3
        cards.nth(1).scroll_into_view_if_needed()
        box = cards.nth(1).locator("svg").bounding_box()  # the card's link lies over it
        visit.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        visit.page.wait_for_url("**/training.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_hook_is_seen_at_once(browser, width, scheme):
    with Visit(browser, PAGE, width, scheme) as visit:
        visit.page.evaluate("scrollTo(0, 0)")
        button = visit.page.get_by_role("link", name="Touch it").bounding_box()
        assert button["y"] + button["height"] <= 900
        text = visit.page.locator("svg.still text").first.bounding_box()
        assert text["height"] >= 9 and visit.page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_picture_leads_to_the_live_network(browser):
    with Visit(browser, PAGE) as visit:
        visit.page.locator("a.still-link svg").click()
        visit.page.wait_for_url("**/live-network.html")


def test_a_wide_window_is_used(browser):
    """The picture stands beside the hook, the findings and the last sections in two columns; on a phone all in one."""
    lefts = """selector => new Set([...document.querySelectorAll(`.bd-article ${selector}`)]
        .map(one => Math.round(one.getBoundingClientRect().left / 20))).size"""
    parts = (".front-hook > :is(p:first-child, .still-link)", "section > ol > li", "section[id^=how-to-]")
    for width, columns in ((1280, 2), (390, 1)):
        with Visit(browser, PAGE, width) as visit:
            assert [visit.page.evaluate(lefts, part) for part in parts] == [columns] * 3
            right = visit.page.locator("a.still-link").bounding_box()
            assert right["x"] + right["width"] > 0.9 * width


def test_every_page_says_what_it_is():
    for path in sorted(HTML.glob("*.html")):
        page = path.read_text(encoding="utf-8")
        assert '<link rel="icon" href="_static/favicon.svg"' in page
        if path.stem in ("search", "genindex"):
            continue
        for name in ('name="description"', 'property="og:title"', 'property="og:description"'):
            content = re.search(f'<meta {name} content="(.*?)" />', page)
            assert content and 3 < len(content[1]) <= front_page.LONGEST * 1.5, f"{path.name}: {name}"


def test_a_description_is_the_first_paragraph_with_a_sentence():
    document = new_document("")
    document += [nodes.paragraph(text=text) for text in ("scale pocket", "One\nsentence.", "B.")]
    assert front_page.description(document) == "One sentence."
    document = new_document("")
    document += nodes.paragraph(text="word, " * 100 + ".")
    assert len(front_page.description(document)) <= front_page.LONGEST
    assert front_page.description(document).endswith("word, …") and front_page.description(new_document("")) == ""


def test_a_picture_is_named_only_where_the_book_has_an_address():
    assert front_page.published("https://github.com/owner/name") == "https://owner.github.io/name/"
    assert front_page.published(None) is None
    with_base = front_page.tags('A "title"', "Text & more.", "Site", "training", "https://owner.github.io/name/")
    assert 'og:image" content="https://owner.github.io/name/_static/page.png"' in with_base
    assert 'og:url" content="https://owner.github.io/name/training.html"' in with_base
    assert "A &quot;title&quot;" in with_base and "Text &amp; more." in with_base
    assert "og:image" not in front_page.tags("a", "b", "c", "d", None)
    assert (notebooks.BOOK / "_static" / "page.png").exists()


def test_pages_that_are_generated_have_no_tags():
    context = {}
    front_page.add_tags(SimpleNamespace(), "search", "search.html", context, None)
    assert context == {}
