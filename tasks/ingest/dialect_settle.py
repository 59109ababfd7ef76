"""Settle whether quote marks quote, which sign does, and what escapes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice

from tasks.ingest.decoding import CHUNK, Text
from tasks.ingest.dialect_params import Dialect, DialectKeys
from tasks.ingest.dialect_quotes import MANY, Tally, read_both_ways

Open = Callable[[], AbstractContextManager[Text]]


@dataclass(frozen=True)
class Settled:
    """The dialect, with its quoting."""

    dialect: Dialect
    why: str | None = None
    """What speaks for another one than was given."""
    doubt: str | None = None
    """Which keys to set, where both readings fit."""


@dataclass(frozen=True)
class Scan:
    """The lines of a file: the first ones, those of them behind the header, and whether they are all."""

    opened: Open
    head: Sequence[str]
    rest: Sequence[str]
    whole: bool

    def first(self, dialect: Dialect, width: int) -> Tally:
        """The first lines in both readings."""
        return read_both_ways(self.rest, dialect, width, to_the_end=True, cut=not self.whole)

    def all(self, dialect: Dialect, width: int) -> Tally:
        """As many lines in both readings as settle it."""
        tally = read_both_ways(self.rest, dialect, width, cut=not self.whole)
        if self.whole or tally.settled or not self._holds(dialect.quote.encode()):
            return tally
        with self.opened() as file:
            return read_both_ways(islice(file.lines, dialect.header, None), dialect, width)

    def _holds(self, quote: bytes) -> bool:
        """Whether the file holds a quote mark at all; in UTF-16 its byte may be part of another sign."""
        with self.opened() as file:
            return any(quote in chunk for chunk in iter(lambda: bytes(file.lines.buffer.read(CHUNK)), b""))

    def has_quoted_header(self, dialect: Dialect) -> bool:
        """Whether the header itself is quoted."""
        return dialect.quote in "".join(self.head[max(dialect.header - 1, 0) : max(dialect.header, 0)])


def settle_quotes(scan: Scan, dialect: Dialect, width: int, keys: DialectKeys) -> Settled:
    """The dialect with the quoting that the records ask for; ``width`` is how many cells they have."""
    sure = scan.has_quoted_header(dialect)
    if sure and not any("\\" + dialect.quote in line for line in scan.rest):
        return Settled(dialect)
    tally = scan.all(dialect, width)
    if tally.escaped and keys.escape is None:
        escaped = dialect.model_copy(update={"escape": "\\"})
        if scan.all(escaped, width).quoted_bad * MANY <= tally.quoted_bad:
            return Settled(escaped, f"a backslash escapes the quote marks of {tally.quoted_bad} records")
    if sure or tally.settled:
        return Settled(dialect)
    if tally.quotes_are_text:
        as_text = dialect.model_copy(update={"quoted": False})
        return Settled(as_text, f"{tally.quoted_bad} records cannot be read if quote marks quote")
    if tally.open:
        return Settled(dialect, doubt=_two_readings(tally))
    if keys.quote is None and not (tally.differing or tally.quoted_bad):
        return _single_quotes(scan, dialect, width)
    return Settled(dialect)


def _single_quotes(scan: Scan, dialect: Dialect, width: int) -> Settled:
    """The dialect with ' as quote mark, if only then the first records have the cells that they should."""
    other = dialect.model_copy(update={"quote": "'"})
    tally = scan.first(other, width)
    if tally.text_bad and not tally.quoted_bad:
        return Settled(other, f"cells in ' hold the delimiter or line ends, in {tally.text_bad} lines")
    return Settled(dialect)


def _two_readings(tally: Tally) -> str:
    first = tally.disputed[0]
    cells = ", ".join(map(_cut, first.cells))
    return (
        f"row {first.row} can be read in two ways, as one record ({cells}) if quote marks quote, or as "
        f"{len(first.lines)} ({_cut(first.lines[0].rstrip())}, …) if they are text, of {tally.records} or "
        f"{tally.lines} in all: set `quoted: true` or `quoted: false`"
    )


def _cut(value: str, most: int = 80) -> str:
    return repr(value if len(value) <= most else value[:most] + "…")
