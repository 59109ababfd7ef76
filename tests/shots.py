"""The pictures of docs/: ``make shots``. The report and a served repository of seconds, photographed in Chromium.

Needs the extra ``browser`` and Chromium; some minutes.
"""

from __future__ import annotations

import html
import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from flows.two_runs.page import Side
from flows.two_runs.page import page as page_of_two
from tests.attacks import browsing
from tests.support.prefect_pages import log_in, settle
from tests.support.processes import TOP
from tests.support.scene import Scene
from tests.support.two_runs import StandIn

PICTURES = TOP / "docs" / "pictures"
MOST_BYTES = 150_000
SIZE = {"width": 1280, "height": 1500}
HEADER = 700  # of the list of runs: filters and a diagram
NOTE = """<div id="note" style="padding:24px;font:15px/1.5 sans-serif;width:980px"><b>{subject}</b>
<pre style="white-space:pre-wrap;font:13px/1.5 monospace;margin-bottom:0">{body}</pre></div>"""
RENAME = """([from, to]) => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) walker.currentNode.data = walker.currentNode.data.replaceAll(from, to);
}"""
"""The scene's temporary folder is no name for a picture."""


def keep(name: str, picture: bytes) -> None:
    """A picture in few colours. AssertionError: it is too large for docs/."""
    PICTURES.mkdir(exist_ok=True)
    file = PICTURES / f"{name}.png"
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(64).save(file, optimize=True)
    assert file.stat().st_size <= MOST_BYTES, f"{file} has {file.stat().st_size} bytes"
    print(f"{file.relative_to(TOP)}: {file.stat().st_size} bytes", flush=True)


def play(scene: Scene) -> dict[str, str]:
    """What there is to see: the runs' ids."""
    february, march, may = (
        scene.ended(scene.start("monitoring", window={"since": f"2026-0{month}-01", "until": f"2026-0{month + 1}-01"}))
        for month in (2, 3, 5)
    )
    states = [run["state_name"] for run in (february, march, may)]
    assert states == ["As before", "Harmful", "No rows"], (states, scene.log_text()[-6000:])
    assert scene.ended(scene.start("training", stages=["finetun"]))["state_name"] == "Failed"
    approval = scene.start("approval")
    scene.ended(approval)
    return {"drift": march["id"], "approval": approval}


def take(page: Page, scene: Scene, runs: dict[str, str]) -> None:
    """All of them."""
    page.goto(f"{scene.page}/v2/runs")
    settle(page, "monitoring-mails-20260301")
    last = page.get_by_text("monitoring-mails-20260201").first.bounding_box()
    assert last
    clip = {"x": 256, "y": HEADER, "width": SIZE["width"] - 256, "height": last["y"] + 70 - HEADER}
    keep("runs", page.screenshot(clip=clip))

    page.goto(scene.artifact(runs["drift"], "drift"))
    settle(page, "driftline report monitoring-mails")
    page.evaluate(RENAME, [str(scene.folder), "/srv"])
    keep("drift", page.screenshot(clip={"x": 256, "y": 0, "width": 1024, "height": 760}))

    page.goto(f"{scene.page}/runs/flow-run/{runs['approval']}")
    page.get_by_role("button", name="Resume").click()
    settle(page, "Make it the champion?")
    keep("approval", page.screenshot(clip={"x": 256, "y": 0, "width": 1024, "height": 900}))

    told = next(one for one in scene.told if "waits for approval" not in one["subject"])
    page.set_content(NOTE.format(**{name: html.escape(text) for name, text in told.items()}))
    page.evaluate(RENAME, [str(scene.folder), "/srv"])
    keep("notification", page.locator("#note").screenshot())


def first_screen(file: Path, name: str, height: int) -> None:
    """What one sees of a page without scrolling."""
    with sync_playwright() as playwright:
        browser = browsing.launch(playwright)
        page = browser.new_page(viewport={"width": 1100, "height": height})
        page.goto(file.as_uri())
        keep(name, page.screenshot())
        browser.close()


def report() -> None:
    """The first screen of the shipped run's report, for the README: `make run` has to have been."""
    file = TOP / "reports" / "index.html"
    if not file.exists():
        print(f"{file.relative_to(TOP)} does not exist, and its picture stays: run `make run` first", flush=True)
        return
    first_screen(file, "report", 700)


def two_runs(folder: Path) -> None:
    """The page that compares two runs, of answers made up for it."""
    one, other = (StandIn(name, folder / name, right=right) for name, right in (("before", 0.9), ("after", 0.97)))
    file = folder / "two.html"
    file.write_text(page_of_two(Side("A", one, None), Side("B", other, None)), encoding="utf-8")
    first_screen(file, "two-runs", 1000)


def main() -> None:
    """Make the scene, take the pictures, and leave nothing else."""
    report()
    with tempfile.TemporaryDirectory(prefix="driftline-shots-") as folder:
        two_runs(Path(folder))
    with tempfile.TemporaryDirectory(prefix="driftline-shots-") as folder, Scene(Path(folder)) as scene:
        runs = play(scene)
        with sync_playwright() as playwright:
            browser = browsing.launch(playwright)
            page = browser.new_page(viewport=SIZE)
            log_in(page, scene)
            take(page, scene, runs)
            browser.close()


if __name__ == "__main__":
    main()
