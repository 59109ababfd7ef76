"""Records of a .json file: an array of objects, one object a line, several objects, or one object that holds them.

Where an object holds its records is said by ``ingest.records``. Three shapes that pandas writes need no word, because
the names of the columns tell them apart: rows beside the names of their columns, values by column, objects by row.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tasks.core.errors import UserError
from tasks.ingest.decoding import Opening, Text, open_text
from tasks.ingest.encodings import checks_encoding
from tasks.ingest.json_array import Window, read_array_parts
from tasks.ingest.json_records import BLANK, Record, decode, object_or_none, part_of, written
from tasks.ingest.lines import HEAD, read_line_parts
from tasks.ingest.parts import Part, batches
from tasks.ingest.unsettled import Unsettled

MAX_DEPTH = 4  # of a list of records that a message proposes


@checks_encoding
def read_json_parts(path: Path, opening: Opening) -> Iterator[Part]:
    """The file's records, all columns text. UserError: no valid JSON, or an object that does not say where they are."""
    with open_text(path, opening, newline="\n") as file:
        start = file.lines.read(HEAD)
        if start.lstrip(BLANK).startswith("["):
            if opening.records:
                raise UserError(
                    f"{path} is a list of records, no object with {opening.records!r}: leave out ingest.records"
                )
            yield from read_array_parts(path, file, start, opening)
            return
        start += file.lines.readline()
        if _is_lines(start):
            yield from read_line_parts(path, file, start, opening)
        else:
            yield from _document_parts(path, file, start, opening)


def _is_lines(start: str) -> bool:
    """Whether the first line is an object and another line follows."""
    first, _, rest = start.strip(BLANK).partition("\n")
    try:
        return bool(rest.strip(BLANK)) and isinstance(decode(first), dict)
    except (ValueError, RecursionError):
        return False


def _document_parts(path: Path, file: Text, start: str, opening: Opening) -> Iterator[Part]:
    values = list(_values(Window(path, start, file.lines.read)))
    records = iter(values)
    if len(values) == 1:
        found = _records(path, values[0][0], opening)
        records = iter(values) if found is None else ((one, written(one)) for one in found)
    first = 0
    objects = (Record(object_or_none(one), text) for one, text in records)
    for batch in batches(objects, lambda record: len(record.written)):
        yield part_of(batch, path, first, file, opening)
        first += len(batch)


def _values(window: Window) -> Iterator[tuple[Any, str]]:
    """The values of a file, one after another."""
    while window.sign():
        yield window.value()


def _records(path: Path, found: Any, opening: Opening) -> list[Any] | None:
    """The records that a file's only value holds; None where it is one itself."""
    if opening.records:
        return _at(path, found, opening.records)
    if not isinstance(found, dict):
        raise UserError(f"{path} holds no object and no list of them: give it one object for each record")
    names = {name if name in found else name.split(".")[0] for name in opening.names}
    for shape in (_rows_beside_names, partial(_by_column, path), _by_row):
        records = shape(found, names)
        if records is not None:
            return records
    if names & found.keys():
        return None
    places = list(_lists(found))
    if not places:
        raise UserError(f"{path} is one object, and none of its values is a list of objects: give it a list of records")
    raise Unsettled(
        f"{path} is one object and does not say where its records are: say `records: {places[0]}` under ingest"
        + (f" (or {', '.join(places[1:5])})" if places[1:] else ""),
        records=places[0],
    )


def _at(path: Path, found: Any, place: str) -> list[Any]:
    records = found
    for step in place.split("."):
        records = records.get(step) if isinstance(records, dict) else None
    if isinstance(records, list):
        return records
    has = ", ".join(_lists(found)) or "none"
    raise UserError(f"{path}: ingest.records names {place!r}, where no list of records is; there are lists at: {has}")


def _lists(found: Any, before: str = "", depth: int = 0) -> Iterator[str]:
    """The paths of all lists of objects."""
    for key, value in found.items() if isinstance(found, dict) and depth < MAX_DEPTH else ():
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            yield f"{before}{key}"
        yield from _lists(value, f"{before}{key}.", depth + 1)


def _rows_beside_names(found: dict[str, Any], names: set[str]) -> list[Any] | None:
    """``{"columns": [...], "data": [[...], ...]}``, pandas' orient split."""
    columns, rows = found.get("columns"), found.get("data")
    if not (isinstance(columns, list) and isinstance(rows, list) and names <= set(map(str, columns))):
        return None
    fits = all(isinstance(row, list) and len(row) == len(columns) for row in rows)
    return [dict(zip(map(str, columns), row, strict=True)) for row in rows] if fits else None


def _by_column(path: Path, found: dict[str, Any], names: set[str]) -> list[Any] | None:
    """``{"text": {"0": ...}, "label": {"0": ...}}`` or ``{"text": [...], "label": [...]}``, pandas' orient columns."""
    columns = list(found.values())
    if not names <= found.keys() or not columns:
        return None
    if all(isinstance(one, dict) and one.keys() == columns[0].keys() for one in columns):
        return [{name: one[key] for name, one in found.items()} for key in columns[0]]
    if all(isinstance(one, list) and len(one) == len(columns[0]) for one in columns):
        return [dict(zip(found, row, strict=True)) for row in zip(*columns, strict=True)]
    if all(isinstance(found[name], dict | list) for name in names):
        raise UserError(
            f"{path}: its columns {', '.join(sorted(names))} do not hold the same rows: write the file again"
        )
    return None


def _by_row(found: dict[str, Any], names: set[str]) -> list[Any] | None:
    """``{"0": {"text": ..., "label": ...}, "1": ...}``, pandas' orient index."""
    rows = list(found.values())
    fits = rows and all(isinstance(row, dict) for row in rows) and names <= rows[0].keys()
    return rows if fits else None
