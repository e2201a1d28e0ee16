"""Sets the tables of a page: numbers to the right, text to the left, and nothing in the head that names nothing."""

import re

from bs4 import BeautifulSoup

TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL)
PANDAS_STYLE = re.compile(r"<style scoped>.*?</style>\s*", re.DOTALL)  # its rules stand against those of book.css
# A count, a share, an interval, a change: digits, and what joins them. Sizes as 96×54×54 and lists are text.
NUMBER = re.compile(r"[<≈±+−-]?\s?[\d.,]*\d(e[+-]?\d+)?\s?(%|×|M|[kMG]i?B|ms|s|points|million)?"
                    r"((\s(to|±|→)\s|\s[\[(])[−-]?[\d.,]*\d%?(,?\s(to\s)?[−-]?[\d.,]*\d%?)?[\])]?"
                    r"|\s\(no interval\))?")
INTERVAL = re.compile(r"\[.*?\]")
NOTHING = {"", "–", "—", "-", "nan", "none", "inf"}
# How wide a table would like to be, beside the two side bars of a window of 1280 pixels.
COLUMN, PADDING = 688, 12  # pixels
BOLD, PLAIN = 7.5, 7  # pixels a letter, where the head decides and where the numbers do
SHORT_NAME = 28  # letters


def words(cell):
    """The text of a cell, in one line."""
    return " ".join(cell.get_text().split())


def is_number(text):
    """Whether a cell's text is a number, with its unit or its interval."""
    return bool(NUMBER.fullmatch(text))


def without_default_index(head, rows):
    """Drop row names 0, 1, 2, ..., which pandas makes where there are none."""
    first = [row.find(["th", "td"]) for row in rows]
    if any(cell is None or cell.name != "th" for cell in first) or any(words(row.find("th")) for row in head):
        return
    if [words(cell) for cell in first] == [str(i) for i in range(len(rows))]:
        for cell in [*first, *(row.find("th") for row in head)]:
            cell.decompose()


def merge_names(head):
    """Write the names of the row names into the row above, where they stand in a row of their own."""
    if len(head) < 2:
        return
    above, names = (row.find_all("th", recursive=False) for row in head[-2:])
    if len(above) == len(names) and all(not (words(a) and words(b)) for a, b in zip(above, names)):
        for cell, name in zip(above, names):
            if words(name):
                cell.replace_with(name)
        head[-1].decompose()


def columns(rows):
    """The cells of each column that holds values; pandas' row names, which may span rows, are apart."""
    values = [row.find_all("td", recursive=False) for row in rows]
    return list(zip(*values)) if len({len(row) for row in values}) == 1 else []


def mark_row_names(rows):
    """A class "row-name" for the cell that says what a row is about: its innermost name, else its first cell."""
    widest = 0
    for row in rows:
        names = row.find_all("th", recursive=False) or row.find_all("td", limit=1, recursive=False)
        widest = max(widest, len(names))
        names[-1]["class"] = [*names[-1].get("class", []), "row-name"]
    return widest


def wide(rows, letters, width):
    """Whether a table is wider than the column, if a cell takes so many letters in a line, of such a width."""
    cells = [[letters(cell) for cell in row.find_all(["th", "td"], recursive=False)] for row in rows]
    whole = [row for row in cells if len(row) == max(map(len, cells))]  # others stand under a name that spans rows
    return sum(width * max(column) + PADDING for column in zip(*whole)) > COLUMN


def in_one_line(cell):
    """The letters of a cell that is not broken."""
    return len(words(cell))


def broken(cell):
    """The letters of a cell that may be broken: those of its longest word. Numbers and short names are not broken."""
    whole = {"short-name", "number"} & set(cell.get("class", [])) and cell.find_parent("tbody")
    return in_one_line(cell) if whole else max(map(len, words(cell).split()), default=0)


def mark_short_names(rows):
    """A class "short-name" for the row names of a table where none is long."""
    names = [row.find(class_="row-name") for row in rows]
    if all(name and in_one_line(name) <= SHORT_NAME for name in names):
        for name in names:
            name["class"].append("short-name")


def tidy(markup):
    """The markup of one table, with classes for what book.css sets apart.

    "number" where a column's cells are numbers, "row-name" where rows are named, "tight" where there is too little room
    for a line a row, and "unbroken" where there is enough once the head is broken.
    """
    soup = BeautifulSoup(markup, "html.parser")
    table = soup.table
    head = table.thead.find_all("tr") if table.thead else []
    rows = table.tbody.find_all("tr") if table.tbody else []
    del table["border"]
    for row in head:
        del row["style"]
    if "dataframe" in table.get("class", []):
        without_default_index(head, rows)
        merge_names(head)
    found = columns(rows)
    heads = table.thead.find_all("tr")[-1].find_all("th") if head else []
    for cell in heads[mark_row_names(rows) - 1:][:1]:
        cell["class"] = [*cell.get("class", []), "row-name"]
    for i, column in enumerate(reversed(found), 1):
        texts = [words(cell) for cell in column]
        if any(map(is_number, texts)) and all(is_number(text) or text in NOTHING for text in texts):
            for cell in [*column, *heads[-i:][:1]]:
                cell["class"] = [*cell.get("class", []), "number"]
            for cell in column:
                if "[" in words(cell):  # it may end its line before its interval, but not within
                    cell["class"].append("with-interval")
                    cell.string = INTERVAL.sub(lambda found: found[0].replace(" ", "\u00a0"), words(cell))
    if wide([*head, *rows], in_one_line, BOLD):
        mark_short_names(rows)
        fits = not wide([*head, *rows], broken, PLAIN)
        table["class"] = [*table.get("class", []), "tight", *(["unbroken"] if fits else [])]
    return str(table)


def tidy_page(app, pagename, templatename, context, doctree):
    """Tidy every table of a page's body."""
    if "body" in context:
        body = PANDAS_STYLE.sub("", context["body"])
        context["body"] = TABLE.sub(lambda found: tidy(found[0]), body)


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("html-page-context", tidy_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
