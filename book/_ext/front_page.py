"""Gives the front page its figures, {{ name }}, and a picture that is a link; every page the tags that say what it is.

tools/findings.py writes the figures to _static/findings.json. A page is described by its first paragraph.
"""

import json
import os
import re
from html import escape
from pathlib import Path

from docutils import nodes

from repository_buttons import ROOT, repository_url

LONGEST = 200  # characters of a description
STILL = re.compile(r'<svg class="still".*?</svg>', re.DOTALL)


def use_findings(app, config):
    """Make each figure a substitution."""
    path = Path(app.srcdir) / "_static" / "findings.json"
    config.myst_substitutions = {**config.myst_substitutions, **json.loads(path.read_text(encoding="utf-8"))}


def description(doctree):
    """The first paragraph with a sentence in it, cut between two words where it is long."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if "." in text or "?" in text:
            return text if len(text) <= LONGEST else text[:LONGEST - 1].rpartition(" ")[0] + " …"
    return ""


def published(repository):
    """Where GitHub shows the pages of https://github.com/OWNER/NAME; None without a repository."""
    owner, name = repository.split("/")[-2:] if repository else ("", "")
    return f"https://{owner}.github.io/{name}/" if owner else None


def tags(title, text, site, page, base):
    """The elements for a page's head; an address, and with it a picture, only where the book has one."""
    found = {"og:type": "website", "og:site_name": site, "og:title": title, "og:description": text}
    if base:
        found |= {"og:url": f"{base}{page}.html", "og:image": f"{base}_static/page.png"}
    lines = [f'<meta property="{name}" content="{escape(value)}" />' for name, value in found.items()]
    return "\n".join([f'<meta name="description" content="{escape(text)}" />', *lines])


def add_tags(app, pagename, templatename, context, doctree):
    """Add them to a page that was written, not generated."""
    if doctree is None:
        return
    title = next((found.astext() for found in doctree.findall(nodes.title)), app.config.project)
    base = published(repository_url(os.environ, ROOT))
    context["metatags"] = context.get("metatags", "") + "\n" + tags(
        title, description(doctree), app.config.html_title or app.config.project, pagename, base)


def link_picture(app, pagename, templatename, context, doctree):
    """Make the front page's picture of the live network lead to it."""
    if pagename == app.config.root_doc:
        context["body"] = STILL.sub(
            lambda found: f'<a class="still-link" href="live-network.html" title="Touch it">{found[0]}</a>',
            context["body"])


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("config-inited", use_findings)
    app.connect("html-page-context", add_tags)
    app.connect("html-page-context", link_picture)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
