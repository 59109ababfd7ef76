"""Records of tab-separated text as databases write it: PostgreSQL's COPY, ``mysql --batch`` and MySQL's OUTFILE.

No cell is quoted: a tab, line end or backslash in a value has a backslash before it, or is ``\\t``, ``\\n``, ``\\\\``.
A cell ``\\N`` is a missing value. The line ``\\.`` ends the records.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tasks.core.errors import UserError
from tasks.ingest.decoding import Opening, Text, open_text
from tasks.ingest.encodings import checks_encoding
from tasks.ingest.parts import Part, batches, part_of_cells, refuse_many_columns

CELL = re.compile(r"(?:[^\\\t]|\\.)*", re.DOTALL)
ESCAPED = re.compile(r"\\(.)", re.DOTALL)
MEANS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "0": "\0"}
MISSING, END = r"\N", r"\."
MAX_LINES = 10_000  # of one record
Record = tuple[list[str | None], str]
"""The cells, and the record as it stands."""


@checks_encoding
def read_database_parts(path: Path, opening: Opening) -> Iterator[Part]:
    """The file's records, all columns text; with ``dialect.header: 0`` its columns are called 1, 2, …

    A record with another number of cells than the first is unparseable. UserError: two columns have one name.
    """
    with open_text(path, opening, newline="\n") as file:
        found = _records(file)
        start = next(found, None)
        if start is None:
            raise UserError(f"{path} holds no records")
        names, first = _names(path, start, opening), 0
        if opening.keys(path).header == 0:
            yield _part(path, names, [start], 0, file)
            first = 1
        yield _part(path, names, [], first, file)
        for batch in batches(found, lambda record: len(record[1])):
            yield _part(path, names, batch, first, file)
            first += len(batch)


def _records(file: Text) -> Iterator[Record]:
    """The records: a line that ends in a backslash goes on in the next one."""
    held: list[str] = []
    for line in file.lines:
        content = line.removesuffix("\n").removesuffix("\r")
        if not held and content == END:
            return
        if len(held) < MAX_LINES and (len(content) - len(content.rstrip("\\"))) % 2:
            held.append(line)
            continue
        written, held = "".join([*held, content]), []
        if written:
            yield _cells(written), written
    if held:
        yield _cells("".join(held)), "".join(held)


def _cells(written: str) -> list[str | None]:
    cells = written.split("\t") if "\\" not in written else _split(written)
    return [None if cell == MISSING else ESCAPED.sub(_meaning, cell) if "\\" in cell else cell for cell in cells]


def _split(written: str) -> list[str]:
    """The cells between tabs that have no backslash before them."""
    cells, place = [], 0
    while place <= len(written):
        found = CELL.match(written, place)
        end = found.end() if found else place
        end = end if end == len(written) or written[end] == "\t" else len(written)  # a lone backslash at the end
        cells.append(written[place:end])
        place = end + 1
    return cells


def _meaning(escaped: re.Match[str]) -> str:
    return MEANS.get(escaped[1], escaped[1])


def _names(path: Path, start: Record, opening: Opening) -> list[str]:
    """The names in the first record, or numbers from 1."""
    cells = start[0]
    refuse_many_columns(len(cells), path)
    if opening.keys(path).header == 0:
        return [str(number) for number in range(1, len(cells) + 1)]
    names = [cell or "" for cell in cells]
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        raise UserError(
            f"{path}: the header names {twice[0]!r} twice: rename one, or set `header: 0` under ingest.dialect"
        )
    return names


def _part(path: Path, names: list[str], batch: list[Record], first: int, file: Text) -> Part:
    rows = [cells if len(cells) == len(names) else None for cells, _ in batch]
    return part_of_cells(path, names, rows, lambda i: file.as_bytes(batch[i][1]), first)
