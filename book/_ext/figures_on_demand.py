"""Keeps the scripts of the figures off the pages that have none: figures.js loads each where it is asked for."""


def leave_out(app, config):
    """Take `figures/*.js` from what every page loads; they are still copied."""
    config.html_js_files = [name for name in config.html_js_files if not str(name).startswith("figures/")]


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("config-inited", leave_out)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
