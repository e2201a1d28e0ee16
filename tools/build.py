"""Renders a folder of pages as HTML, warnings as errors: build.py [--source FOLDER] [--output FOLDER]."""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from jupyter_book.sphinx import build_sphinx

ROOT = Path(__file__).resolve().parents[1]


def main():
    """Build into OUTPUT/html and print the page to open."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", default="book", type=Path)
    parser.add_argument("--output", default="_build", type=Path)
    arguments = parser.parse_args()
    os.chdir(ROOT)
    start = time.perf_counter()

    html = arguments.output / "html"
    doctrees = arguments.output / ".doctrees"
    # A second build would be silent about a warning of the first, so every build starts afresh.
    for folder in (html, doctrees):
        shutil.rmtree(folder, ignore_errors=True)
    failed = build_sphinx(
        arguments.source.resolve(),
        html.resolve(),
        noconfig=True,
        path_config=ROOT / "_config.yml",
        confoverrides={
            "external_toc_path": str(ROOT / "_toc.yml"),
            "latex_individualpages": False,
            "nitpicky": True,
        },
        doctreedir=doctrees.resolve(),
        warningiserror=True,
        keep_going=True,
        quiet=True,
    )
    if failed:
        sys.exit("The book was not built: see the warnings above.")
    print(f"Built in {time.perf_counter() - start:.0f} s. Open {(html / 'index.html').resolve().as_uri()}")


if __name__ == "__main__":
    main()
