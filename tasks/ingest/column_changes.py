"""Columns that are new, missing or of another type in a later file of a source, or in the current window's source."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

import pyarrow as pa
import pyarrow.compute as pc

from tasks.ingest.parts import Part

Kind = Literal["new", "missing", "retyped"]
HELD = "columns_differ"


@dataclass(frozen=True)
class Change:
    """One column of a file that differs from those of the file that it is compared with."""

    kind: Kind
    column: str
    file: str
    first: str
    """The file that it is compared with."""
    types: tuple[str, str] | None = None
    """Of the first file and of this one, where they differ."""

    def __str__(self) -> str:
        if self.types:
            return f"column {self.column!r} is {self.types[0]} in {self.first} and {self.types[1]} in {self.file}"
        if self.kind == "new":
            return f"column {self.column!r} of {self.file} is not in {self.first}"
        return f"column {self.column!r} of {self.first} is not in {self.file}"


@dataclass(frozen=True)
class FileColumns:
    """The columns of a file, by its first records."""

    file: str
    types: Mapping[str, pa.DataType]
    always: frozenset[str]
    """Those that each of the records has: where records name their columns each, the ones without a gap."""
    sparse: bool

    @classmethod
    def of(cls, part: Part, besides: Collection[str] = ()) -> Self:
        """The columns of a part but those named ``besides``."""
        types = {column.name: column.type for column in part.table.schema if column.name not in besides}
        always = (name for name in types if not part.sparse or (part.records and not part.table[name].null_count))
        return cls(part.file, types, frozenset(always), part.sparse)


@dataclass
class ColumnChanges:
    """The columns of the source's files, each compared with those of ``before``: the reference's first file where the
    current window has a source of its own, else the source's own first.

    Of one source, files whose records name their columns each are left out: there a column is as good as missing where
    it is null."""

    before: FileColumns | None = None
    besides: Collection[str] = ()
    """Columns that are not compared."""
    by_file: dict[str, list[Change]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._across = self.before is not None

    def of(self, part: Part) -> list[Change]:
        """What changed in the part's file, by its first part."""
        if part.sparse and not self._across:
            return []
        if part.file not in self.by_file:
            found = FileColumns.of(part, self.besides)
            self.before = self.before or found
            self.by_file[part.file] = list(_changes(self.before, found))
        return self.by_file[part.file]


def _changes(before: FileColumns, after: FileColumns) -> Iterable[Change]:
    for name, kind in before.types.items():
        if name not in after.types:
            if name in before.always:
                yield Change("missing", name, after.file, before.file)
        elif after.types[name] != kind and not (before.sparse or after.sparse):
            yield Change("retyped", name, after.file, before.file, (str(kind), str(after.types[name])))
    for name in after.types:
        if name not in before.types and name in after.always:
            yield Change("new", name, after.file, before.file)


def held(rows: pa.Table) -> pa.Table:
    """The rows of a file whose columns changed, with that as their problem where they have no other."""
    place = rows.column_names.index("problem")
    return rows.set_column(place, rows.schema.field("problem"), pc.fill_null(rows["problem"], HELD))


def with_one_type(tables: list[pa.Table]) -> list[pa.Table]:
    """The tables, each further column of one type: numbers of several types as floats, anything else as text."""
    kinds: dict[str, set[pa.DataType]] = {}
    for table in tables:
        for column in table.schema:
            if not pa.types.is_null(column.type):
                kinds.setdefault(column.name, set()).add(column.type)
    several = {name: types for name, types in kinds.items() if len(types) > 1}
    for name, types in several.items():
        tables = _as_numbers(tables, name, types) or [_replaced(table, name, _text) for table in tables]
    return tables


def _as_numbers(tables: list[pa.Table], name: str, types: Iterable[pa.DataType]) -> list[pa.Table] | None:
    """None where the types are not all of numbers, or a number would lose digits."""
    if not all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in types):
        return None
    try:
        return [_replaced(table, name, lambda column: column.cast(pa.float64())) for table in tables]
    except pa.ArrowInvalid:
        return None


def _replaced(table: pa.Table, name: str, change: Callable[[pa.ChunkedArray], pa.ChunkedArray]) -> pa.Table:
    if name not in table.column_names:
        return table
    return table.set_column(table.column_names.index(name), name, change(table[name]))


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        written = [None if v is None else json.dumps(v, ensure_ascii=False, default=str) for v in column.to_pylist()]
        return pa.chunked_array([pa.array(written, pa.string())])
