"""Tables in and out: the same bytes for the same rows.

A table of any size is read by ``unpacked`` and walked by ``batches``: its values stand in a file without a name that
the system reads as they are needed and whose memory it can have back.
"""

from __future__ import annotations

import errno
import mmap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, cast
from weakref import WeakSet

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.core.errors import UserError
from tasks.core.files import reading, replacing
from tasks.core.paths import DATA

BATCH = 1 << 15
"""Rows in memory at once; no output depends on it."""
GROUP = 1 << 16
"""Rows of a row group of parquet."""
_mapped: WeakSet[mmap.mmap] = WeakSet()


def write_table(table: pa.Table, path: Path) -> None:
    """Parquet whose bytes depend on the rows and the schema only, not on chunking or on pandas' metadata."""
    with writing_table(path, table.schema) as write:
        write(table)


@contextmanager
def writing_table(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """A function that appends rows; the table takes its place at ``path`` when the block ends well."""
    schema = schema.remove_metadata()
    waiting = [schema.empty_table()]
    with replacing(path) as part, pq.ParquetWriter(part, schema, compression="zstd", write_page_checksum=True) as file:

        def write(rows: pa.Table) -> None:
            waiting.append(rows.replace_schema_metadata(None))
            while sum(map(len, waiting)) > GROUP:
                held = pa.concat_tables(waiting)
                file.write_table(held.slice(0, GROUP).combine_chunks())
                waiting[:] = [held.slice(GROUP)]
                give_back()

        yield write
        give_back()
        last = [rows for rows in waiting if len(rows)] or waiting[:1]  # beside one without rows, all would be copied
        file.write_table(pa.concat_tables(last).combine_chunks())


def scratch() -> BinaryIO:
    """A file without a name on the disk of the tables; it is gone when it is closed or the process ends."""
    return cast(BinaryIO, TemporaryFile(dir=DATA if DATA.is_dir() else None))


def on_disk(tables: Iterable[pa.Table]) -> list[pa.Table]:
    """The tables with their values in one file, which is gone with the last of them."""
    starts = []
    with scratch() as file:
        for table in tables:
            file.write(bytes(-file.tell() % 64))  # Arrow reads from places that are a multiple of 64
            starts.append(file.tell())
            with pa.ipc.new_stream(file, table.schema) as out:
                out.write_table(table)
        if not starts:
            return []
        file.flush()
        mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    may_be_given_back(mapped)
    whole = pa.py_buffer(mapped)
    return [pa.ipc.open_stream(whole.slice(start)).read_all() for start in starts]


def unpacked(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A table an earlier stage wrote, its values in a file: for one that may not fit into memory."""
    with reading(path, "a table", pa.ArrowException):
        _refuse_folder(path)
        found = pa.concat_tables(on_disk(parts_of(path, columns)))
    give_back()
    return found


def parts_of(path: Path, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """A file of parquet in pieces of ``BATCH`` rows, the first of them empty; it raises what pyarrow does."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        parts = map(pa.Table.from_batches, zip(file.iter_batches(BATCH, columns=columns)))
        for part in chain([file.schema_arrow.empty_table()], parts):
            yield part if columns is None else part.select(columns)


def batches(rows: Any) -> Iterator[Any]:
    """The rows of a table, a column or an array in pieces of ``BATCH``, at least one; the memory of what was read of
    files is given back after each."""
    for start in range(0, max(len(rows), 1), BATCH):
        yield rows[start : start + BATCH]
        give_back()


def may_be_given_back(mapped: mmap.mmap) -> None:
    """Nothing is written to this map of a file, so that its memory can be taken at any time."""
    _mapped.add(mapped)


def give_back() -> None:
    """The memory of what was read of files."""
    for mapped in _mapped:
        mapped.madvise(mmap.MADV_DONTNEED)
    pa.default_memory_pool().release_unused()


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A table an earlier stage wrote."""
    with reading(path, "a table", pa.ArrowException):
        _refuse_folder(path)
        table = pq.read_table(path, columns=columns, page_checksum_verification=True)
        if missing := [name for name in columns or () if name not in table.column_names]:
            raise ValueError(f"it has no column {missing[0]!r}")
    return table


def _refuse_folder(path: Path) -> None:
    if path.is_dir():  # whose files would be read
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))


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
