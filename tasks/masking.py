"""Text as it may stand on a page that is passed around: without mail addresses, links and digits.

Not covered: names of people, and whatever else identifies somebody without looking like one of these.
"""

from __future__ import annotations

import re

ADDRESS = r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*"
MASKS = (
    (re.compile(ADDRESS), "[mail]"),
    (re.compile(r"(?i)\b(?:https?://|www\.)[^\s<>\"]+"), "[link]"),
    (re.compile(r"\d"), "#"),
)


def mask(text: str) -> str:
    """The text with a sign in place of each mail address, link and digit."""
    for pattern, sign in MASKS:
        text = pattern.sub(sign, text)
    return text
