"""The changes that behavioural tests make to a text: the same change to the same text every time."""

from __future__ import annotations

import re
from hashlib import sha256
from random import Random

from tasks.behaviour import Noise, Rewrite

TYPOS = 0.1  # share of the words that a letter is moved in
WORD = re.compile(r"[^\W\d_]{4,}")
GAP = re.compile(r"[ \t]+")


def apply_change(text: str, change: Noise | Rewrite | None) -> str:
    """The text after the change."""
    if isinstance(change, Rewrite):
        return _rewritten(text, change)
    by = {"upper_case": str.upper, "lower_case": str.lower, "typos": _typos, "spacing": _spacing}
    return by[change](text) if change else text


def _rewritten(text: str, change: Rewrite) -> str:
    for old, new in change.replace.items():
        text = new.join(re.split(rf"(?i)(?<!\w){re.escape(old)}(?!\w)", text))
    return change.prepend + text + change.append


def _typos(text: str) -> str:
    """Two neighbouring letters exchanged in some words of four letters and more, in one at least."""
    random, words = _random(text), list(WORD.finditer(text))
    hit = {word.start() for word in words if random.random() < TYPOS} or {word.start() for word in words[:1]}

    def swap(word: re.Match[str]) -> str:
        letters = word[0]
        if word.start() not in hit:
            return letters
        at = random.randrange(1, len(letters) - 1)
        return letters[:at] + letters[at + 1] + letters[at] + letters[at + 2 :]

    return WORD.sub(swap, text)


def _spacing(text: str) -> str:
    """Some gaps doubled, and blanks at both ends."""
    random = _random(text)
    return "  " + GAP.sub(lambda gap: gap[0] * random.choice((1, 1, 2, 3)), text) + "  "


def _random(text: str) -> Random:
    return Random(sha256(text.encode("utf-8", "surrogatepass")).digest())
