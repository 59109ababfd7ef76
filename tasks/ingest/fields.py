"""From the columns of a file to rows as the pipeline knows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.errors import UserError
from tasks.core.rows import IMAGE
from tasks.dataset.schema import BASE, RAW, REASONS, SEEN
from tasks.dataset.windows import Columns
from tasks.ingest import times
from tasks.ingest.parts import Part

UNPARSEABLE = "record_unparseable"
TEXT_UNDECODABLE = "text_undecodable"
TEXT_NOT_A_STRING = "text_not_a_string"
TIME_UNREADABLE = "timestamp_unreadable"
VALUE_UNDECODABLE = "value_undecodable"
ID_MISSING = "id_missing"
NONE = pa.scalar(None, pa.string())


def rows(part: Part, columns: Columns) -> pa.Table:
    """One row for each record of the part, in its order: the columns of ``RAW``, then the source's others untouched.

    An id is null where the source has none: ``ids.fill_ids`` makes one when all rows of the window are together.
    ``problem`` names the first fault of a record, in the order of the codes above. An empty label, time
    or id is none: csv has no other way to say so.
    """
    keys = _empty_is_none(strings(part, columns.id))
    dates = column(part, columns.timestamp)
    moments = pa.nulls(part.records, RAW.field("timestamp").type)
    absent: pa.ChunkedArray | None = None
    if columns.timestamp:
        moments, absent = times.parse_times(dates, part.file), times.missing(dates)
    problems, lost = _problems(part, columns, moments, absent)
    if columns.id:
        _mark(problems, _places(pc.is_null(keys)), ID_MISSING)
    values = [
        keys,
        _images(part, columns) if columns.image else _texts(part, columns),
        _empty_is_none(strings(part, columns.label)),
        moments,
        pa.repeat(pa.scalar(part.file), part.records),
        pa.array(range(part.first, part.first + part.records)),
        _sparse({i: part.record(i) for i in lost}, part.records, pa.binary()),
        _sparse(problems, part.records, pa.string()),
    ]
    own = [pa.field(name, part.table.schema.field(name).type) for name in extras(part, columns)]
    return pa.table([*values, *(part.table[field.name] for field in own)], schema=pa.schema([*base(columns), *own]))


def base(columns: Columns) -> pa.Schema:
    """The columns that every row of such a source has."""
    return BASE["image" if columns.image else "text"]


def extras(part: Part, columns: Columns) -> list[str]:
    """Columns of the source that play no part, checked not to bear the name of one of ours."""
    used = {columns.text, columns.image, columns.label, columns.timestamp, columns.id}
    ours = {*RAW.names, REASONS.name, *((IMAGE, *SEEN.names) if columns.image else ())}
    names = [name for name in part.table.column_names if name not in used]
    for name in names:
        if name in ours:
            raise UserError(
                f"{part.file} has a column {name!r} that ingest.columns gives no part, and Driftline writes one of "
                f"that name: give it one ({name}: {name}) or rename it in the source"
            )
    return names


def require_columns(file: str, columns: Columns, known: Iterable[str], key: str) -> None:
    """Refuse a file without a column that ``params.yaml`` names (``key`` says where); ``known`` are those it has."""
    has = list(dict.fromkeys(known))
    for role in ("text", "image", "label", "timestamp", "id"):
        name = getattr(columns, role)
        if name is not None and name not in has:
            shown = ", ".join(has[:20]) + (f" and {len(has) - 20} more" if len(has) > 20 else "")
            raise UserError(f"{file} has no column {name!r}, which {key}.{role} names; it has {shown or 'none'}")


def column(part: Part, name: str | None) -> pa.ChunkedArray:
    """The column of that name; nulls where none is named or the part does not use it."""
    if name in part.table.column_names:
        return part.table[name]
    return pa.chunked_array([pa.nulls(part.records, pa.string())])


def strings(part: Part, name: str | None) -> pa.ChunkedArray:
    """The values as strings, numbers and truth values as they are written."""
    found = column(part, name)
    try:
        return found.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise UserError(f"{part.file}: column {name!r} is {found.type}, which is no label or id") from None


def _empty_is_none(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(values, ""), NONE, values)


def _texts(part: Part, columns: Columns) -> pa.ChunkedArray:
    found = column(part, columns.text)
    if pa.types.is_null(found.type):
        return found.cast(pa.string())
    if not pa.types.is_string(found.type):
        raise UserError(f"{part.file}: column {columns.text!r} is {found.type}, not text")
    others = part.not_strings.get(columns.text or "")
    return pc.if_else(_mask(others, part.records), NONE, found) if others else found


def _images(part: Part, columns: Columns) -> pa.ChunkedArray:
    found = column(part, columns.image)
    if not (pa.types.is_binary(found.type) or pa.types.is_null(found.type) or found.null_count == len(found)):
        raise UserError(f"{part.file}: column {columns.image!r} is {found.type}, which is no image")
    return found.cast(pa.binary())


def _problems(
    part: Part, columns: Columns, moments: pa.ChunkedArray, absent: pa.ChunkedArray | None
) -> tuple[dict[int, str], list[int]]:
    """The problem of each position that has one, and the positions whose record must be kept as it stood."""
    problems: dict[int, str] = {}
    text = columns.text or ""
    _mark(problems, part.unparseable, UNPARSEABLE)
    _mark(problems, part.undecodable.get(text, ()), TEXT_UNDECODABLE)
    _mark(problems, part.not_strings.get(text, ()), TEXT_NOT_A_STRING)
    if absent is not None:
        _mark(problems, _places(pc.and_(pc.is_null(moments), pc.invert(absent))), TIME_UNREADABLE)
    for places in part.undecodable.values():
        _mark(problems, places, VALUE_UNDECODABLE)
    lost = sorted(problems)
    if absent is not None:
        _mark(problems, _places(absent), TIME_UNREADABLE)
    return problems, lost


def _mark(problems: dict[int, str], places: Iterable[int], code: str) -> None:
    for place in places:
        problems.setdefault(place, code)


def _places(mask: pa.ChunkedArray) -> list[int]:
    found: list[int] = pc.indices_nonzero(mask).to_pylist()
    return found


def _mask(places: Iterable[int], count: int) -> pa.Array:
    return _sparse(dict.fromkeys(places, True), count, pa.bool_()).fill_null(False)


def _sparse(values: Mapping[int, object], count: int, kind: pa.DataType) -> pa.Array:
    return pa.array([values.get(i) for i in range(count)], kind) if values else pa.nulls(count, kind)
