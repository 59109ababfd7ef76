"""Folders named ``key=value``, as Hive, Spark, DuckDB and pandas write them: columns of the files below them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.errors import UserError
from tasks.ingest.parts import Part

MISSING = "__HIVE_DEFAULT_PARTITION__"


def partitions(file: Path, source: Path) -> dict[str, str | None]:
    """The columns that the folders between the source and the file name. UserError: one is named twice."""
    found: dict[str, str | None] = {}
    for folder in file.relative_to(source).parts[:-1]:
        key, sign, value = folder.partition("=")
        if not sign or not key:
            continue
        if unquote(key) in found:
            raise UserError(f"{file}: two of its folders name the column {unquote(key)!r}: rename one")
        found[unquote(key)] = None if value == MISSING else unquote(value)
    return found


def with_partitions(part: Part, found: dict[str, str | None]) -> Part:
    """The part with a column for each. UserError: the file has the column too, with another value."""
    table = part.table
    for name, value in found.items():
        column = pa.repeat(pa.scalar(value, pa.string()), part.records)
        if name not in table.column_names:
            table = table.append_column(name, column)
        elif _differ(table[name], column):
            raise UserError(
                f"{part.file} has a column {name!r} that differs from its folder's name, {name}={value}: rename one"
            )
    return replace(part, table=table)


def _differ(own: pa.ChunkedArray, named: pa.Array) -> bool:
    try:
        texts = own.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return True
    same = pc.or_(pc.equal(texts, named), pc.and_(pc.is_null(texts), pc.is_null(named)))
    return not pc.all(pc.fill_null(same, False)).as_py() if len(own) else False
