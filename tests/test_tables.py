"""Tables as the pages show them: what is a number, and what pandas writes into a head without naming anything."""

import pandas as pd
import pytest
from bs4 import BeautifulSoup

import tables

FRAME = pd.DataFrame({"what": ["a", "b"], "MACs": ["1,234", "0"], "gap": ["+1.5 ± 0.2", "–"]})


def classes(table):
    """Per row, the classes of its cells."""
    return [[cell.get("class", []) for cell in row.find_all(["th", "td"])] for row in table.find_all("tr")]


def texts(table):
    """Per row, the texts of its cells."""
    return [[tables.words(cell) for cell in row.find_all(["th", "td"])] for row in table.find_all("tr")]


def tidied(markup):
    """The table that `tidy` makes of the one in the markup."""
    return BeautifulSoup(tables.tidy(tables.TABLE.search(markup)[0]), "html.parser").table


@pytest.mark.parametrize("text", ["0", "1,234,567", "0.871", "-3", "−3.5", "12%", "<1", "9e-02",
                                  "16.94 ×", "9.6 M", "3.6 MB", "66.18 MiB", "14.3 million", "1.2 points",
                                  "87.4 (no interval)", "83.5 [80.9, 86.2]", "12 [39%, 78%]", "2 to 7",
                                  "0% to 79%", "1.18 ± 0.19", "4.5 → 0.0", "+0.5"])
def test_numbers(text):
    assert tables.is_number(text)


@pytest.mark.parametrize("text", ["", "conv 1×1", "96×54×54", "(1, 96, 54, 54)", "14, 7, 4", "5 or more", "True", "–",
                                  "not yet recorded", "lr 0.1", "192 → 192 → 10", "2013-12"])
def test_texts(text):
    assert not tables.is_number(text)


def test_numbers_are_marked_and_default_row_names_go():
    table = tidied(FRAME.to_html())
    assert texts(table) == [["what", "MACs", "gap"], ["a", "1,234", "+1.5 ± 0.2"], ["b", "0", "–"]]
    assert classes(table) == [[["row-name"], ["number"], ["number"]]] * 3
    assert "style" not in table.thead.tr.attrs and "border" not in table.attrs


def test_the_name_of_the_row_names_moves_up():
    table = tidied(FRAME.set_index("what").to_html())
    assert texts(table)[0] == ["what", "MACs", "gap"] and len(texts(table)) == 3
    nested = tidied(FRAME.assign(size="full").set_index(["size", "what"]).to_html())
    assert texts(nested)[:3] == [["size", "what", "MACs", "gap"], ["full", "a", "1,234", "+1.5 ± 0.2"], ["b", "0", "–"]]
    assert [cell.find_all(class_="row-name")[0].get_text() for cell in nested.find_all("tr")] == ["what", "a", "b"]


def test_row_names_that_count_something_stay():
    counted = FRAME.set_index(pd.Index([0, 1], name="dead maps"))
    assert texts(tidied(counted.to_html()))[1][0] == "0"
    assert texts(tidied(FRAME.set_index(pd.Index([1, 2])).to_html()))[1][0] == "1"


def test_a_name_that_finds_its_place_taken_stays_where_it_is():
    table = FRAME.set_index("what").rename_axis(columns="kind")
    assert texts(tidied(table.to_html()))[:2] == [["kind", "MACs", "gap"], ["what", "", ""]]


def test_an_interval_is_not_torn():
    table = tidied(pd.DataFrame({"of": ["x"], "share": ["12 [39%, 78%]"]}).to_html())
    assert "12 [39%,\u00a078%]" in str(table)


def test_one_word_makes_a_column_text():
    table = tidied(pd.DataFrame({"of": ["x", "y"], "share": ["12%", "unknown"]}).to_html())
    assert all("number" not in cell for row in classes(table) for cell in row)


def test_a_number_without_end_keeps_its_column_of_numbers():
    table = tidied(pd.DataFrame({"of": ["x", "y"], "lead": ["inf", "4.51"]}).to_html())
    assert [row[1] for row in classes(table)] == [["number"]] * 3


def names(frame):
    """The classes of the table that is made of a frame, and of its first row's name."""
    table = tidied(frame.to_html(index=False))
    return set(table["class"]) - {"dataframe"}, set(table.tbody.find(class_="row-name")["class"]) - {"row-name"}


def test_a_table_with_little_room_breaks_its_head_and_no_number():
    few = pd.DataFrame({"recipe": ["a"], "n": ["20"]})
    assert names(few) == (set(), set())
    long_heads = {f"a head of many words, number {i}": ["12 [39%, 78%]"] for i in range(4)}
    assert names(few.assign(**long_heads)) == ({"tight", "unbroken"}, {"short-name"})
    many = {f"a head of many words, number {i}": ["12 [39%, 78%]"] for i in range(8)}
    assert names(few.assign(**many)) == ({"tight"}, {"short-name"})
    assert names(few.assign(recipe="a name that is far too long for one line", **many)) == ({"tight"}, set())
