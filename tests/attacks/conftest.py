"""The canary that every attack here aims at, and a browser. A test with ``canary`` fails if anything reached it."""

from __future__ import annotations

import pytest

from tests.attacks.canary import Canary


@pytest.fixture
def canary(tmp_path_factory):
    """A file and a port of its own for each test; that nothing reached them is checked when the test ends."""
    with Canary(tmp_path_factory.mktemp("canary")) as found:
        yield found
        assert not found.traces, f"an attack reached the canary: {found.traces}"


@pytest.fixture(scope="module")
def browser():
    """The system's Chromium. Mark the test ``slow``; Playwright holds the loop: start flows as processes."""
    needed = "pages are opened by the extra: pip install -c requirements.lock -e '.[browser]'"
    sync_playwright = pytest.importorskip("playwright.sync_api", reason=needed).sync_playwright

    from tests.attacks import browsing

    if not browsing.CHROMIUM:
        pytest.skip("no chromium on this machine")
    with sync_playwright() as playwright:
        found = browsing.launch(playwright)
        yield found
        found.close()


@pytest.fixture
def visit(browser):
    """``visit(file_or_address, axe=False)`` opens a page and gives what it asked for, ran and showed."""
    from tests.attacks import browsing

    return lambda where, **options: browsing.visit(browser, where, **options)
