"""Opening a built page from disk in a real browser, and noting everything it complains about."""

from axe_playwright_python.sync_playwright import Axe

import notebooks

HTML = notebooks.ROOT / "_build" / "html"
SETTLED = "() => !window.MathJax?.startup?.promise || MathJax.startup.promise.then(() => true)"


class Visit:
    """One page opened from disk, with everything it complained about."""

    def __init__(self, browser, address, width=1280, scheme="light", scripts=True, touch=False):
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme,
                                           java_script_enabled=scripts, has_touch=touch, is_mobile=touch)
        self.context.set_default_timeout(20_000)
        self.page = self.context.new_page()
        self.complaints, self.requests = [], []
        self.page.on("console", self.note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(f"{HTML.as_uri()}/{address}", wait_until="load")
        if scripts:
            self.page.wait_for_function(SETTLED)

    def note(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def remote(self):
        """Return the addresses asked for that are not on this disk."""
        return [url for url in self.requests if not url.startswith((HTML.as_uri(), "data:", "blob:"))]

    def violations(self, context=None):
        """What axe-core finds wrong on the page, or in a part of it, as (rule, places)."""
        # From a folder, axe may not read the style sheets by itself.
        options = {"preload": False, "resultTypes": ["violations"]}
        found = Axe().run(self.page, context=context, options=options).response["violations"]
        return [(rule["id"], [node["target"] for node in rule["nodes"]][:4]) for rule in found]

    def wait_for_figures(self):
        """Return when all touchable figures of the page are alive."""
        for figure in self.page.locator("[data-figure]").all():
            self.page.wait_for_function("figure => figure.dataset.ready", arg=figure.element_handle())

    def figure(self, name):
        """Return the locator of a touchable figure, brought to life and into view."""
        self.page.wait_for_selector(f"[data-figure={name}][data-ready=yes]", state="attached")
        figure = self.page.locator(f"[data-figure={name}]")
        figure.scroll_into_view_if_needed()
        return figure

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()
