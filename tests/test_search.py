"""The search from a folder: excerpts, results that open at their section, and marked words."""

import json

import pytest

import search_text
from visiting import HTML, Visit

PAGE = """<article><section id="top-title"><h1>Title<a class="headerlink" href="#">#</a></h1><p>First &amp; last</p>
<section id="inner"><h2>Inner 1×1</h2><p>Some <em>words</em><br>here</p><div class="math">\\(x^2\\)</div>
<pre>code()</pre><script>no()</script></section></section></article>"""


def test_what_sections_say():
    assert search_text.sections(PAGE) == [
        ["top-title", "Title", "First & last", ""], ["inner", "Inner 1×1", "Some wordshere", "code()"]]


def test_every_page_with_text_is_there():
    text = (HTML / "_static" / "search-text.js").read_text(encoding="utf-8")
    pages = dict(json.loads(text[len("search.pages = "):-2]))
    assert {"index.html", "nin-block.html", "terms.html", "helper.html"} <= set(pages)
    assert sum(len(sections) for sections in pages.values()) > 100


def asked(visit):
    """The results on the page: [(address, title, excerpt)]."""
    visit.page.wait_for_selector("#search-results [role=status]")
    return visit.page.locator("#search-results li").evaluate_all("""items => items.map((item) => [
        item.querySelector("a").getAttribute("href"), item.querySelector("a").innerText,
        item.querySelector("p").innerText])""")


def test_excerpts_hold_the_words_and_results_their_sections(browser):
    with Visit(browser, "search.html?q=dead+map") as visit:
        found = asked(visit)
        assert len(found) > 5
        for address, title, excerpt in found:
            page, _, anchor = address.partition("#")
            assert (HTML / page.partition("?")[0]).is_file()
            assert "dead" in f"{title} {excerpt}".lower() or "map" in f"{title} {excerpt}".lower()
            assert len(excerpt) < 300
        assert sum("#" in address for address, *_ in found) > 3
        assert visit.page.locator("#search-results mark").count() > 10
        assert visit.violations("#search-results") == []
        assert visit.complaints == [] and visit.remote() == []


def test_letters_and_signs_that_mean_the_same(browser):
    answers = []
    for question in ("1x1", "1×1", "1X1"):
        with Visit(browser, f"search.html?q={question}") as visit:
            answers.append([(address.partition("?")[0], title) for address, title, _ in asked(visit)])
    assert len(answers[0]) > 10 and answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("question", ["zzzyx", "'", "*("])
def test_nothing_found_is_said(browser, question):
    with Visit(browser, f"search.html?q={question}") as visit:
        assert asked(visit) == []
        assert "No section has" in visit.page.locator("#search-results").inner_text()
        assert visit.complaints == []


@pytest.mark.parametrize("width", (390, 1280))
def test_a_result_opens_at_its_section_with_its_words_marked(browser, width):
    with Visit(browser, "search.html?q=1x1+convolution", width) as visit:
        page = visit.page
        asked(visit)
        link = page.locator("#search-results a[href*='#']").first
        anchor = link.get_attribute("href").partition("#")[2]
        link.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(".bd-article mark")
        page.wait_for_timeout(500)
        top = page.evaluate("id => document.getElementById(id).getBoundingClientRect().top", anchor)
        assert -100 < top < 500
        texts = {text.lower() for text in page.locator(".bd-article mark").all_inner_texts()}
        assert "1×1" in texts and any(text.startswith("convolution") for text in texts)
        page.keyboard.press("Escape")
        assert page.locator(".bd-article mark").count() == 0
        assert visit.complaints == [] and visit.remote() == []
