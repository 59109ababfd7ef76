"""Some records of one file of the source as they were read, before columns are given their parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from tasks.core.errors import UserError
from tasks.ingest.decoding import is_valid

UNPARSEABLE = "record_unparseable"
HEADER_REPEATED = "header_repeated"
Places = Mapping[str, frozenset[int]]
"""By column, the positions of rows."""
MAX_RECORDS = 20_000  # of one part
MAX_CHARACTERS = 1 << 24  # of one part, before its last record
MAX_COLUMNS = 1_000  # beyond that it is not a table of texts, but a mistake that costs rows x columns of memory
R = TypeVar("R")


@dataclass(frozen=True)
class Part:
    """A table with one row for each of these records, in order, and what did not fit into it."""

    file: str
    """Path in the repository."""
    table: pa.Table
    """The columns of the file; a value that could not be read is null."""
    records: int
    """How many there are."""
    record: Callable[[int], bytes]
    """The record at a position, as it stood."""
    first: int = 0
    """How many records of the file come before these."""
    unparseable: frozenset[int] = frozenset()
    """Records that could not be split into columns; all their values are null."""
    repeated: frozenset[int] = frozenset()
    """Records that are the header again; all their values are null."""
    undecodable: Places = field(default_factory=dict)
    """Values that are null because they are not text in the encoding of the file."""
    not_strings: Places = field(default_factory=dict)
    """Values that are the JSON of something else than a string."""
    problems: Mapping[int, str] = field(default_factory=dict)
    """Records that are held, and the code why."""
    left_out: Mapping[int, str] = field(default_factory=dict)
    """Records that are no rows, such as rejected answers, and the word by which they are counted."""
    sparse: bool = False
    """Whether a column is there only for the rows that use it."""


def strings(values: Sequence[str | None]) -> tuple[pa.Array, frozenset[int]]:
    """The values as a column, and the places of those that are null because they are no text."""
    try:
        return pa.array(values, pa.string()), frozenset()
    except UnicodeEncodeError:
        bad = frozenset(i for i, value in enumerate(values) if value is not None and not is_valid(value))
        return pa.array([None if i in bad else value for i, value in enumerate(values)], pa.string()), bad


def part_of_cells(
    path: Path,
    names: Sequence[str],
    rows: Sequence[Sequence[str | None] | None],
    record: Callable[[int], bytes],
    first: int,
    repeated: frozenset[int] = frozenset(),
    problems: Mapping[int, str] | None = None,
) -> Part:
    """Records whose cells are text, one for each name; None stands for one that could not be split into them."""
    blank: list[str | None] = [None] * len(names)
    whole = [blank if row is None or i in repeated else row for i, row in enumerate(rows)]
    columns = list(map(strings, zip(*whole, strict=True))) if whole else [strings([])] * len(names)
    return Part(
        file=path.as_posix(),
        table=pa.table([column for column, _ in columns], names=list(names)),
        records=len(rows),
        record=record,
        first=first,
        unparseable=frozenset(i for i, row in enumerate(rows) if row is None) - repeated,
        repeated=repeated,
        undecodable={name: bad for name, (_, bad) in zip(names, columns, strict=True) if bad},
        problems=problems or {},
    )


def batches(found: Iterator[R], size: Callable[[R], int]) -> Iterator[list[R]]:
    """Records in batches that fit into memory; ``size`` is the length of one."""
    while batch := list(islice(found, 1)):
        total = size(batch[0])
        while total < MAX_CHARACTERS and len(batch) < MAX_RECORDS and (more := next(found, None)) is not None:
            batch.append(more)
            total += size(more)
        yield batch


def refuse_many_columns(count: int, file: object) -> None:
    """Refuse what is not a table of texts."""
    if count > MAX_COLUMNS:
        raise UserError(f"{file} has more than {MAX_COLUMNS} columns: leave out those that are not needed")
