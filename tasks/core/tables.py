"""Tables in and out: the same bytes for the same rows."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.core.errors import UserError
from tasks.core.files import replacing


def write_table(table: pa.Table, path: Path) -> None:
    """Parquet whose bytes depend on the rows and the schema only, not on chunking or on pandas' metadata."""
    with replacing(path) as part:
        pq.write_table(table.combine_chunks().replace_schema_metadata(None), part, compression="zstd")


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A table an earlier stage wrote."""
    try:
        return pq.read_table(path, columns=columns)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: run `dvc repro` to make it") from None


def columns_of(path: Path) -> list[str]:
    """The names of the columns of a table an earlier stage wrote."""
    try:
        names: list[str] = pq.read_schema(path).names
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: run `dvc repro` to make it") from None
    return names


def in_order_of(table: pa.Table, ids: pa.ChunkedArray) -> pa.Table:
    """The rows of ``table`` in the order of ``ids``; UserError for an id it lacks."""
    places = pc.index_in(ids, value_set=table["id"])
    if places.null_count:
        raise UserError(
            f"{places.null_count} ids have no row in the other table: run `dvc repro` to bring both in step"
        )
    return table.take(places)
