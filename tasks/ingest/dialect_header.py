"""Which line names the columns, and what divides its cells: found on the first lines of a file."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

from tasks.ingest.dialect_params import Dialect, DialectKeys
from tasks.ingest.dialect_records import Lines, records

DELIMITERS = (",", ";", "\t", "|")
QUOTES = ('"', "'")
MAX_LINES_BEFORE = 50
MIN_SHARE = 0.9  # of the records that must have the number of cells that most have
SEP = re.compile(r'"?sep=(.)"?[,;\t|]*[\r\n]*', re.IGNORECASE)
Row = tuple[int, list[str]]
"""A line, from 1, and its cells; none where it cannot be read by itself."""


@dataclass(frozen=True)
class Header:
    """The line that names the columns."""

    dialect: Dialect
    names: tuple[str, ...]
    unsure: bool = False
    """Whether lines before it have as many cells, so that each of them could be the header."""


def find_header(
    head: Sequence[str], keys: DialectKeys, delimiter: str, names: Collection[str], cut: bool = False
) -> Header:
    """The header among the first lines; ``delimiter`` is the usual one, ``names`` are columns that must be there.

    Of the delimiters the one is taken with which a line holds all names; without such a line, that with which most
    records have one number of cells. ``cut``: the last record of the first lines may go on behind them.
    """
    sep = SEP.fullmatch(head[0]) if head else None
    given = keys.delimiter or (sep[1] if sep else None)
    delimiters = (given,) if given else (delimiter, *(one for one in DELIMITERS if one != delimiter))
    quotes = (keys.quote,) if keys.quote else QUOTES
    first = keys.header if keys.header is not None else 2 if sep else None
    tried = [
        Dialect(
            delimiter=one,
            quote=quote,
            quoted=keys.quoted is not False,
            escape=keys.escape or None,
            header=1 if first is None else first,
            comment=keys.comment or None,
        )
        for quote in quotes
        for one in delimiters
        if quote != one
    ]
    if first is not None:
        return _at(head, tried, names)
    return _by_names(head, tried, names) or _by_counts(head, [one for one in tried if one.quote == quotes[0]], cut)


def _at(head: Sequence[str], tried: Sequence[Dialect], names: Collection[str]) -> Header:
    """The header where its line is known; 0: the columns are numbered."""
    headers = []
    for dialect in tried:
        rows = _rows(head[max(dialect.header - 1, 0) :], dialect, 20)
        cells = rows[0] if rows else []
        found = cells if dialect.header else [str(number) for number in range(1, len(cells) + 1)]
        headers.append((_missing(found, names), -_share(rows), Header(dialect, tuple(found))))
    return min(headers, key=lambda one: one[:2])[-1]


def _by_names(head: Sequence[str], tried: Sequence[Dialect], names: Collection[str]) -> Header | None:
    """The first line that holds all names."""
    best: Header | None = None
    for dialect in tried if names else ():
        starts = _starts(head, dialect)
        place = next((place for place, (_, cells) in enumerate(starts) if not _missing(cells, names)), None)
        if place is not None and (best is None or starts[place][0] < best.dialect.header):
            best = _header(dialect, starts, place)
            if place == 0:
                return best
    return best


def _by_counts(head: Sequence[str], tried: Sequence[Dialect], cut: bool) -> Header:
    """The first line of as many cells as most records have."""
    best: tuple[float, int, Dialect] = (0.0, 1, tried[0])
    for dialect in tried:
        widths = [len(cells) for cells in _rows(head, dialect, len(head), cut) if len(cells) > 1 or cells[0][:1] != "#"]
        width = Counter(widths).most_common(1)[0][0] if widths else 1
        behind = widths[widths.index(width) :] if widths else []  # without what stands before the header
        share = behind.count(width) / max(len(behind), 1)
        if width > 1 and share >= MIN_SHARE and share > best[0]:
            best = (share, width, dialect)
    _, width, dialect = best
    starts = _starts(head, dialect)
    if not starts or not starts[0][1]:  # what cannot be read is no preamble: the header may be in it
        return Header(dialect, ())
    empty = all(not cells[-1] for cells in _rows(head, dialect, len(head), cut) if len(cells) == width)
    fits = (width, width - 1) if empty and width > 2 else (width,)  # records may end with a delimiter that it lacks
    return _header(dialect, starts, next((place for place, row in enumerate(starts) if len(row[1]) in fits), 0))


def _header(dialect: Dialect, starts: Sequence[Row], place: int) -> Header:
    """The header at a place among the lines that hold something; without such lines before it, it is the first one."""
    number, cells = starts[place]
    dialect = dialect.model_copy(update={"header": number if place else 1})
    return Header(dialect, tuple(cells), len(cells) > 1 and any(len(row[1]) == len(cells) for row in starts[:place]))


def _starts(head: Sequence[str], dialect: Dialect) -> list[Row]:
    """The first lines that hold something, each read by itself, but the first record with all of its lines."""
    rows = ((number, _rows([line], dialect, 1)) for number, line in enumerate(head[:MAX_LINES_BEFORE], 1))
    found = [
        (number, cells[0] if cells else [])
        for number, cells in rows
        if head[number - 1].strip() and not (dialect.comment and head[number - 1].startswith(dialect.comment))
    ]
    if found and not found[0][1]:
        first, _ = next(records(Lines(io.StringIO("".join(head), newline=""), dialect)), (None, ""))
        found[0] = (found[0][0], first or [])
    return found


def _rows(head: Sequence[str], dialect: Dialect, count: int, cut: bool = False) -> list[list[str]]:
    """The first records that can be read."""
    found = records(Lines(io.StringIO("".join(head), newline=""), dialect, cut))
    return list(islice((cells for cells, _ in found if cells is not None), count))


def _share(rows: Sequence[list[str]]) -> float:
    """The share of records with as many cells as the first, of which one is none."""
    return sum(len(cells) == len(rows[0]) > 1 for cells in rows) / len(rows) if rows else 0.0


def _missing(cells: Collection[str], names: Collection[str]) -> int:
    return len(set(names) - set(cells))
