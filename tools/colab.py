"""Runs the chapters of the last commit as a fresh Colab would, as far as that can be had here: colab.py --help.

An empty folder, a stand-in for google.colab, and an environment over this interpreter's packages, into which the
first cell installs what is missing; helper and requirements come from this repository by a file:// address. With
Colab's own versions: make colab.
"""

import argparse
import os
import site
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

import notebooks
import stamp


def git(*words):
    """Return what git prints in this repository."""
    command = ["git", "-C", str(notebooks.ROOT), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def environment(folder):
    """Make a virtual environment that sees this interpreter's packages; return its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    own, = folder.glob("lib/python*/site-packages")
    (own / "outer.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
    return folder / "bin" / "python"


def put_colab(folder):
    """Make a module google.colab that is imported from the start; return the folder to be put on the path."""
    (folder / "google" / "colab").mkdir(parents=True)
    (folder / "google" / "colab" / "__init__.py").touch()
    (folder / "sitecustomize.py").write_text("import google.colab\n", encoding="utf-8")
    return folder


def variables(colab):
    """Return the environment variables of the run: smoke scale, and nothing else of the book's but its data."""
    kept = {name: value for name, value in os.environ.items() if name == "NIN_DATA" or not name.startswith("NIN_")}
    here = Path(os.environ.get("FASHION_MNIST_DIR") or notebooks.ROOT / "data" / "FashionMNIST" / "raw")
    if here.is_dir():
        kept["FASHION_MNIST_DIR"] = str(here.resolve())
    return {**kept, "PYTHONPATH": str(colab), "NIN_SCALE": "smoke"}


def main():
    """Run the chapters, all or those named, and exit with 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER", help="as in nin-block (default: all)")
    names = parser.parse_args().chapters or [path.stem for path in notebooks.chapters()]
    text = stamp.stamped(notebooks.ROOT.as_uri(), git("rev-parse", "HEAD").strip())
    with tempfile.TemporaryDirectory(prefix="nin-colab-") as made:
        content = Path(made) / "content"
        content.mkdir()
        for name in names:
            notebook = nbformat.reads(git("show", f"HEAD:book/{name}.ipynb"), as_version=4)
            stamp.stamp(notebook, text)
            notebooks.write(notebook, content / f"{name}.ipynb")
        python = environment(Path(made) / "environment")
        command = [python, notebooks.ROOT / "tools" / "execute.py", "--in-place", *sorted(content.iterdir())]
        done = subprocess.run(command, cwd=content, env=variables(put_colab(Path(made) / "colab")))
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
