"""What may be shown of a text that comes from elsewhere, on a terminal, in a log or in a record: the one place.

A sign that a terminal obeys or that changes how its neighbours read is written as its code: escape sequences, carriage
returns, marks of writing direction, signs without width.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TextIO

from tasks.core.secrets import hidden

KEPT = "\n\t"
NAMES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
COLOUR = re.compile("(\x1b\\[(?:44;97|43;30|0)m)")
OBEYED = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"))
"""Unicode's categories of controls, formats, surrogates, private use, unassigned ones and line separators."""


def visible(text: str, kept: str = KEPT) -> str:
    """The text with a code in the place of each sign that would be obeyed; line ends and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(sign if sign in kept or not _is_obeyed(sign) else _code(sign) for sign in text)


def _is_obeyed(sign: str) -> bool:
    # a filler of Hangul and the Braille blank are letters without ink
    return unicodedata.category(sign) in OBEYED or sign in "\u115f\u1160\u3164\uffa0\u2800"


def _code(sign: str) -> str:
    number = ord(sign)
    if sign in NAMES:
        return NAMES[sign]
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def shown(text: str) -> str:
    """The text without secrets, every sign visible."""
    return visible(hidden(text))


def message(text: str) -> str:
    """As ``shown``, the further lines set in, so that none passes for a message of its own."""
    return shown(text).replace("\n", "\n  ")


def one_line(text: str) -> str:
    """A value within a message: as ``shown``, its line ends visible too."""
    return visible(hidden(text), "")


class VisibleStream:
    """A text stream on which every sign is visible."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write the text; the colours of ``driftline explain`` are obeyed."""
        return self.stream.write(
            "".join(part if COLOUR.fullmatch(part) else visible(part) for part in COLOUR.split(text))
        )

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)
