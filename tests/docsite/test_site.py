"""The site builds without a warning and asks nothing of other hosts, its search included."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from docsite.pages import linked
from tests.docsite.blocks import TOP

FETCHED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}


class Fetches(HTMLParser):
    """What a page asks for when it is opened."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name == FETCHED.get(tag) and value]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("material", reason="the site is built by the extra: make docs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(
        command, cwd=TOP, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def test_links_lead_to_pages_of_the_site_and_else_are_names(caplog):
    assert linked("[a](../SECURITY.md#x) [b](../deploy) [c](drift.md)", "data.md") == (
        "[a](security.md#x) b (`deploy`) [c](drift.md)"
    )
    assert linked("[d](docs/drift.md)", "index.md") == "[d](drift.md)"
    assert linked("[e](../data.md)\n```\n[f](nowhere.md)\n```\n", "howto/label.md") == (
        "[e](../data.md)\n```\n[f](nowhere.md)\n```\n"
    )
    assert not caplog.records
    linked("[g](nowhere.md)", "data.md")
    assert "docs/data.md links to nowhere.md, which is not there" in caplog.text


@pytest.mark.proof
def test_pages_ask_nothing_of_other_hosts(site):
    pages = list(site.glob("**/*.html"))
    assert len(pages) > 40
    for page in pages:
        fetches = Fetches()
        fetches.feed(page.read_text(encoding="utf-8"))
        assert fetches.found and not [one for one in fetches.found if re.match(r"(https?:)?//", one)], page
    for sheet in site.glob("**/*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", sheet.read_text(encoding="utf-8")), sheet


@pytest.mark.proof
def test_a_browser_searches_the_pages_on_the_disk(site):
    sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright
    from tests.attacks import browsing

    if not browsing.CHROMIUM:
        pytest.skip("no chromium on this machine")
    asked = []
    with sync_playwright() as playwright, browsing.launch(playwright) as browser, browser.new_page() as page:
        page.on("request", lambda request: asked.append(request.url))
        page.goto((site / "architecture.html").as_uri())
        page.fill("input.md-search__input", "quarantine")
        page.wait_for_selector(".md-search-result__item", timeout=60_000)
    assert asked and not [url for url in asked if not url.startswith(("file:", "data:", "blob:", "about:"))]
