"""From the columns of a file to rows as the pipeline knows them."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from tasks.errors import Refused
from tasks.ingest import times
from tasks.ingest.part import Part
from tasks.params import Columns
from tasks.schema import RAW, REASONS

UNPARSEABLE = "record_unparseable"
TEXT_UNDECODABLE = "text_undecodable"
TEXT_NOT_A_STRING = "text_not_a_string"
TIME_UNREADABLE = "timestamp_unreadable"
VALUE_UNDECODABLE = "value_undecodable"
ID_MISSING = "id_missing"


def rows(part: Part, columns: Columns) -> pa.Table:
    """One row for each record of the part, in its order: the columns of ``RAW``, then the source's others untouched.

    An id is null where the source has none: ``ids.complete`` makes one when all rows of the window are together.
    ``problem`` names the first thing that is wrong with a record, in the order of the codes above. An empty label, time
    or id is none: csv has no other way to say so.
    """
    text = _texts(part, columns)
    label = _empty_is_none(_strings(part, columns.label))
    moments, misread = times.read(column(part, columns.timestamp), part)
    problems, lost = _problems(part, columns, misread)
    keys = _empty_is_none(_strings(part, columns.id))
    if columns.id:
        _mark(problems, (i for i, key in enumerate(keys) if key is None), ID_MISSING)
    places = range(part.records)
    source = [part.record(i) if i in lost else None for i in places]
    told = [problems.get(i) for i in places]
    table = pa.table([keys, text, label, moments, [part.file] * len(places), places, source, told], schema=RAW)
    for name in extras(part, columns):
        table = table.append_column(name, part.table[name])
    return table


def extras(part: Part, columns: Columns) -> list[str]:
    """Columns of the source that play no part, checked not to bear the name of one of ours."""
    used = {columns.text, columns.label, columns.timestamp, columns.id}
    names = [name for name in part.table.column_names if name not in used]
    for name in names:
        if name in RAW.names or name == REASONS.name:
            raise Refused(
                f"{part.file} has a column {name!r} that ingest.columns gives no part, and Driftline writes one of "
                f"that name: give it one ({name}: {name}) or rename it in the source"
            )
    return names


def require(part: Part, columns: Columns, known: Iterable[str], key: str) -> None:
    """Refuse a file without a column that ``params.yaml`` names (``key`` says where); ``known`` are those it has."""
    if columns.image:
        raise Refused(f"{key}.image: images are not read yet: name a text column")
    has = list(dict.fromkeys(known))
    for role in ("text", "label", "timestamp", "id"):
        name = getattr(columns, role)
        if name is not None and name not in has:
            raise Refused(
                f"{part.file} has no column {name!r}, which {key}.{role} names; it has {', '.join(has) or 'none'}"
            )


def column(part: Part, name: str | None) -> pa.ChunkedArray | None:
    """The column of that name; nulls where the file does not use it; None where none is named."""
    if name is None or name in part.table.column_names:
        return None if name is None else part.table[name]
    return pa.chunked_array([pa.nulls(part.records, pa.string())])


def _strings(part: Part, name: str | None) -> list[str | None]:
    """The values as strings, numbers and truth values as they are written; all None where no column is named."""
    found = column(part, name)
    if found is None:
        return [None] * part.records
    try:
        strings: list[str | None] = found.cast(pa.string()).to_pylist()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise Refused(f"{part.file}: column {name!r} is {found.type}, which is no label or id") from None
    return strings


def _empty_is_none(values: list[str | None]) -> list[str | None]:
    return [value or None for value in values]


def _texts(part: Part, columns: Columns) -> list[str | None]:
    found = column(part, columns.text)
    if found is None or not (pa.types.is_string(found.type) or pa.types.is_null(found.type)):
        raise Refused(f"{part.file}: column {columns.text!r} is {found.type if found else None}, not text")
    not_strings = part.not_strings.get(columns.text or "", ())
    return [None if i in not_strings else text for i, text in enumerate(found.to_pylist())]


def _problems(part: Part, columns: Columns, misread: times.Misread) -> tuple[dict[int, str], set[int]]:
    """The problem of each position that has one, and the positions whose record must be kept as it stood."""
    problems: dict[int, str] = {}
    text = columns.text or ""
    _mark(problems, part.unparseable, UNPARSEABLE)
    _mark(problems, part.undecodable.get(text, ()), TEXT_UNDECODABLE)
    _mark(problems, part.not_strings.get(text, ()), TEXT_NOT_A_STRING)
    _mark(problems, misread.garbled, TIME_UNREADABLE)
    for places in part.undecodable.values():
        _mark(problems, places, VALUE_UNDECODABLE)
    lost = set(problems)
    _mark(problems, misread.missing, TIME_UNREADABLE)
    return problems, lost


def _mark(problems: dict[int, str], places: Iterable[int], code: str) -> None:
    for place in places:
        problems.setdefault(place, code)
