"""Records of a parquet file, in the types that it declares."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.core.errors import UserError
from tasks.ingest.decoding import Opening
from tasks.ingest.parts import MAX_RECORDS, Part, refuse_many_columns
from tasks.ingest.streams import refuse_bomb, unchanged_while_read

PLAIN = {
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
}


def read_parquet_parts(path: Path, opening: Opening) -> Iterator[Part]:
    """The file's records; strings that are not UTF-8 are null, their positions in ``undecodable``.

    The first part may be empty."""
    with unchanged_while_read(path) as found:
        unpacked = first = 0
        try:
            file = pq.ParquetFile(path)
            file = pq.ParquetFile(path, read_dictionary=_texts(file))  # a text that occurs often is then in memory once
            names = file.schema_arrow.names
            _refuse_duplicate_names(path, names)
            yield _part(path, file.schema_arrow.empty_table(), 0)
            for batch in file.iter_batches(MAX_RECORDS):
                size = sum(map(_size, batch.columns))
                opening.budget.spend(size, path)
                unpacked += size
                refuse_bomb(unpacked, found.st_size, path)
                yield _part(path, pa.Table.from_batches([batch]), first)
                first += len(batch)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last: of a column's name
            raise UserError(
                f"{path} cannot be read as parquet: {error}: put the whole file back, with `git checkout` or `dvc "
                "checkout` if one of them has it"
            ) from None


def _texts(file: pq.ParquetFile) -> list[str]:
    """Columns whose values may be long and repeated."""
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return [field.name for field in file.schema_arrow if any(kind(field.type) for kind in kinds)]


def _refuse_duplicate_names(path: Path, names: list[str]) -> None:
    refuse_many_columns(len(names), path)
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        raise UserError(f"{path}: two columns are called {twice[0]!r}: rename one of them")


def _size(column: pa.Array) -> int:
    """Bytes of the values without a dictionary."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = pc.binary_length(column.dictionary.cast(pa.large_binary()))
    return int(pc.sum(lengths.take(column.indices), min_count=0).as_py()) + 4 * len(column)


def _part(path: Path, table: pa.Table, first: int) -> Part:
    table = table.replace_schema_metadata(None)
    columns, undecodable = [], {}
    for field in table.schema:
        column = table[field.name].cast(_plain(field.type))
        if pa.types.is_string(column.type):
            column, bad = _decoded(column)
            if bad:
                undecodable[field.name] = bad
        columns.append(column)
    made = pa.table(columns, names=table.column_names)
    return Part(path.as_posix(), made, len(table), lambda i: _json(table, i), first, undecodable=undecodable)


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
    values = {name: _value(table[name].slice(row, 1)) for name in table.column_names}
    return json.dumps(values, ensure_ascii=False, default=str).encode("utf-8", "surrogateescape")


def _value(one: pa.ChunkedArray) -> Any:
    one = one.cast(_plain(one.type))
    if pa.types.is_string(one.type) and one.null_count == 0:
        return one.cast(pa.binary())[0].as_py().decode("utf-8", "surrogateescape")
    try:
        return one[0].as_py()
    except (ValueError, OverflowError):  # a time that Python has no name for, or bytes inside a list
        return one.to_string()
