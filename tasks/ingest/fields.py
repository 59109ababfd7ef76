"""From the columns of a file to rows as the pipeline knows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.errors import UserError
from tasks.core.rows import IMAGE, TEXT, TEXT_PAIR
from tasks.dataset.schema import BASE, IMAGE_PROPERTIES, RAW, REASONS
from tasks.dataset.windows import Columns
from tasks.ingest.column_names import refuse_missing
from tasks.ingest.names import NONE, ONE_LABEL, LabelSyntax, Names, read_names
from tasks.ingest.parts import HEADER_REPEATED, UNPARSEABLE, Part
from tasks.ingest.times import TimeReader

TEXT_UNDECODABLE = "text_undecodable"
TEXT_NOT_A_STRING = "text_not_a_string"
LABEL_MULTIPLE = "label_multiple"
LABEL_NOT_A_STRING = "label_not_a_string"
ID_NOT_A_STRING = "id_not_a_string"
TIME_UNREADABLE = "timestamp_unreadable"
VALUE_UNDECODABLE = "value_undecodable"
ID_MISSING = "id_missing"


def rows(part: Part, columns: Columns, clock: TimeReader, syntax: LabelSyntax = ONE_LABEL) -> pa.Table:
    """One row for each record of the part, in its order: the columns of ``RAW``, then the source's others untouched.

    An id is null where the source has none: ``ids.fill_ids`` makes one when all rows of the window are together.
    ``problem`` names the first fault of a record, in the order of the codes above. An empty label, time
    or id is none, and so is a number that is none (NaN).
    """
    keys, found = names(part, columns.id), labels(part, columns.label, syntax)
    moments = pa.nulls(part.records, RAW.field("timestamp").type)
    absent: pa.ChunkedArray | None = None
    if columns.timestamp:
        moments, absent = clock.read(column(part, columns.timestamp), part.file, part.first)
    problems, lost = _problems(part, columns, found, keys, moments, absent)
    values = [
        keys.values,
        *([_images(part, columns)] if columns.image else [_texts(part, *one) for one in text_columns(columns)]),
        found.values,
        moments,
        pa.repeat(pa.scalar(part.file), part.records),
        pa.array(range(part.first, part.first + part.records)),
        _sparse({i: part.record(i) for i in lost}, part.records, pa.binary()),
        _sparse(problems, part.records, pa.string()),
    ]
    own = extras(part, columns)
    types = [pa.field(own[name], part.table.schema.field(name).type) for name in own]
    return pa.table([*values, *(part.table[name] for name in own)], schema=pa.schema([*base(columns), *types]))


def base(columns: Columns) -> pa.Schema:
    """The columns that every row of such a source has."""
    return BASE[(IMAGE,) if columns.image else tuple(role for role, _ in text_columns(columns))]


def text_columns(columns: Columns) -> list[tuple[str, str | None]]:
    """The parts that are texts, and the columns that play them."""
    found = [(TEXT, columns.text), (TEXT_PAIR, columns.text_pair)]
    return [(role, name) for role, name in found if role == TEXT or name is not None]


def extras(part: Part, columns: Columns) -> dict[str, str]:
    """Columns of the source that play no part, and what rows call them: one with the name of a column of ours gets
    ``source_`` before it. UserError: the source has a column of that name too."""
    used = {columns.text, columns.text_pair, columns.image, columns.label, columns.timestamp, columns.id}
    ours = {*RAW.names, TEXT_PAIR, REASONS.name, *((IMAGE, *IMAGE_PROPERTIES.names) if columns.image else ())}
    has = part.table.column_names
    kept = {name: f"source_{name}" if name in ours else name for name in has if name not in used}
    for name, new in kept.items():
        if name != new and (new in ours or new in has):
            raise UserError(
                f"{part.file} has the columns {name!r} and {new!r}, as which {name!r} would be kept: rename one"
            )
    return kept


def require_columns(file: str, columns: Columns, known: Iterable[str], key: str) -> None:
    """Refuse a file without a column that ``params.yaml`` names (``key`` says where); ``known`` are those it has."""
    for role in ("text", "text_pair", "image", "label", "timestamp", "id"):
        if (name := getattr(columns, role)) is not None:
            refuse_missing(file, name, known, f"{key}.{role}")


def column(part: Part, name: str | None) -> pa.ChunkedArray:
    """The column of that name; nulls where none is named or the part does not use it."""
    if name in part.table.column_names:
        return part.table[name]
    return pa.chunked_array([pa.nulls(part.records, pa.string())])


def names(part: Part, name: str | None) -> Names:
    """Ids: one name each, null where there is none."""
    not_strings = part.not_strings.get(name or "", frozenset())
    return read_names(column(part, name), not_strings, f"{part.file}: column {name!r}")


def labels(part: Part, name: str | None, syntax: LabelSyntax) -> Names:
    """The label of each record, or the cell of its labels; null where there is none."""
    not_strings = part.not_strings.get(name or "", frozenset())
    return syntax.read(column(part, name), not_strings, f"{part.file}: column {name!r}")


def _texts(part: Part, role: str, name: str | None) -> pa.ChunkedArray:
    found = column(part, name)
    if pa.types.is_null(found.type) or _all_missing(found):
        return pa.chunked_array([pa.nulls(part.records, pa.string())])
    if not pa.types.is_string(found.type):
        raise UserError(
            f"{part.file}: column {name!r} is {found.type}, not text: name another under ingest.columns.{role}, "
            "or write it as text"
        )
    others = part.not_strings.get(name or "")
    return pc.if_else(_mask(others, part.records), NONE, found) if others else found


def _images(part: Part, columns: Columns) -> pa.ChunkedArray:
    found = column(part, columns.image)
    if not (pa.types.is_binary(found.type) or pa.types.is_null(found.type) or found.null_count == len(found)):
        raise UserError(
            f"{part.file}: column {columns.image!r} is {found.type}, not the bytes of images: name another under "
            "ingest.columns.image"
        )
    return found.cast(pa.binary())


def _all_missing(found: pa.ChunkedArray) -> bool:
    """A column of numbers none of which is one: how pandas writes a file without any text."""
    return bool(pa.types.is_floating(found.type) and pc.all(pc.is_null(found, nan_is_null=True), min_count=0).as_py())


def _problems(
    part: Part,
    columns: Columns,
    labels: Names,
    keys: Names,
    moments: pa.ChunkedArray,
    absent: pa.ChunkedArray | None,
) -> tuple[dict[int, str], list[int]]:
    """The problem of each position that has one, and the positions whose record must be kept as it stood."""
    problems: dict[int, str] = {}
    texts = [name or "" for _, name in text_columns(columns)]
    _mark(problems, part.unparseable, UNPARSEABLE)
    _mark(problems, part.repeated, HEADER_REPEATED)
    for text in texts:
        _mark(problems, part.undecodable.get(text, ()), TEXT_UNDECODABLE)
    for text in texts:
        _mark(problems, _texts_of_something_else(part, text), TEXT_NOT_A_STRING)
    _mark(problems, labels.several, LABEL_MULTIPLE)
    _mark(problems, labels.others, LABEL_NOT_A_STRING)
    _mark(problems, {*keys.several, *keys.others}, ID_NOT_A_STRING)
    for place, code in part.problems.items():
        _mark(problems, [place], code)
    if absent is not None:
        _mark(problems, _places(pc.and_(pc.is_null(moments), pc.invert(absent))), TIME_UNREADABLE)
    for places in part.undecodable.values():
        _mark(problems, places, VALUE_UNDECODABLE)
    lost = sorted(problems)
    if absent is not None:
        _mark(problems, _places(absent), TIME_UNREADABLE)
    if columns.id:
        _mark(problems, _places(pc.is_null(keys.values)), ID_MISSING)
    return problems, lost


def _texts_of_something_else(part: Part, text: str) -> list[int]:
    """Texts that are JSON of something else than a string; NaN is none."""
    places = part.not_strings.get(text, frozenset())
    return [place for place in places if part.table[text][place].as_py() != "NaN"]


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
