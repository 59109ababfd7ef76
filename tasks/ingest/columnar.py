"""Records of a parquet file, in the types that it declares."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import Refused
from tasks.ingest.part import Part

PLAIN = {
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
}


def read(path: Path) -> Part:
    """The file's records; strings that are not UTF-8 are null and their places told."""
    try:
        table = pq.read_table(path).replace_schema_metadata(None)
    except (pa.ArrowException, OSError) as error:
        raise Refused(f"{path} cannot be read as parquet: {error}") from None
    original, undecodable = table, {}
    for place, field in enumerate(table.schema):
        column = table[field.name].cast(_plain(field.type))
        if pa.types.is_string(column.type):
            column, undecodable[field.name] = _decoded(column)
        table = table.set_column(place, field.name, column)
    return Part(path.as_posix(), table, len(table), lambda i: _json(original, i), undecodable=undecodable)


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type without its packing, which may differ from file to file."""
    return _plain(kind.value_type) if pa.types.is_dictionary(kind) else PLAIN.get(kind, kind)


def _decoded(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, frozenset[int]]:
    """Strings are only claimed to be UTF-8: parquet's readers do not look."""
    try:
        return column.cast(pa.binary()).cast(pa.string()), frozenset()
    except pa.ArrowInvalid:
        values = [value.as_buffer().to_pybytes() if value.is_valid else None for value in column]
    texts = [None if value is None else _text(value) for value in values]
    bad = (i for i, (value, text) in enumerate(zip(values, texts, strict=True)) if value is not None and text is None)
    return pa.chunked_array([pa.array(texts, pa.string())]), frozenset(bad)


def _text(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _json(table: pa.Table, row: int) -> bytes:
    """The record as JSON; bytes that are not UTF-8 stay what they are."""
    values = {}
    for name in table.column_names:
        value = table[name][row]
        is_text = pa.types.is_string(_plain(value.type)) and value.is_valid
        values[name] = value.cast(pa.binary()).as_py().decode("utf-8", "surrogateescape") if is_text else value.as_py()
    return json.dumps(values, ensure_ascii=False, default=str).encode("utf-8", "surrogateescape")
