"""Rows that a part which landed later corrects: what they were and what they are now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.rows import TEXT, TEXT_PAIR
from tasks.redaction import excerpt
from tasks.tables.delimited import write_delimited

SUPERSEDED, LANDED_AGAIN = "superseded", "landed_again"
UNCOUNTED = (SUPERSEDED, LANDED_AGAIN)
"""Rows that another row of the window stands for: they do not count against ``max_quarantined``."""
FILE = "corrections.csv"
PLACE = ("id", "source_file", "source_row", "problem")
COLUMNS = (TEXT, TEXT_PAIR, "image", "label", "timestamp")
MAX_EXCERPT = 120  # characters of a text
HEADER = ("id", "column", "old", "new", "old_row", "new_row")


def corrections(raw: pa.Table) -> pa.Table:
    """HEADER, one row for each value that a correction changed; ``new`` is empty where it is in another window."""
    raw = raw.select([name for name in (*PLACE, *COLUMNS) if name in raw.column_names])
    gone = raw.filter(pc.equal(raw["problem"], SUPERSEDED))
    keys = pa.array([key.rpartition("#")[0] or key for key in gone["id"].to_pylist()], pa.string())
    counting = raw.filter(pc.is_in(raw["id"], value_set=keys))
    now = dict(zip(counting["id"].to_pylist(), counting.to_pylist(), strict=True)) if len(gone) else {}
    pairs = zip(keys.to_pylist(), gone.to_pylist(), strict=True)
    found = [change for key, old in pairs for change in _changes(key, old, now.get(key))]
    return pa.table([pa.array([row[i] for row in found], pa.string()) for i in range(len(HEADER))], list(HEADER))


def _changes(key: str, old: dict[str, object], new: dict[str, object] | None) -> Iterator[tuple[str | None, ...]]:
    if new is None or new is old or new["problem"] == SUPERSEDED:
        yield key, "window", "this one", None, _place(old), None
        return
    for name in COLUMNS:
        if name in old and old[name] != new[name]:
            yield key, name, _shown(name, old[name]), _shown(name, new[name]), _place(old), _place(new)


def _shown(name: str, value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bytes):
        return f"an image of {len(value):,} bytes"
    return excerpt(str(value), MAX_EXCERPT) if name in (TEXT, TEXT_PAIR) else str(value)


def _place(row: dict[str, object]) -> str:
    return f"{row['source_file']}, row {row['source_row']}"


def write_corrections(raw: pa.Table, folder: Path) -> None:
    """Write FILE into the folder of Data Docs, where any row is superseded."""
    found = corrections(raw)
    if len(found):
        write_delimited(found, folder / FILE, guarded=True)
