"""Where the pages' buttons point: to this book's repository or nowhere."""

import os
import shutil
import subprocess
import sys

import pytest
from sphinx.errors import ExtensionError

import notebooks
import repository_buttons

OURS = "https://github.com/owner/name"


@pytest.mark.parametrize(
    "address",
    [
        OURS,
        f"{OURS}.git",
        f"{OURS}/",
        "https://user:secret@github.com/owner/name.git",
        "git@github.com:owner/name.git",
        "ssh://git@github.com/owner/name",
    ],
)
def test_github_addresses(address):
    assert repository_buttons.github_url(address) == OURS


@pytest.mark.parametrize("address", ["", "origin", "https://example.org/owner/name", "https://github.com/owner"])
def test_other_addresses(address):
    assert repository_buttons.github_url(address) is None


def test_order_of_sources(tmp_path):
    environ = {"NIN_REPOSITORY_URL": "git@github.com:named/first.git", "GITHUB_REPOSITORY": "named/second"}
    assert repository_buttons.repository_url(environ, tmp_path) == "https://github.com/named/first"
    environ.pop("NIN_REPOSITORY_URL")
    assert repository_buttons.repository_url(environ, tmp_path) == "https://github.com/named/second"
    assert repository_buttons.repository_url({}, tmp_path) is None
    assert repository_buttons.repository_url({**environ, "NIN_REPOSITORY_URL": ""}, tmp_path) is None


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_git_remote_of_this_repository_only(tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    assert repository_buttons.repository_url({}, tmp_path) is None
    subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", f"{OURS}.git"], check=True)
    assert repository_buttons.repository_url({}, tmp_path) == OURS
    inside = tmp_path / "inside"
    inside.mkdir()
    assert repository_buttons.repository_url({}, inside) is None


def test_a_wrong_setting_says_what_to_give(tmp_path):
    with pytest.raises(ExtensionError, match="give https://github.com/OWNER/NAME"):
        repository_buttons.repository_url({"NIN_REPOSITORY_URL": "https://example.org/a/b"}, tmp_path)


@pytest.mark.parametrize("url", [OURS, ""])
def test_built_page(tmp_path, url):
    source = tmp_path / "book"
    source.mkdir()
    for path in notebooks.chapters():
        (source / path.name).write_bytes(path.read_bytes())
    shutil.copytree(notebooks.BOOK / "_static", source / "_static", ignore=shutil.ignore_patterns("figures"))
    pages = [path.name for path in notebooks.BOOK.glob("*.md")]
    for name in (*pages, "references.bib"):
        (source / name).write_bytes((notebooks.BOOK / name).read_bytes())
    for folder in ("nin", "sample", "results"):
        shutil.copytree(notebooks.BOOK / folder, source / folder)
    environment = {**os.environ, "NIN_REPOSITORY_URL": url, "NIN_COLAB_BRANCH": "colab"}
    tool = [sys.executable, notebooks.ROOT / "tools" / "build.py", "--source", source, "--output", tmp_path]
    done = subprocess.run(tool, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "html" / "nin-block.html").read_text(encoding="utf-8")
    assert ("colab.research.google.com/github/owner/name/blob/colab/book/nin-block.ipynb" in page) == bool(url)
    assert (f'href="{OURS}"' in page) == bool(url)
    assert ("colab.research" in page) == bool(url)
    assert "github.com/executablebooks" not in page
