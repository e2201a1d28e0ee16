"""Serves mathematics from the book's own folder, to the pages that have some: MathJax from sphinx-mathjax-offline."""

from importlib.util import find_spec
from pathlib import Path

from sphinx.util.fileutil import copy_asset

SCRIPT = "tex-chtml.js"
# The script, its fonts, and the TeX extensions that it loads when a formula asks for them; the package's
# other variants are 20 MB that no page uses.
NEEDED = (SCRIPT, "output/chtml/fonts/woff-v2", "input/tex/extensions")


def use_local_script(app, config):
    """Point the pages at the local script."""
    config.mathjax_path = f"mathjax/{SCRIPT}"


def leave_out(app, pagename, templatename, context, doctree):
    """Take the script from a page without a formula: Sphinx gives it to those that list a page with one, too."""
    if not app.env.get_domain("math").data["has_equations"].get(pagename):
        context["script_files"] = [script for script in context["script_files"]
                                   if "mathjax" not in str(getattr(script, "filename", script) or "")]


def copy_needed_files(app, error):
    """Copy what the pages load into the built book."""
    if error is not None or app.builder.format != "html":
        return
    package = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"
    target = Path(app.outdir) / "_static" / "mathjax"
    for name in NEEDED:
        source = package / name
        copy_asset(source, target if source.is_file() else target / name)


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("config-inited", use_local_script)
    app.connect("html-page-context", leave_out, priority=900)  # after Sphinx has added it
    app.connect("build-finished", copy_needed_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
