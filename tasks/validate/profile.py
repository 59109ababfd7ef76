"""The columns that the row rules check, derived from the rows; null where nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.errors import UserError
from tasks.core.rows import inputs, modality
from tasks.dataset.labels import SINGLE, LabelFormat
from tasks.dataset.schema import BASE, IMAGE_PROPERTIES
from tasks.validate import Characters, Kind, Params
from tasks.validate.rules import CHARACTERS_OF

CHARACTERS: dict[Characters, str] = {  # as RE2 writes them; tab, line feed and carriage return are text
    "control": r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}]",
    "bidi": r"[\x{61c}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2066}-\x{2069}]",
    "zero_width": r"[\x{ad}\x{200b}-\x{200d}\x{2060}\x{feff}]",
    "replacement": r"\x{fffd}",
    "private_use": r"\p{Co}",
}
TEXT_PATTERNS: dict[Kind, str] = {
    "integer": r"^[+-]?[0-9]+$",
    "number": r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$",
    "boolean": r"^(?i:true|false)$",
}
ARROW_TYPES: dict[Kind, Callable[[pa.DataType], bool]] = {
    "integer": pa.types.is_integer,
    "number": lambda kind: pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind),
    "boolean": pa.types.is_boolean,
    "time": lambda kind: pa.types.is_timestamp(kind) or pa.types.is_date(kind),
}


def observe(raw: pa.Table, section: Params, personal: Mapping[int, str], cells: LabelFormat = SINGLE) -> pd.DataFrame:
    """One row for each raw row, with its id and the columns that the row rules of the section check.

    ``personal`` names the kinds of personal data by position. Raises ``UserError`` where a further column that the
    contract names is not there or has the wrong type as a whole.
    """
    require_columns(raw, section)
    columns = {
        "id": raw["id"],
        "problem": raw["problem"],
        "label": _not_blank(raw["label"]),
        **(_of_texts(raw, section) if modality(raw.column_names) == "text" else _of_image(raw)),
        "time_outside": _time_outside(raw["timestamp"], section),
        "mistyped_columns": _names(
            raw, {name: _not_of_type(raw[name], kind) for name, kind in section.columns.items()}
        ),
        "columns_empty": _names(
            raw, {name: _is_missing(raw[name], section.columns.get(name)) for name in section.required}
        ),
        "personal_data": pa.array(_values(personal, len(raw)), pa.string()),
    }
    if cells.several and section.labels is not None:
        columns["labels_not_allowed"] = _others(raw["label"], section.labels, cells)
    return pd.DataFrame({name: values.to_pandas() for name, values in columns.items()})


def _others(column: pa.ChunkedArray, allowed: Collection[str], cells: LabelFormat) -> pa.Array:
    """The labels of each row that are not allowed; null where all are."""
    found = [
        None if cell is None else ", ".join(label for label in cells.labels(cell) if label not in allowed) or None
        for cell in column.to_pylist()
    ]
    return pa.array(found, pa.string())


def _of_texts(raw: pa.Table, section: Params) -> dict[str, pa.ChunkedArray]:
    """Of pairs the length of each text, and what either holds that it should not."""
    texts = {name: raw[name] for name in inputs(raw.column_names)}
    return {
        **{CHARACTERS_OF[name]: _characters(its) for name, its in texts.items()},
        "letters_outside": _either([_letters_outside(its, section.scripts or []) for its in texts.values()]),
        "forbidden_characters": _either(
            [_forbidden_characters(its, section.forbidden_characters) for its in texts.values()]
        ),
    }


def _characters(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(_is_seen(texts), pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0)


def _either(messages: list[pa.ChunkedArray]) -> pa.ChunkedArray:
    """The first message of each row; null where there is none."""
    return pc.coalesce(*messages)


def _of_image(rows: pa.Table) -> dict[str, pa.ChunkedArray]:
    return {name: rows[name] for name in IMAGE_PROPERTIES.names}


def require_columns(raw: pa.Table, section: Params) -> None:
    """Refuse a table without the further columns that the contract names, or with one of another type."""
    ours = {*BASE[tuple(inputs(raw.column_names))].names, *IMAGE_PROPERTIES.names}
    others = [name for name in raw.column_names if name not in ours]
    for key, names in (("columns", section.columns), ("required", section.required), ("unique", section.unique)):
        for name in names:
            if name not in others:
                raise UserError(
                    f"validate.{key}: the source has no further column {name!r}; it has {', '.join(others) or 'none'} "
                    "beside those that ingest.columns names"
                )
    for name, kind in section.columns.items():
        found = raw[name].type
        if not (_text(found) or pa.types.is_null(found) or (kind in ARROW_TYPES and ARROW_TYPES[kind](found))):
            raise UserError(f"validate.columns: {name} is {found} in the source, but must be {kind}")


def _text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind))


def _values(personal: Mapping[int, str], count: int) -> list[str | None]:
    return [personal.get(place) for place in range(count)]


def _not_blank(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if not _text(values.type):
        return values
    trimmed = pc.utf8_trim_whitespace(values)
    return pc.if_else(pc.and_(pc.not_equal(trimmed, ""), _is_seen(values)), values, pa.scalar(None, pa.string()))


def _is_seen(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether a value holds more than space and characters of no width."""
    return pc.match_substring_regex(values, r"[^\s\x{85}\p{Z}\p{Cf}]")


def _is_missing(values: pa.ChunkedArray, kind: Kind | None) -> pa.ChunkedArray:
    """Whether there is no value; NaN is none, also where a number is written as text."""
    return pc.is_null(_number_or_none(_not_blank(values), kind), nan_is_null=pa.types.is_floating(values.type))


def _number_or_none(values: pa.ChunkedArray, kind: Kind | None) -> pa.ChunkedArray:
    if kind not in ("integer", "number") or not _text(values.type):
        return values
    return pc.if_else(pc.equal(pc.utf8_lower(values), "nan"), pa.scalar(None, pa.string()), values)


def _message_where(wrong: pa.ChunkedArray, message: str) -> pa.ChunkedArray:
    """The message where something is wrong, else null."""
    return pc.if_else(pc.fill_null(wrong, False), pa.scalar(message), pa.scalar(None, pa.string()))


def _letters_outside(texts: pa.ChunkedArray, scripts: Iterable[str]) -> pa.ChunkedArray:
    inside = "".join(rf"\p{{{script}}}" for script in scripts)
    if not inside:
        return pa.chunked_array([pa.nulls(len(texts), pa.string())])
    return _message_where(
        pc.match_substring_regex(texts, rf"[^\P{{L}}{inside}\p{{Common}}\p{{Inherited}}]"), "a letter"
    )


def _forbidden_characters(texts: pa.ChunkedArray, kinds: Iterable[Characters]) -> pa.ChunkedArray:
    found = [_message_where(pc.match_substring_regex(texts, CHARACTERS[kind]), kind) for kind in kinds]
    return _joined(found, len(texts))


def _time_outside(times: pa.ChunkedArray, section: Params) -> pa.ChunkedArray:
    def beyond(compare: Callable[..., pa.ChunkedArray], limit: datetime | None, words: str) -> list[pa.ChunkedArray]:
        if limit is None:
            return []
        return [_message_where(compare(times, pa.scalar(limit, times.type)), f"{words} {limit:%Y-%m-%dT%H:%M:%SZ}")]

    early, late = beyond(pc.less, section.earliest, "before"), beyond(pc.greater_equal, section.latest, "not before")
    return _joined([*early, *late], len(times))


def _not_of_type(values: pa.ChunkedArray, kind: Kind) -> pa.ChunkedArray:
    """Whether a value that is written as text is not of the type in the contract; false where it is missing."""
    if not _text(values.type) or kind == "text":
        return pa.chunked_array([pa.repeat(False, len(values))])
    values = _not_blank(values)
    if kind in TEXT_PATTERNS:
        return pc.invert(pc.match_substring_regex(values, TEXT_PATTERNS[kind]))
    return pa.chunked_array([pa.array([value is not None and not _is_time(value) for value in values.to_pylist()])])


def _is_time(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _names(raw: pa.Table, wrong: Mapping[str, pa.ChunkedArray]) -> pa.ChunkedArray:
    """The names of the columns in which a row has something wrong."""
    return _joined([_message_where(values, name) for name, values in wrong.items()], len(raw))


def _joined(messages: list[pa.ChunkedArray], count: int) -> pa.ChunkedArray:
    """The messages of each row, with commas between; null where there is none."""
    joined = pa.chunked_array([pa.nulls(count, pa.string())])
    for message in messages:
        both = pc.binary_join_element_wise(joined, message, ", ")  # null where either is: to skip nulls it drops rows
        joined = pc.coalesce(both, joined, message)
    return joined
