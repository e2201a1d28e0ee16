"""Renders a folder of pages as HTML, or follows their links to other sites; warnings are errors: build.py --help."""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from jupyter_book.sphinx import build_sphinx

ROOT = Path(__file__).resolve().parents[1]


def main():
    """Build into OUTPUT/html and print the page to open; links are reported in OUTPUT/linkcheck."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", default="book", type=Path)
    parser.add_argument("--output", default="_build", type=Path)
    parser.add_argument("--links", action="store_true", help="build nothing: follow the links to other sites")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    start = time.perf_counter()

    builder = "linkcheck" if arguments.links else "html"
    built = arguments.output / builder
    doctrees = arguments.output / ".doctrees"
    # A second build would be silent about a warning of the first, so every build starts afresh.
    for folder in (built, doctrees):
        shutil.rmtree(folder, ignore_errors=True)
    failed = build_sphinx(
        arguments.source.resolve(),
        built.resolve(),
        noconfig=True,
        path_config=ROOT / "_config.yml",
        confoverrides={
            "external_toc_path": str(ROOT / "_toc.yml"),
            "latex_individualpages": False,
            "nitpicky": True,
        },
        doctreedir=doctrees.resolve(),
        builder=builder,
        warningiserror=True,
        keep_going=True,
        quiet=True,
    )
    if failed:
        sys.exit("The book was not built, or a link leads nowhere: see the warnings above.")
    done = "Links followed" if arguments.links else "Built"
    page = built / ("output.txt" if arguments.links else "index.html")
    print(f"{done} in {time.perf_counter() - start:.0f} s. Open {page.resolve().as_uri()}")


if __name__ == "__main__":
    main()
