"""Records of a csv or tsv file, quoted as RFC 4180 says.

A file is parsed byte for byte (Latin-1 maps each byte to one character and back) and each cell is decoded as UTF-8 by
itself, so that a bad byte costs one cell. Every cell is text: "NA", "null" and "007" stay what they are.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pyarrow as pa

from tasks.errors import Refused
from tasks.ingest.part import Part

BOM = "ï»¿"  # UTF-8's mark, as Latin-1


class Lines:
    """The lines of a file; ``taken`` are those that were read since it was last emptied."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self.file)
        self.taken.append(line)
        return line


def records(file: TextIO, delimiter: str) -> Iterator[tuple[list[str] | None, str]]:
    """Each record's cells (None where its quotes do not match up) and the record as it stood; blank lines are none."""
    csv.field_size_limit(sys.maxsize)
    lines = Lines(file)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.taken.clear()
        try:
            cells: list[str] | None = next(reader)
        except StopIteration:
            return
        except csv.Error:
            cells = None
        if cells != []:
            yield cells, "".join(lines.taken)


def read(path: Path, delimiter: str) -> Part:
    """The file's records, all columns text; a record with more or fewer cells than the header is unparseable."""
    with path.open(encoding="latin-1", newline="") as file:
        found = records(file, delimiter)
        header = _header(path, next(found, (None, ""))[0])
        rows: list[list[str | None]] = []
        raw: list[str] = []
        for cells, record in found:
            rows.append([*cells] if cells is not None and len(cells) == len(header) else [])
            raw.append(record)
    columns, undecodable = _columns(header, rows)
    return Part(
        file=path.as_posix(),
        table=pa.table(columns),
        records=len(rows),
        record=lambda i: raw[i].rstrip("\r\n").encode("latin-1"),
        unparseable=frozenset(i for i, row in enumerate(rows) if not row),
        undecodable=undecodable,
    )


def _header(path: Path, cells: list[str] | None) -> list[str]:
    if cells is None:
        raise Refused(f"{path} has no header: its first record must name the columns")
    try:
        names = [cell.encode("latin-1").decode() for cell in [cells[0].removeprefix(BOM), *cells[1:]]]
    except UnicodeDecodeError:
        raise Refused(f"{path}: the header is not UTF-8: save the file as UTF-8") from None
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refused(f"{path}: the header names {', '.join(map(repr, twice))} twice: rename one of them")
    return names


def _columns(header: list[str], rows: list[list[str | None]]) -> tuple[dict[str, pa.Array], dict[str, frozenset[int]]]:
    columns, undecodable = {}, {}
    for place, name in enumerate(header):
        cells = [row[place] if row else None for row in rows]
        values = [cell if cell is None or cell.isascii() else _decoded(cell) for cell in cells]
        undecodable[name] = frozenset(
            i for i, (cell, value) in enumerate(zip(cells, values, strict=True)) if value is None and cell is not None
        )
        columns[name] = pa.array(values, pa.string())
    return columns, undecodable


def _decoded(cell: str) -> str | None:
    try:
        return cell.encode("latin-1").decode()
    except UnicodeDecodeError:
        return None
