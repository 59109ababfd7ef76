"""Csv and tsv in and out. Every cell is text: ``01`` stays ``01``, an empty cell is the empty text.

``guarded`` is for files that a person opens in a spreadsheet: a text that the spreadsheet would run as a formula is
written with an apostrophe before it, and reading takes the apostrophe away again (formulas.py). No other module of
Driftline writes such a file, but for finetune's curves, which hold numbers only.
"""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa

from tasks.core.errors import UserError
from tasks.core.faults import sentence
from tasks.core.files import replacing
from tasks.tables import formulas


def read_delimited(path: Path, delimiter: str = ",", *, guarded: bool = False) -> pa.Table:
    """The records of a file in UTF-8, all columns text; blank lines are skipped. UserError: file and line."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=delimiter, strict=True)
    csv.field_size_limit(sys.maxsize)  # else a cell of more than 131,072 characters is refused
    rows = []
    try:
        header = _header(path, _unguarded(next(reader, []), guarded))
        for row in filter(None, reader):
            if len(row) != len(header):
                raise UserError(
                    f"{path}, line {reader.line_num}: the record has {len(row)} values, the header {len(header)}"
                )
            rows.append(_unguarded(row, guarded))
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: not valid csv: {error}") from None
    return text_table(header, rows)


def text_table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> pa.Table:
    """A table whose columns are all text, from its rows."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pa.table([pa.array(column, pa.string()) for column in columns], names=list(names))


def read_text(path: Path) -> str:
    """A file in UTF-8, line ends as they are. UserError: it is missing, or the line that is not UTF-8."""
    try:
        data = path.read_bytes()
        return data.decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except OSError as error:
        raise UserError(sentence(error) or f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: not UTF-8: save the file as UTF-8") from None


def _header(path: Path, names: list[str]) -> list[str]:
    if not names:
        raise UserError(f"{path}, line 1: the first line must name the columns")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise UserError(f"{path}, line 1: two columns are called {twice[0]!r}: rename one of them")
    return names


def _unguarded(row: list[str], guarded: bool) -> list[str]:
    return [formulas.unguarded(cell) for cell in row] if guarded else row


def write_delimited(
    table: pa.Table, path: Path, delimiter: str = ",", *, guarded: bool = False, numbers: Collection[str] = ()
) -> None:
    """The table with a header, lines end in LF; a missing value is an empty cell.

    ``numbers`` are columns of text in which there are numbers only: no guard changes them.
    """
    columns = [
        _guarded(column) if guarded and name not in numbers else column for name, column in table.to_pydict().items()
    ]
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(_LineFeeds(file), delimiter=delimiter, lineterminator="\r\n")
        writer.writerow(_guarded(table.column_names) if guarded else table.column_names)
        writer.writerows(zip(*columns, strict=True))


def _guarded(cells: Iterable[Any]) -> list[Any]:
    return [formulas.guarded(cell) if isinstance(cell, str) else cell for cell in cells]


class _LineFeeds:
    """Ends records in LF. The writer itself is told CRLF, because it only then quotes a CR inside of a cell."""

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def write(self, record: str) -> int:
        return self.file.write(f"{record[:-2]}\n")
