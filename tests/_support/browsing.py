"""A real browser for tests of pages: one for each file of tests, tabs that must stay silent."""

from __future__ import annotations

from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")
def browser():
    """One Chromium for the tests of a file; skipped where there is none.

    It goes with the file because its event loop would be in the way of tests that run their own.
    """
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip("/usr/bin/chromium is not installed")
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
        yield running
        running.close()


class Watched:
    """A tab that notes what the console says: nothing, if the page is right."""

    def __init__(self, browser, **options):
        self.context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 900}, **options}
        )
        self.page = self.context.new_page()
        self.said = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append("dialog"), dialog.dismiss()))
        self.page.on("requestfailed", self._failed)

    def _failed(self, request):
        # a page that is left takes back what it had asked for
        if "ERR_ABORTED" not in (request.failure or ""):
            self.said.append(f"failed {request.url}: {request.failure}")

    def open(self, path, fragment=""):
        # a change of the fragment alone would not load the page again
        self.page.goto("about:blank")
        self.page.goto(f"{path.as_uri()}{fragment}")
        return self.page


@pytest.fixture
def tab(browser):
    watched = Watched(browser)
    yield watched
    watched.context.close()
    assert watched.said == []


@pytest.fixture
def tabs(browser):
    """Makes tabs with options; each has to end with a silent console."""
    made = []

    def make(**options):
        made.append(Watched(browser, **options))
        return made[-1]

    yield make
    for one in made:
        one.context.close()
    assert [one.said for one in made] == [[] for _ in made]
