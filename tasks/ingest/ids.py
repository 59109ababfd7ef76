"""Names for rows: each row has one of its own, and keeps it however the source grows."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from tasks.errors import Refused

DIGITS = 32
"""Hexadecimal digits of the sha256 that are used: 128 bits."""


def complete(rows: pa.Table) -> pa.Table:
    """Give an id to each row without one: a hash of what it says, and how many such rows stand before it.

    Rows that say the same have the same time, so they meet in one window, and the count is that of the whole source.
    """
    ids = rows["id"].to_pylist()
    seen: Counter[str] = Counter()
    for place in [i for i, name in enumerate(ids) if name is None]:
        text, label, moment, source = (
            rows[name][place].as_py() for name in ("text", "label", "timestamp", "source_bytes")
        )
        digest = _digest(text, label, moment, source)
        ids[place] = f"{digest}-{seen[digest]}"
        seen[digest] += 1
    return rows.set_column(0, rows.schema.field("id"), pa.array(ids, pa.string()))


def _digest(text: str | None, label: str | None, moment: datetime | None, source: bytes | None) -> str:
    said = [text, label, moment.isoformat() if moment else None, *([source.hex()] if source else [])]
    return sha256(json.dumps(said).encode()).hexdigest()[:DIGITS]


def refuse_twins(rows: pa.Table, column: str | None) -> None:
    """Refuse rows that share an id, naming the first."""
    counts = pc.value_counts(rows["id"])
    twice = counts.filter(pc.greater(counts.field("counts"), 1))
    if not len(twice):
        return
    name = twice[0]["values"].as_py()
    places = rows.filter(pc.equal(rows["id"], name)).select(["source_file", "source_row"]).to_pylist()
    where = " and ".join(f"row {place['source_row']} of {place['source_file']}" for place in places[:2])
    raise Refused(
        f"column {column!r} does not tell rows apart: {len(twice)} ids occur more than once, first {name!r} in "
        f"{where}: name a unique column in ingest.columns.id, or leave it out"
    )
