"""What the page "The helper" shows, read from the sources by ast: the core's modules, and what each figure calls."""

import ast
import html
import re
import sys
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))

import notebooks  # noqa: E402
import reach  # noqa: E402

CAPTION = re.compile(r"\*Figure (\w+\.\d+)\. (.*?[.?!:])[\s*]", re.DOTALL)


def core(folder):
    """The core's modules in the folder of the helper, as paths in order of their names."""
    return [path for path in sorted(folder.glob("*.py")) if not path.stem.startswith("__")]


def place(module):
    """The place on the page that shows a module of the core."""
    return f"helper-{module.replace('_', '-')}"


def purpose(path):
    """The first paragraph of a module's docstring, in one line."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def caption_of(own, after):
    """The match of a figure's caption: the next cell, or else a text of the cell's own statements; None without one."""
    texts = [after.source] if after and after.cell_type == "markdown" else []
    texts += [node.value for statement in own for node in ast.walk(statement)
              if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return next(filter(None, map(CAPTION.match, texts)), None)


def calls(path, helper):
    """What a chapter's cells call: [(figure's number or "", its caption's first sentence, {(module, name)})].

    The last entry is of the cells without a figure.
    """
    found, others, earlier = [], set(), []
    cells = notebooks.read(path).cells
    for cell, after in zip(cells, [*cells[1:], None], strict=True):
        if cell.cell_type != "code":
            continue
        own = reach.statements(cell.source)
        named = reach.called(own, earlier, helper)
        if caption := caption_of(own, after):
            found.append((caption[1], " ".join(caption[2].split()), named))
        else:
            others |= named
        earlier += own
    return [*found, ("", "", others)]


def linked(places):
    """Functions as a text for a table, module by module; those of the core lead to their module."""
    texts = []
    for module in sorted({module for module, _ in places}):
        parts = module.split(".")[1:]
        names = ", ".join(f"`{name}`" for each, name in sorted(places) if each == module)
        shown = "/".join(parts) + ".py"
        texts.append(f"{names} in " + (f"[{shown}](#{place(parts[0])})" if len(parts) == 1 else f"`{shown}`"))
    return "; ".join(texts) or "nothing: all is in the cell"


def table(source):
    """The lines of the table: a row for each figure, and one for the rest of each chapter."""
    helper = reach.Helper(source)
    lines = ["| figure | shows | calls |", "| --- | --- | --- |"]
    for path in notebooks.chapters():
        found = calls(source / path.name, helper)
        for number, caption, places in found:
            link = f"[{number or 'other cells'}]({path.name})"
            part = found[0][0].split(".")[0]
            part = f"Chapter {part}" if part.isdigit() else f"Appendix {part}"
            caption = caption.replace("|", "\\|") or f"*{part}, without its figures*"
            lines.append(f"| {link} | {caption} | {linked(places)} |")
    return lines


def sources(source):
    """The lines that show each module of the core, folded."""
    lines = []
    for path in core(source / "nin"):
        summary = re.sub(r"`(.+?)`", r"<code>\1</code>", html.escape(f"`{path.name}`: {purpose(path)}"))
        # A browser opens what is folded where a link leads to a place inside it.
        anchor = f'<div id="{place(path.stem)}"></div>'
        lines += [f"({place(path.stem)})=", f'<details class="module"><summary>{summary}</summary>{anchor}', "",
                  f"```{{literalinclude}} nin/{path.name}", ":language: python", "```", "", "</details>", ""]
    return lines


class Generated(SphinxDirective):
    """{helper-table} and {helper-sources}: the lines of one of the functions above, as Markdown."""

    def run(self):
        lines = {"helper-table": table, "helper-sources": sources}[self.name](Path(self.env.srcdir))
        content = nodes.container()
        self.state.nested_parse(StringList(lines, self.get_source_info()[0]), self.content_offset, content)
        return content.children


def setup(app):
    """Register the extension with Sphinx."""
    app.add_directive("helper-table", Generated)
    app.add_directive("helper-sources", Generated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
