"""What a spreadsheet would run: the apostrophe that keeps a cell a text, and taking it away again.

A cell counts whatever its first visible sign hides behind (spaces, quotes, signs without width, full-width forms). So
does what follows a comma, a semicolon, a tab or a line end inside of a text: a spreadsheet that divides the file
there, as one set to semicolons does, begins a cell. ``unguarded(guarded(cell)) == cell`` for every text.
"""

from __future__ import annotations

import re

SIGNS = "=＝﹦⁼₌+＋﹢⁺₊﬩-－﹣⁻₋−@＠﹫"
"""What begins a formula, and what is normalised to it."""
BREAKS = ",;\t\r\n"
"""Where a file can be divided into cells."""
UNSEEN = (
    "\x00-\x08\x0b\x0c\x0e-\x20\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f"
    "\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
)
"""Spaces and controls, breaks left out, and signs without width."""
QUOTES = "'\"`‘’“”＇＂"
_FORMULA = rf"[{UNSEEN}{QUOTES}]*[{re.escape(SIGNS)}]"
_BEGINNING = re.compile(rf"[{UNSEEN}{QUOTES}\t\r\n]*[{re.escape(SIGNS)}]|'*[{UNSEEN}\t\r\n](?<![ \xa0])")
_INSIDE = re.compile(rf"([{BREAKS}])(?={_FORMULA})")
_INSIDE_GUARDED = re.compile(rf"([{BREAKS}])'(?={_FORMULA})")
_NUMBER = re.compile(r"[+-]?([0-9][0-9.,]*|\.[0-9]+)([eE][+-]?[0-9]+)?%?|nan|[+-]?inf")


def guarded(cell: str) -> str:
    """The text with an apostrophe wherever a cell may begin that would be run as a formula."""
    inside = _INSIDE.sub(r"\1'", cell) if _may_hold_a_sign(cell) and _INSIDE.search(cell) else cell
    return f"'{inside}" if _BEGINNING.match(cell) else inside


def _may_hold_a_sign(cell: str) -> bool:
    """Most cells hold none, and this is twenty times as fast as looking for one with what stands before it."""
    return not cell.isascii() or "=" in cell or "-" in cell or "+" in cell or "@" in cell


def unguarded(cell: str) -> str:
    """The text as it was before ``guarded``."""
    if "'" not in cell:
        return cell
    if cell.startswith("'") and _BEGINNING.match(cell, 1):
        cell = cell[1:]
    return _INSIDE_GUARDED.sub(r"\1", cell) if _INSIDE_GUARDED.search(cell) else cell


def is_number(cell: str) -> bool:
    """Whether a spreadsheet takes the text for a number: with its sign it is no formula."""
    return _NUMBER.fullmatch(cell) is not None
