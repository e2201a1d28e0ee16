# Finds the helper package `nin`: beside this notebook or, on Colab, in a fresh copy of the book.
import importlib.util
import os
import subprocess
import sys

REPOSITORY, REVISION = "", ""  # the published book fills these in

def found(name):
    return all(importlib.util.find_spec(part) for part in (name.split(".")[0], name))

def run(*words):
    if subprocess.call(words):
        raise ImportError(f"`{' '.join(words)}` failed. Check the connection, then run this cell again.")

if not found("nin"):
    if not found("google.colab"):
        raise ImportError("No nin/ beside this notebook. Get the whole repository and open the notebook in its book/.")
    url, revision = os.environ.get("NIN_REPOSITORY", REPOSITORY), os.environ.get("NIN_REVISION", REVISION)
    if not url:
        raise ImportError("Use the Colab button of the published book, or set NIN_REPOSITORY to its repository.")
    if not os.path.isdir("nin-book"):
        run("git", "clone", "-q", url, "nin-book")
    run("git", "-C", "nin-book", "checkout", "-q", revision or "HEAD")
    os.chdir("nin-book/book")
    sys.path.insert(0, os.getcwd())
if not found("d2l"):
    if not found("google.colab"):
        raise ImportError("The package d2l is missing. Install it: pip install --no-deps d2l==1.0.3")
    run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "d2l==1.0.3")
