"""Any table that a person hands over, by the ending of its name: csv, tsv, jsonl or parquet.

Csv and tsv are for a spreadsheet too, so their texts are guarded against formulas (formulas.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.core.errors import UserError
from tasks.core.files import replacing
from tasks.core.tables import on_disk, parts_of, write_table
from tasks.tables.delimited import read_delimited, read_text, write_delimited
from tasks.tables.formulas import is_number


def read_any_table(path: Path, without: Collection[str] = ()) -> pa.Table:
    """The table in a file, but for the columns in ``without``.

    Cells of csv and tsv are text, without the guard of ``write_any_table``; jsonl and parquet keep their types.
    UserError: the file is missing, of another kind, or cannot be read, with the line or row where one is at fault.
    """
    reader, _ = _format(path)
    table = reader(path)
    return table.drop_columns([name for name in without if name in table.column_names])


def write_any_table(table: pa.Table, path: Path) -> None:
    """The table as the kind of file that the name's ending says."""
    _, writer = _format(path)
    writer(table, path)


def refuse_unknown_format(path: Path) -> None:
    """UserError where the name's ending is of no kind that is known here."""
    _format(path)


def empty_as_missing(table: pa.Table) -> pa.Table:
    """The table with null for each empty text: csv has no other way to say that a value is missing."""
    for i, field in enumerate(table.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            column = table[field.name]
            blank = pc.equal(column, "")
            table = table.set_column(i, field.name, pc.if_else(blank, pa.scalar(None, field.type), column))
    return table


def _write_guarded(table: pa.Table, path: Path, delimiter: str) -> None:
    """A column of a csv file is text, whatever it holds: one that holds numbers only stays as it is."""
    texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
    numbers = [name for name in texts if all(is_number(cell) for cell in table[name].to_pylist() if cell)]
    write_delimited(table, path, delimiter, guarded=True, numbers=numbers)


def _read_lines(path: Path) -> pa.Table:
    """One JSON object a line; a key that a line lacks is null there."""
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            rows.append(_object(path, number, line))
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: _column(path, name, [row.get(name) for row in rows]) for name in names})


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}, line {number}: not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path}, line {number}: not a JSON object")
    return found


def _column(path: Path, name: str, values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowException, UnicodeEncodeError, OverflowError) as error:
        row = _first_that_does_not_fit(values)
        raise UserError(f"{path}, row {row}: column {name!r} holds {values[row - 1]!r}: {error}") from None


def _first_that_does_not_fit(values: list[Any]) -> int:
    """The number of the row, from one, up to which the values make no column."""
    fits, fails = 0, len(values)
    while fails - fits > 1:
        middle = (fits + fails) // 2
        try:
            pa.array(values[:middle])
            fits = middle
        except (pa.ArrowException, UnicodeEncodeError, OverflowError):
            fails = middle
    return fails


def _write_lines(table: pa.Table, path: Path) -> None:
    with replacing(path) as part, part.open("w", encoding="utf-8") as file:
        for row in table.to_pylist():
            file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


def _read_parquet(path: Path) -> pa.Table:
    try:
        return pa.concat_tables(on_disk(_valid_parts(path)))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read as parquet: {error}: give a whole file") from None


def _valid_parts(path: Path) -> Iterator[pa.Table]:
    whole_folder = [pq.read_table(path, page_checksum_verification=True)] if path.is_dir() else None
    for part in whole_folder or parts_of(path):
        part.validate(full=True)  # strings are only claimed to be UTF-8
        yield part


Reader = Callable[[Path], pa.Table]
Writer = Callable[[pa.Table, Path], None]
FORMATS: dict[str, tuple[Reader, Writer]] = {
    ".csv": (partial(read_delimited, guarded=True), partial(_write_guarded, delimiter=",")),
    ".tsv": (partial(read_delimited, delimiter="\t", guarded=True), partial(_write_guarded, delimiter="\t")),
    ".jsonl": (_read_lines, _write_lines),
    ".parquet": (_read_parquet, write_table),
}


def _format(path: Path) -> tuple[Reader, Writer]:
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise UserError(f"{path}: unknown format: use one of {', '.join(FORMATS)}")
    return found
