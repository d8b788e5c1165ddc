"""A headless Chromium for tests of pages, which must neither ask the network for anything nor print an error.

    def test_a_table_sorts(visit):
        page = visit(results / "audit" / "index.html", width=400, dark=True)
        page.get_by_role("button", name="Numbers").click()

``page`` is Playwright's; https://playwright.dev/python/docs/api/class-page says what it can do.
"""

import os
import shutil

import pytest
from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
LOCAL = ("file:", "data:", "blob:", "about:")


@pytest.fixture(scope="session")
def chromium():
    """The browser of all tests of a session."""
    found = [path for name in NAMES if (path := shutil.which(name))]
    assert found, "there is no Chromium here; tests/browser/install_chromium.sh installs it"
    options = ["--no-sandbox"] if os.getuid() == 0 else []  # its sandbox refuses root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found[0], args=options)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium):
    """Open a page from disk: visit(path, fragment, width=, dark=) -> Playwright's page.

    At the end of the test, no page may have printed an error or a warning, thrown one, or asked for anything that is
    not on the disk: ``visit.problems`` must be empty.
    """
    contexts, problems = [], []

    def local_only(route):
        if route.request.url.startswith(LOCAL):
            route.continue_()
        else:
            problems.append(f"asked for {route.request.url}")
            route.abort()

    def said(message):
        if message.type in ("error", "warning"):
            problems.append(f"{message.type}: {message.text}")

    def run(path, fragment="", width=1280, height=900, dark=False):
        scheme = "dark" if dark else "light"
        size = {"width": width, "height": height}
        context = chromium.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce", offline=True)
        contexts.append(context)
        context.route("**/*", local_only)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", said)
        page.on("pageerror", lambda error: problems.append(f"thrown: {error}"))
        page.on("dialog", lambda dialog: (problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(path.absolute().as_uri() + fragment)
        return page

    run.problems = problems
    yield run
    for context in contexts:
        context.close()
    assert problems == []
