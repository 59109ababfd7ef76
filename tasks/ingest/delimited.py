"""Records of a csv or tsv file, quoted as RFC 4180 says.

Every cell is text: "NA", "null" and "007" stay what they are. A bad byte costs one cell, a quote that is never closed
one line. A line with nothing in it is no record.
"""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from tasks.core.errors import UserError
from tasks.ingest.decoding import Opening, Text, is_valid, open_text
from tasks.ingest.parts import Part, batches, refuse_many_columns, strings

MAX_RECORD_CHARACTERS = 1 << 28  # csv's own buffer takes four bytes for each
MAX_BUFFER_CHARACTERS = 1 << 22  # after a longer record that buffer is released
MAX_SEPARATE_LINES = 10_000  # of one record, before they are joined
Record = tuple[list[str] | None, str]
"""The cells, None where the quotes do not match up, and the record as it stood."""


class Lines:
    """The lines of a file, and those of them that were read since a record began."""

    def __init__(self, file: Iterable[str]) -> None:
        self.files = [iter(file)]  # the last one is read first
        self.restart()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while (line := next(self.files[-1], "")) == "" and len(self.files) > 1:
            self.files.pop()
        if not line:
            raise StopIteration
        self.count += 1
        self.length += len(line)
        self.last.append(line)
        if len(self.last) > MAX_SEPARATE_LINES:  # lines take less as one string than as many
            self.packed.append("".join(self.last))
            self.last.clear()
        if self.length > MAX_RECORD_CHARACTERS:
            raise csv.Error("the record is too long")
        return line

    def restart(self) -> None:
        """A new record begins."""
        self.packed: list[str] = []
        self.last: list[str] = []
        self.count = self.length = 0

    def record(self) -> str:
        """The record so far."""
        return "".join([*self.packed, *self.last])

    def give_back(self) -> str:
        """Give back all lines of the record but the first, which is the answer."""
        if self.count == 1:
            return self.last[0]
        again = io.StringIO(self.record(), newline="")
        first = next(again)
        self.files.append(again)
        return first


def records(file: Iterable[str], delimiter: str) -> Iterator[Record]:
    """Every record but blank lines; the first one's cells are as many as the others should have.

    Where quotes do not match up, the next line begins a record again. So it does where a record of several lines has
    too few or too many cells: a quote that was never closed has met the next one in the file.
    """
    csv.field_size_limit(sys.maxsize)
    lines = Lines(file)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    width = 0
    while True:
        lines.restart()
        try:
            cells = next(reader)
            if width and len(cells) != width and lines.count > 1:
                raise csv.Error("a quote is not closed")
        except StopIteration:
            return
        except csv.Error:
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            yield None, lines.give_back()
            continue
        if lines.length > MAX_BUFFER_CHARACTERS:
            reader = csv.reader(lines, delimiter=delimiter, strict=True)  # the old one keeps its buffer
        if cells:
            width = width or len(cells)
            yield cells, lines.record()


def read_delimited_parts(path: Path, opening: Opening, delimiter: str) -> Iterator[Part]:
    """The file's records, all columns text; a record with more or fewer cells than the header is unparseable.

    The first part may be empty: it holds the columns of a file that has no records.
    """
    with open_text(path, opening, newline="") as file:
        found = records(file.lines, delimiter)
        header = _header(path, next(found, (None, ""))[0])
        first = 0
        yield _part(path, header, [], 0, file)
        for batch in batches(found, lambda record: len(record[1])):
            yield _part(path, header, batch, first, file)
            first += len(batch)


def _part(path: Path, header: list[str], batch: list[Record], first: int, file: Text) -> Part:
    blank: list[str | None] = [None] * len(header)
    fits = [cells is not None and len(cells) == len(header) for cells, _ in batch]
    rows = [cells if fit else blank for fit, (cells, _) in zip(fits, batch, strict=True)]
    columns = list(map(strings, zip(*rows, strict=True))) if rows else [strings([])] * len(header)
    return Part(
        file=path.as_posix(),
        table=pa.table([column for column, _ in columns], names=header),
        records=len(batch),
        record=lambda i: file.as_bytes(batch[i][1].rstrip("\r\n")),
        first=first,
        unparseable=frozenset(i for i, fit in enumerate(fits) if not fit),
        undecodable={name: bad for name, (_, bad) in zip(header, columns, strict=True) if bad},
    )


def _header(path: Path, names: list[str] | None) -> list[str]:
    if names is None:
        raise UserError(f"{path} has no header that can be read: its first record must name the columns")
    if not all(map(is_valid, names)):
        raise UserError(f"{path}: the header is not text in the encoding of the file: save the file as UTF-8")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"{path}: the header names {', '.join(map(repr, twice[:5]))} twice: rename one of them")
    refuse_many_columns(len(names), path)
    return names
