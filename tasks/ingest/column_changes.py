"""Columns that are new, missing or of another type in a later file of a source."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from tasks.ingest.parts import Part

Kind = Literal["new", "missing", "retyped"]
HELD = "columns_differ"


@dataclass(frozen=True)
class Change:
    """One column of a file that differs from the first file's."""

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


@dataclass
class ColumnChanges:
    """The columns of the source's files, each compared with the first.

    Files whose records name their columns each are left out: there a column is as good as missing where it is null."""

    first: str = ""
    schema: pa.Schema = field(default_factory=lambda: pa.schema([]))
    by_file: dict[str, list[Change]] = field(default_factory=dict)

    def of(self, part: Part) -> list[Change]:
        """What changed in the part's file."""
        if part.sparse:
            return []
        if part.file not in self.by_file:
            if not self.first:
                self.first, self.schema = part.file, part.table.schema
            self.by_file[part.file] = list(_changes(self.first, self.schema, part.file, part.table.schema))
        return self.by_file[part.file]


def _changes(first: str, before: pa.Schema, file: str, after: pa.Schema) -> Iterable[Change]:
    for name in before.names:
        if name not in after.names:
            yield Change("missing", name, file, first)
        elif after.field(name).type != before.field(name).type:
            kinds = (str(before.field(name).type), str(after.field(name).type))
            yield Change("retyped", name, file, first, kinds)
    for name in after.names:
        if name not in before.names:
            yield Change("new", name, file, first)


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
