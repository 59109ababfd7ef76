"""Lines of a terminal as a page of HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Driftline: {title}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'">
<h1>{heading}</h1>
<pre>{text}</pre></html>
"""


def page(title: str, heading: str, lines: Iterable[str]) -> str:
    """The same lines, whatever signs are in them."""
    return PAGE.format(title=html.escape(title), heading=html.escape(heading), text=html.escape("\n".join(lines)))
