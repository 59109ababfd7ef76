"""What ``ingest`` says of rows that share an id."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from tasks.ingest.repeated import CONFLICT, LANDED_AGAIN, SUPERSEDED

MAX_SHOWN = 3


def repeated_notes(rows: pa.Table, retired: Mapping[str, str] | None = None) -> list[str]:
    """A sentence for each kind of row that shares an id, with the first conflicts by id, file and row.

    ``retired``: the reason by part that was left out.
    """
    notes = [f"left out: {part} is retired: {why}" for part, why in (retired or {}).items()]
    if conflicts := _conflicts(rows):
        shown = "; ".join(f"{key!r} in {' and '.join(places)}" for key, places in list(conflicts.items())[:MAX_SHOWN])
        notes.append(f"ids with rows that differ: {len(conflicts)}, all quarantined ({CONFLICT}): {shown}")
    for problem, words in (
        (SUPERSEDED, "corrected by a part that landed later"),
        (LANDED_AGAIN, "landed again unchanged"),
    ):
        if count := pc.sum(pc.equal(rows["problem"], problem)).as_py():
            notes.append(f"rows {words}: {count} (quarantined: {problem})")
    return notes


def _conflicts(rows: pa.Table) -> dict[str, list[str]]:
    """Where the rows of each id are that differ; the first of them has the id, the others have it with a number."""
    found: dict[str, list[str]] = {}
    table = rows.select(["id", "source_file", "source_row"]).filter(pc.equal(rows["problem"], CONFLICT))
    for row in table.to_pylist():
        base = row["id"].rpartition("#")[0]
        key = base if base in found else row["id"]
        found.setdefault(key, []).append(f"{row['source_file']}, row {row['source_row']}")
    return found
