"""Land rows: each row of a source that has not landed yet is added, rows that have landed are skipped.

Rows are compared as multisets of hashes of their values, so two equal rows upstream are two rows here, whatever the
order they arrive in and wherever an earlier landing was killed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from tasks.core.errors import UserError
from tasks.land.parts import Parts

MAX_PART_ROWS = 100_000
MAX_PART_BYTES = 64 * 2**20


def row_hashes(table: pa.Table) -> Iterator[bytes]:
    """A 128-bit hash of each row's values; columns in the table's order."""
    columns = [column.to_pylist() for column in table.columns]
    for row in zip(*columns, strict=True):
        yield hashlib.blake2b(repr(row).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def landed_schema(parts: Parts) -> pa.Schema | None:
    """The columns of the first part, which all later ones keep; None when there is no part yet."""
    for file in parts.data:
        if file.suffix != ".parquet":
            raise UserError(
                f"{parts.folder} holds {file.suffix} files of another source: land this one under a new name"
            )
    return pq.read_schema(parts.data[0]) if parts.data else None


def landed_rows(parts: Parts) -> Counter[bytes]:
    """How often each row has landed. About 150 bytes of memory for each."""
    return Counter(one for file in parts.data for one in row_hashes(pq.read_table(file)))


@dataclass(frozen=True)
class CursorPosition:
    """How far a cursor column has landed."""

    last: Any
    """The greatest value landed."""
    below: int
    """How many rows landed with a smaller one."""
    at: Counter[bytes]
    """The rows landed with exactly that one."""


def landed_position(parts: Parts, cursor: str) -> CursorPosition | None:
    """The position of the cursor, from the parts; None before the first landing."""
    values = [(file, pq.read_table(file, columns=[cursor])[cursor]) for file in parts.data]
    if not values:
        return None
    last = max((top for _, column in values if (top := pc.max(column).as_py()) is not None), default=None)
    if last is None:
        return None
    at: Counter[bytes] = Counter()
    for file in (file for file, column in values if pc.max(column).as_py() == last):
        table = pq.read_table(file)
        at.update(row_hashes(table.filter(pc.equal(table[cursor], pa.scalar(last, table[cursor].type)))))
    return CursorPosition(last, sum(len(column) - column.null_count for _, column in values) - at.total(), at)


def require_same_columns(found: list[str], landed: pa.Schema, where: str) -> None:
    """UserError: a source has other columns than those that landed before."""
    if missing := [name for name in landed.names if name not in found]:
        raise UserError(f"{where}: landed before with the column {', '.join(missing)}, which is gone: select it again")
    if new := [name for name in found if name not in landed.names]:
        raise UserError(
            f"{where}: new column {', '.join(new)}: name in the query only the columns landed until now "
            f"({', '.join(landed.names)}), or land under a new name"
        )


def land_rows(parts: Parts, batches: Iterable[pa.Table], known: Counter[bytes], total: int | None = None) -> None:
    """Add the rows that are not in ``known``, in order, and remove the others from it.

    What is left in ``known`` afterwards has landed before and is not among the batches. A part is complete as soon as
    it is there, so the next landing continues one that is killed.
    """
    pending: list[pa.Table] = []
    with tqdm(total=total, desc=parts.folder.name, unit=" rows", unit_scale=True, delay=1, disable=None) as bar:
        for batch in batches:
            parts.limits.spend_rows(len(batch))
            parts.limits.spend_bytes(batch.nbytes)
            pending.append(new_rows(batch, known))
            bar.update(len(batch))
            if sum(map(len, pending)) >= MAX_PART_ROWS or sum(table.nbytes for table in pending) >= MAX_PART_BYTES:
                _flush(parts, pending)
        _flush(parts, pending)


def _flush(parts: Parts, pending: list[pa.Table]) -> None:
    if any(map(len, pending)):
        parts.add_rows(pa.concat_tables(pending))
    pending.clear()


def new_rows(batch: pa.Table, known: Counter[bytes]) -> pa.Table:
    """The rows whose hashes are not in ``known``, from which each match is removed."""
    fresh = []
    for number, one in enumerate(row_hashes(batch)):
        if known[one] > 0:
            known[one] -= 1
        else:
            fresh.append(number)
    return batch.take(pa.array(fresh, pa.int64()))


def missing_rows_note(known: Counter[bytes]) -> list[str]:
    """A note on rows that landed before and were not found again."""
    if not (number := known.total()):
        return []
    return [
        f"{number:,} rows landed earlier are no longer upstream: deleted, or changed there "
        "(a changed row has landed as a new row; the old one stays)"
    ]
