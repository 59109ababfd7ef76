"""Text as it may stand on a page that is passed around: without mail addresses, links, network addresses and digits.

Coarse on purpose, and quick: whole words go where a recogniser of personal data would look for the exact place. What
``validate.privacy`` finds is never left over here (tests/tasks/test_masking.py).

Not covered: names of people, and whatever else identifies somebody without looking like one of these.
"""

from __future__ import annotations

import re

ADDRESS = r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*"
LINK = re.compile(r"(?i)\b(?:https?://|www\.)[^\s<>\"]+")
GLUED_LINK = re.compile(r"(?i)(?:https?://|(?<![^\W\d_])www\.)[^\s<>\"]+")
"""A link whatever stands before it, to redact: a word or a number that runs into it must not give it away."""
WORD = re.compile(r"[^\s<>()\[\]\",;]+")
DIGIT = re.compile(r"\d")


def hidden(text: str) -> list[tuple[int, int, str]]:
    """What ``mask`` puts a sign for, digits aside: begin, end and the sign, in order, none over another."""
    links = [(its.start(), its.end(), "[link]") for its in GLUED_LINK.finditer(text)]
    others = GLUED_LINK.sub(lambda its: " " * len(its[0]), text)
    words = [(its.start(), its.end(), sign) for its in WORD.finditer(others) if (sign := _word(its)) != its[0]]
    return sorted([*links, *words])


def mask(text: str) -> str:
    """The text with a sign in place of each mail address, link and network address, and of each digit."""
    return DIGIT.sub("#", WORD.sub(_word, GLUED_LINK.sub("[link]", text)))


def _word(found: re.Match[str]) -> str:
    word = found[0]
    if "@" in word.strip("@"):
        return "[mail]"
    return "[ip]" if word.count(":") > 1 and not set(word) - set("0123456789abcdefABCDEF:.%/") else word


def excerpt(text: str, length: int) -> str:
    """The beginning of a text on one line, masked first: what is cut first may leave half an address no mask knows."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in mask(text)).split())
    return line[:length] + ("…" if len(line) > length else "")
