"""Prefect's pages in a browser: log in, open a run, wait for what is to be seen."""

from __future__ import annotations

WAIT_MS = 60_000


def log_in(page, scene):
    """As a person does, once for each browser."""
    page.goto(f"{scene.page}/v2/runs")
    page.wait_for_selector("input", timeout=WAIT_MS)
    page.fill("input", scene.login)
    page.keyboard.press("Enter")
    settle(page, "Flow Runs")


def settle(page, text):
    """Wait until the page shows the text, and draws no more."""
    page.get_by_text(text).first.wait_for(timeout=WAIT_MS)
    page.wait_for_timeout(1500)
