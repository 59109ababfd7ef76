"""Prefect's own pages in a browser: what data says does nothing there, nothing elsewhere is asked, and links open."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.support.prefect_pages import WAIT_MS, log_in, settle
from tests.support.scene import Scene

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]
EVIL = (
    ' ![x](http://127.0.0.1:{port}/p.png) <img src="http://127.0.0.1:{port}/i.png"> [click](http://127.0.0.1:{port}/)'
)


OTHER = {"reference": {"until": "2026-02-15"}, "current": {"from": "2026-02-15", "until": "2026-03-01"}}
"""Windows that nothing has run yet."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A served repository whose verdicts on drift hold a picture, a tag and a link of another origin."""
    with Scene(tmp_path_factory.mktemp("scene"), EVIL.format(port=9)) as found:
        yield found


@pytest.fixture
def page(browser, scene):
    """Logged in; ``asked`` has every address that the page asked for elsewhere."""
    page = browser.new_page(viewport={"width": 1280, "height": 1500})
    page.asked = []
    page.on(
        "request",
        lambda request: (
            urlsplit(request.url).netloc != urlsplit(scene.page).netloc
            and urlsplit(request.url).scheme not in ("data", "blob")
            and page.asked.append(request)
        ),
    )
    log_in(page, scene)
    yield page
    page.close()


def test_words_of_data_do_nothing_and_the_links_to_reports_open(scene, page):
    run = scene.ended(scene.start("monitoring", window={"since": "2026-03-01", "until": "2026-04-01"}))
    assert run["name"].startswith("monitoring-mails-20260301-20260401-")
    assert run["state_name"] == "Harmful" and {"alarm", "harmful"} <= set(run["tags"])
    page.goto(scene.artifact(run["id"], "drift"))
    settle(page, "driftline report monitoring-mails")
    assert "![x]" in page.inner_text("body")  # as it is, in its block
    assert not page.query_selector_all("img[src*='127.0.0.1:9']") and not page.query_selector_all(
        "a[href*='127.0.0.1:9']"
    )
    page.get_by_role("link", name="report", exact=True).click()
    page.wait_for_url("**/reports/index.html", timeout=WAIT_MS)
    assert "The page index" in page.inner_text("body")
    page.get_by_role("link", name="drift").click()
    page.wait_for_url("**/reports/drift.html", timeout=WAIT_MS)
    assert "The page drift" in page.inner_text("body")
    assert [
        request.url for request in page.asked if request.response()
    ] == []  # Prefect's page asks; the policy refuses


def test_the_button_retry_ends_well_and_the_record_says_what_failed(scene, page):
    pipe = scene.repository / "pipe.py"
    code = pipe.read_text()
    marker = scene.folder / "up"
    pipe.write_text(code.replace("def split():", f"def split():\n    assert pathlib.Path({str(marker)!r}).exists()"))
    scene._run("git", "commit", "-qam", "needs a file server that is up", cwd=scene.repository)
    run = scene.ended(scene.start("training", request={"windows": OTHER}))
    assert run["state_name"] == "Failed"
    marker.touch()
    page.goto(f"{scene.page}/runs/flow-run/{run['id']}")
    page.get_by_role("button", name="Retry").click()
    page.wait_for_timeout(1500)
    page.get_by_role("button", name="Retry").last.click()  # of the question whether one is sure
    done = scene.until(lambda: (found := scene.run(run["id"]))["state_type"] == "COMPLETED" and found, 300, "completed")
    assert "at try 2; before: failed: split failed" in done["state"]["message"]
    assert done["name"] == run["name"] and "retry" in done["tags"]
