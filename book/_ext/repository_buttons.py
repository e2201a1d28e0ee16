"""Points the Colab and repository buttons at this book's own repository, or leaves them out."""

import os
import re
import subprocess
from pathlib import Path

from sphinx.errors import ExtensionError

ROOT = Path(__file__).resolve().parents[2]
GITHUB = re.compile(r"(?:https://(?:[^@/]+@)?|ssh://git@|git@)github\.com[:/]([\w.-]+)/([\w.-]+?)(?:\.git)?/?")


def github_url(address):
    """Return https://github.com/OWNER/NAME for a GitHub address in any spelling, or None."""
    match = GITHUB.fullmatch(address.strip())
    return match and f"https://github.com/{match[1]}/{match[2]}"


def git(root, *words):
    """Return what git prints in the folder `root`, or an empty text where it fails."""
    try:
        return subprocess.run(["git", "-C", root, *words], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def repository_url(environ, root):
    """Return the repository's URL, or None; an empty NIN_REPOSITORY_URL asks for no buttons."""
    named = environ.get("NIN_REPOSITORY_URL")
    if named is not None:
        url = github_url(named)
        if named and not url:
            raise ExtensionError(f"NIN_REPOSITORY_URL is {named!r}: give https://github.com/OWNER/NAME, or nothing.")
        return url
    if environ.get("GITHUB_REPOSITORY"):
        return f"https://github.com/{environ['GITHUB_REPOSITORY']}"
    # Unpacked inside somebody else's repository, the book must not point there.
    top = git(root, "rev-parse", "--show-toplevel")
    if not top or Path(top).resolve() != Path(root).resolve():
        return None
    return github_url(git(root, "remote", "get-url", "origin"))


def set_buttons(app, config):
    """Replace Jupyter Book's repository settings, whose default is Jupyter Book's own repository."""
    options = config.html_theme_options
    for name in ("repository_url", "repository_branch", "path_to_docs", "launch_buttons"):
        options.pop(name, None)
    url = repository_url(os.environ, ROOT)
    if url:
        options["repository_url"] = url
        options["repository_branch"] = os.environ.get("NIN_COLAB_BRANCH", "main")
        options["path_to_docs"] = "book"
        options["use_repository_button"] = True
        options["launch_buttons"] = {"colab_url": "https://colab.research.google.com"}


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("config-inited", set_buttons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
