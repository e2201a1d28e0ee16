"""What readers without JavaScript get: a still picture in each figure that can be touched, and a word on formulas.

tools/take_stills.py takes the pictures, in a browser.
"""

import re
import struct
from pathlib import Path

FIGURE = re.compile(r'(<div data-figure="([\w-]+)"(?: data-study="([\w-]+)")?[^>]*>)(.*?)(</div>)', re.DOTALL)
FOLDER = Path(__file__).resolve().parents[1] / "_static" / "stills"

WORD = "<noscript><p>JavaScript is off. Formulas appear as they are typed, in TeX.</p></noscript>"


def name(figure, study=None):
    """The file name of a figure's picture."""
    return f"{figure}-{study}.png" if study else f"{figure}.png"


def with_still(found):
    """The markup of a figure, with its picture where there is one."""
    start, figure, study, sentence, end = found.groups()
    path = FOLDER / name(figure, study)
    if not path.is_file():
        return found[0]
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    return (f'{start}{sentence}<noscript><p>It needs JavaScript, which is off. It looks like this:</p>'
            f'<img src="_static/stills/{path.name}" width="{width}" height="{height}" loading="lazy" '
            f'alt="A still picture of the figure to touch"></noscript>{end}')


def with_word(body):
    """The page with a word under its title where it has formulas, which only a script can set."""
    return body.replace("</h1>", f"</h1>{WORD}", 1) if 'class="math notranslate' in body else body


def add_stills(app, pagename, templatename, context, doctree):
    """Add the pictures to a page's body, and the word."""
    if "body" in context:
        context["body"] = with_word(FIGURE.sub(with_still, context["body"]))


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("html-page-context", add_stills)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
