"""Tables in and out: the same bytes for the same rows."""

from __future__ import annotations

import errno
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.core.errors import UserError
from tasks.core.files import reading, replacing


def write_table(table: pa.Table, path: Path) -> None:
    """Parquet whose bytes depend on the rows and the schema only, not on chunking or on pandas' metadata."""
    with replacing(path) as part:
        plain = table.combine_chunks().replace_schema_metadata(None)
        pq.write_table(plain, part, compression="zstd", write_page_checksum=True)


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A table an earlier stage wrote."""
    with reading(path, "a table", pa.ArrowException):
        if path.is_dir():  # whose files would be read
            raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
        table = pq.read_table(path, columns=columns, page_checksum_verification=True)
        if missing := [name for name in columns or () if name not in table.column_names]:
            raise ValueError(f"it has no column {missing[0]!r}")
    return table


def columns_of(path: Path) -> list[str]:
    """The names of the columns of a table an earlier stage wrote."""
    with reading(path, "a table", pa.ArrowException):
        names: list[str] = pq.read_schema(path).names
    return names


def in_order_of(table: pa.Table, ids: pa.ChunkedArray) -> pa.Table:
    """The rows of ``table`` in the order of ``ids``; UserError for an id it lacks."""
    places = pc.index_in(ids, value_set=table["id"])
    if places.null_count:
        raise UserError(
            f"{places.null_count} ids have no row in the other table: run `dvc repro` to bring both in step"
        )
    return table.take(places)
