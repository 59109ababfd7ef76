"""Ids of rows: unique, and the same however the source grows."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.rows import modality

DIGITS = 32
"""Hexadecimal digits of the sha256 that are used: 128 bits."""
DUPLICATE = "id_duplicate"


def fill_ids(rows: pa.Table) -> pa.Table:
    """Give each row an id of its own.

    A row without an id gets a hash of its values and the number of equal rows before it: equal rows have the same time,
    so they are in one window, and the number is that of the whole source. A row whose id occurs before gets that id
    with a number, and the problem ``id_duplicate`` unless it has another.
    """
    columns = [modality(rows.column_names), "label", "timestamp", "source_bytes"]
    nameless = rows.filter(pc.is_null(rows["id"])).select(columns)
    made = _generated_ids(nameless)
    keys = rows["id"].combine_chunks()
    keys = pc.replace_with_mask(keys, pc.is_null(keys), pa.array(made, pa.string())) if made else keys
    renamed = _renamed_duplicates(keys)
    if renamed:
        names, problems = keys.to_pylist(), rows["problem"].to_pylist()
        for place, name in renamed.items():
            names[place] = name
            problems[place] = problems[place] or DUPLICATE
        keys = pa.array(names, pa.string())
        rows = rows.set_column(rows.column_names.index("problem"), "problem", pa.array(problems, pa.string()))
    return rows.set_column(0, rows.schema.field("id"), keys)


def _generated_ids(rows: pa.Table) -> list[str]:
    counts: Counter[str] = Counter()
    names = []
    for batch in rows.to_batches():
        for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            digest = _digest(*values)
            names.append(f"{digest}-{counts[digest]}")
            counts[digest] += 1
    return names


def _digest(what: str | bytes | None, label: str | None, moment: datetime | None, source: bytes | None) -> str:
    if isinstance(what, bytes):
        what = sha256(what).hexdigest()
    values = [what, label, moment.isoformat() if moment else None, *([source.hex()] if source else [])]
    return sha256(json.dumps(values).encode()).hexdigest()[:DIGITS]


def _renamed_duplicates(keys: pa.Array) -> dict[int, str]:
    """A new id for each position whose id occurs at an earlier one."""
    counts = pc.value_counts(keys)
    twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    if not len(twice):
        return {}
    taken, turn, renamed = set(keys.to_pylist()), Counter[str](), {}
    for place in pc.indices_nonzero(pc.is_in(keys, value_set=twice)).to_pylist():
        name = keys[place].as_py()
        turn[name] += 1
        while turn[name] > 1 and (new := f"{name}#{turn[name]}") in taken:
            turn[name] += 1
        if turn[name] > 1:
            taken.add(new)
            renamed[place] = new
    return renamed
