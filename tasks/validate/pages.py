"""Data Docs as pages that need no web and tell nobody.

As Great Expectations writes them they take styles, scripts and the list of results from eight other hosts, one of
which learns by a picture that the page is opened, and of which project. Here a policy in each page forbids scripts and
anything from elsewhere, ``data_docs.css`` takes the place of the styles, and the first page is a list that needs no
script.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from html import escape
from pathlib import Path

CSS = Path(__file__).with_name("data_docs.css")
POLICY = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>"
    '<meta name="referrer" content="no-referrer"/>'
)

Verdicts = Mapping[str, Mapping[str, int]]
"""By the name of a suite: how many rows break each of its rules."""


def settle(site: Path, verdicts: Verdicts) -> None:
    """Make the pages of ``site`` stand alone and list the verdicts on the first of them."""
    style = f"<style>{CSS.read_text(encoding='utf-8')}</style>"
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        alone = text.replace("<head>", f"<head>{POLICY}", 1).replace("</head>", f"{style}</head>", 1)
        page.write_text(alone, encoding="utf-8")
    shutil.rmtree(site / "static", ignore_errors=True)  # 4 MB of fonts and pictures that the policy forbids
    (site / "index.html").write_text(_front(site, verdicts, style), encoding="utf-8")


def _front(site: Path, verdicts: Verdicts, style: str) -> str:
    rows = "".join(
        f"<tr><td><a href='{escape(_page(site, suite))}'>{escape(suite)}</a></td><td>{escape(rule)}</td>"
        f"<td>{'✗' if broken else '✓'}</td><td>{broken}</td></tr>"
        for suite, rules in verdicts.items()
        for rule, broken in rules.items()
    )
    head = "<tr><th>suite</th><th>rule</th><th></th><th>broken by</th></tr>"
    body = f"<table>{head}{rows}</table>" if rows else "<p>There were no rows to judge.</p>"
    return (
        f"<!DOCTYPE html><html lang='en'><head>{POLICY}<meta charset='utf-8'/><title>Data Docs</title>{style}</head>"
        f"<body><h4>Data Docs</h4><p>What Great Expectations found, rule by rule.</p>{body}</body></html>\n"
    )


def _page(site: Path, suite: str) -> str:
    """The page of a suite's results, as seen from the first page."""
    return next((site / "validations" / suite).rglob("*.html")).relative_to(site).as_posix()
