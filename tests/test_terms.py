"""The page of terms: its order, and that each word stands in the chapter that its entry names."""

import re

import pytest

import notebooks

ENTRY = re.compile(r"^(\S.*)\n  (.+?)\. (.+) \[(.+)\]\((.+)\.ipynb\)$", re.MULTILINE)
PAGE = (notebooks.BOOK / "terms.md").read_text(encoding="utf-8")
GLOSSARY = PAGE.split("```{glossary}\n")[1].split("```")[0]
ENTRIES = ENTRY.findall(GLOSSARY)


def test_every_entry_has_name_meaning_and_chapter_in_order():
    assert len(ENTRIES) == len(GLOSSARY.strip().split("\n\n")) >= 40
    terms = [term for term, *_ in ENTRIES]
    assert terms == sorted(terms, key=str.casefold) and len(set(terms)) == len(terms)
    for term, name, meaning, *_ in ENTRIES:
        latin = name.removesuffix("\\*") in (term, "–")
        assert latin or re.search(r'<span lang="zh-Hans">.*[\u4e00-\u9fff]', name), f"{term}: no name"
        assert meaning.endswith("."), f"{term}: no sentence"


@pytest.mark.parametrize("term, label, chapter", [(term, *link) for term, _, _, *link in ENTRIES])
def test_the_chapter_uses_the_word(term, label, chapter):
    """All the term's words, without their endings, and what stands in brackets left out."""
    texts = [cell.source for cell in notebooks.read(notebooks.BOOK / f"{chapter}.ipynb").cells
             if cell.cell_type == "markdown"]
    text = "\n".join(texts).casefold()
    missing = [word for word in term.split(" (")[0].casefold().split() if word[:6] not in text]
    assert missing == [], f"{chapter} has no {missing}"
    number = [path.stem for path in notebooks.chapters()].index(chapter) + 1
    assert label == f"Chapter {number}" or texts[0].startswith(f"# {label}")
