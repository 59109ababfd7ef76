"""Data Docs as pages that need no web and tell nobody.

As Great Expectations writes them they take styles, scripts and the list of results from eight other hosts, one of
which learns by a picture that the page is opened, and of which project. Here a policy in each page forbids scripts and
anything from elsewhere, ``data_docs.css`` takes the place of the styles, and the first page is a list that needs no
script.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from html import escape
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.redaction import excerpt

EXAMPLES, EXCERPT = 3, 120  # rows for each reason, characters of each
CSS = Path(__file__).with_name("data_docs.css")
POLICY = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>"
    '<meta name="referrer" content="no-referrer"/>'
)

Verdicts = Mapping[str, Mapping[str, int]]
"""By the name of a suite: how many rows break each of its rules."""


def settle(site: Path, verdicts: Verdicts, quarantined: pa.Table) -> None:
    """Make the pages of ``site`` stand alone; the first of them lists the verdicts and what was quarantined."""
    style = f"<style>{CSS.read_text(encoding='utf-8')}</style>"
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        alone = text.replace("<head>", f"<head>{POLICY}", 1).replace("</head>", f"{style}</head>", 1)
        page.write_text(alone, encoding="utf-8")
    shutil.rmtree(site / "static", ignore_errors=True)  # 4 MB of fonts and pictures that the policy forbids
    (site / "index.html").write_text(_front(site, verdicts, quarantined, style), encoding="utf-8")


def _front(site: Path, verdicts: Verdicts, quarantined: pa.Table, style: str) -> str:
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
        f"<body><h4>Data Docs</h4><p>What Great Expectations found, rule by rule.</p>{body}{_held(quarantined)}"
        "</body></html>\n"
    )


def _held(quarantined: pa.Table) -> str:
    """The reasons, the most frequent first, with the first rows of each; all of their text masked."""
    if not len(quarantined):
        return "<h4>Quarantine</h4><p>No row was held.</p>"
    held = quarantined["reasons"].to_pylist()
    counts = Counter(reason for reasons in held for reason in reasons)
    rows = "".join(
        f"<tr><td>{escape(reason)}</td><td>{count}</td><td>{_examples(quarantined, held, reason)}</td></tr>"
        for reason, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    )
    return (
        "<h4>Quarantine</h4><p>Why rows were held, and the first of them: mail addresses, links and digits are masked, "
        "names are not. driftline trace ID tells all about a row, driftline quarantine release lets it out.</p>"
        f"<table><tr><th>reason</th><th>rows</th><th>examples</th></tr>{rows}</table>"
    )


def _examples(quarantined: pa.Table, held: list[list[str]], reason: str) -> str:
    places = list(islice((place for place, reasons in enumerate(held) if reason in reasons), EXAMPLES))
    return "".join(
        f"<p><code>{escape(row['id'])}</code> {escape(shown(row) or '(empty)')}"
        f"{'' if row['label'] is None else ' · ' + escape(row['label'])}</p>"
        for row in quarantined.take(pa.array(places, pa.int64())).to_pylist()
    )


def shown(row: Mapping[str, Any]) -> str:
    """The beginning of a row, or of the record that could not be read as one."""
    if row.get("image") is not None:
        return f"an image of {len(row['image']):,} bytes"
    text = row.get("text")
    return excerpt((row["source_bytes"] or b"").decode(errors="replace") if text is None else text, EXCERPT)


def _page(site: Path, suite: str) -> str:
    """The page of a suite's results, as seen from the first page."""
    return next((site / "validations" / suite).rglob("*.html")).relative_to(site).as_posix()
