"""Serves mathematics from the book's own folder: MathJax from the package sphinx-mathjax-offline."""

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
    app.connect("build-finished", copy_needed_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
