"""Data Docs as self-contained pages that load nothing from the web.

As Great Expectations writes them they take styles, scripts and the list of results from eight other hosts, one of
which learns by a picture that the page is opened, and of which project. Here a policy in each page forbids scripts and
anything from elsewhere, ``data_docs.css`` takes the place of the styles, and the first page is a list that needs no
script.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.core.rows import text_of
from tasks.html.templates import environment
from tasks.redaction import excerpt

MAX_EXAMPLES, MAX_EXCERPT = 3, 120  # rows for each reason, characters of each
CSS = Path(__file__).with_name("data_docs.css")
POLICY = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'\"/>"
    '<meta name="referrer" content="no-referrer"/>'
)
LOGO = re.compile(r"<img\s[^>]*great-expectations-web-assets[^>]*>")  # its address holds the clock and a random id
PART = re.compile(r"(?<=-collapse-body-)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # random, one for each site

FailureCounts = Mapping[str, Mapping[str, int]]
"""By the name of a suite: how many rows break each of its rules."""


def make_self_contained(
    site: Path, failures: FailureCounts, quarantined: pa.Table, findings: Sequence[str] = ()
) -> None:
    """Remove what the pages of ``site`` load from elsewhere, and what is random in them; the index lists failures,
    findings, quarantined rows."""
    style = f"<style>{CSS.read_text(encoding='utf-8')}</style>"
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        alone = text.replace("<head>", f"<head>{POLICY}", 1).replace("</head>", f"{style}</head>", 1)
        alone = PART.sub("part", LOGO.sub("", alone))
        page.write_text(alone, encoding="utf-8")
    shutil.rmtree(site / "static", ignore_errors=True)  # 4 MB of fonts and pictures that the policy forbids
    (site / "index.html").write_text(_index(site, failures, quarantined, findings), encoding="utf-8")


def _index(site: Path, failures: FailureCounts, quarantined: pa.Table, findings: Sequence[str]) -> str:
    rules = [
        (_page(site, suite), suite, rule, broken) for suite, rules in failures.items() for rule, broken in rules.items()
    ]
    template = environment(CSS.parent).get_template("data_docs.html")
    return template.render(policy=POLICY, rules=rules, reasons=_reasons(quarantined), findings=findings)


def _reasons(quarantined: pa.Table) -> list[tuple[str, int, list[dict[str, str | None]]]]:
    """The reasons, the most frequent first, with the first rows of each; all of their text redacted."""
    reasons_by_row = quarantined["reasons"].to_pylist()
    counts = Counter(reason for reasons in reasons_by_row for reason in reasons)
    order = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [(reason, count, _examples(quarantined, reasons_by_row, reason)) for reason, count in order]


def _examples(quarantined: pa.Table, reasons_by_row: list[list[str]], reason: str) -> list[dict[str, str | None]]:
    places = list(islice((place for place, reasons in enumerate(reasons_by_row) if reason in reasons), MAX_EXAMPLES))
    rows = quarantined.take(pa.array(places, pa.int64())).to_pylist()
    return [{"id": row["id"], "text": shown(row), "label": row["label"]} for row in rows]


def shown(row: Mapping[str, Any]) -> str:
    """The beginning of a row, or of the record that could not be read as one."""
    if row.get("image") is not None:
        return f"an image of {len(row['image']):,} bytes"
    text = text_of(row)
    return excerpt((row["source_bytes"] or b"").decode(errors="replace") if text is None else text, MAX_EXCERPT)


def _page(site: Path, suite: str) -> str:
    """The page of a suite's results, relative to the index."""
    return next((site / "validations" / suite).rglob("*.html")).relative_to(site).as_posix()
