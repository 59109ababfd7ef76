"""Redaction of texts for reports: mail addresses, links, network addresses and digits become placeholders.

Coarse on purpose, and quick: whole words are redacted where ``validate.privacy`` looks for the exact place. Nothing
that it finds is left (tests/tasks/validate/test_personal.py).

Not covered: names of people, and whatever else identifies somebody without looking like one of these.
"""

from __future__ import annotations

import re

ADDRESS = r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*"
GLUED_LINK = re.compile(r"(?i)(?:https?://|(?<![^\W\d_])www\.)[^\s<>\"]+")
"""A link whatever stands before it, to redact: a word or a number that runs into it must not give it away."""
WORD = re.compile(r"[^\s<>()\[\]\",;]+")
DIGIT = re.compile(r"\d")


def redactions(text: str) -> list[tuple[int, int, str]]:
    """What ``redact`` replaces, digits aside: start, end and placeholder, in order, without overlaps."""
    links = [(its.start(), its.end(), "[link]") for its in GLUED_LINK.finditer(text)]
    others = GLUED_LINK.sub(lambda its: " " * len(its[0]), text)
    words = [(its.start(), its.end(), sign) for its in WORD.finditer(others) if (sign := _word(its)) != its[0]]
    return sorted([*links, *words])


def redact(text: str) -> str:
    """The text with a placeholder for each mail address, link, network address and digit."""
    return DIGIT.sub("#", WORD.sub(_word, GLUED_LINK.sub("[link]", text)))


def _word(found: re.Match[str]) -> str:
    word = found[0]
    if "@" in word.strip("@"):
        return "[mail]"
    return "[ip]" if word.count(":") > 1 and not set(word) - set("0123456789abcdefABCDEF:.%/") else word


def excerpt(text: str, length: int) -> str:
    """The beginning of a text on one line, redacted before it is cut: half an address would not be recognised."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in redact(text)).split())
    return line[:length] + ("…" if len(line) > length else "")
