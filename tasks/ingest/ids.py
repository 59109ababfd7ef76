"""Ids of rows: unique, and the same however the source grows."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.rows import inputs
from tasks.core.tables import batches
from tasks.ingest import repeated

DIGITS = 32
"""Hexadecimal digits of the sha256 that are used: 128 bits."""


def fill_ids(rows: pa.Table, later: Mapping[str, str] | None = None) -> pa.Table:
    """Give each row an id of its own.

    A row without an id gets a hash of its values and the number of equal rows before it: equal rows have the same time,
    so they are in one window, and the number is that of the whole source. Of rows that share an id one counts and keeps
    it (``repeated.py``); the others get that id with a number, and the problem that says why they do not count.
    ``later``: by id, the latest landed part that has a row of it in another window.
    """
    keys = rows["id"].combine_chunks()
    problems: dict[int, str] = {}
    if keys.null_count:
        made, again = _generated_ids(rows)
        nameless = pc.indices_nonzero(pc.is_null(keys))
        keys = pc.replace_with_mask(keys, pc.is_null(keys), made)
        problems = {nameless[place].as_py(): repeated.LANDED_AGAIN for place in again}
    groups = same_ids(keys, later or {})
    if not (groups or problems):
        return rows.set_column(0, rows.schema.field("id"), keys)
    verdict = repeated.judge(rows, groups, later or {})
    problems |= verdict.problems
    names = _renamed(keys.to_pylist(), groups, verdict.keeps_id)
    rows = rows.set_column(0, rows.schema.field("id"), pa.array(names, pa.string()))
    return _moved(_with_problems(rows, problems), verdict.moved)


OVERRIDDEN = (repeated.SUPERSEDED, repeated.LANDED_AGAIN)
"""Problems of a row that does not matter any more, whatever else is wrong with it."""


def _with_problems(rows: pa.Table, found: Mapping[int, str]) -> pa.Table:
    problems = rows["problem"].to_pylist()
    for place, problem in found.items():
        if problem in OVERRIDDEN or problems[place] is None:
            problems[place] = problem
    return rows.set_column(rows.column_names.index("problem"), "problem", pa.array(problems, pa.string()))


def _moved(rows: pa.Table, moved: Mapping[int, int]) -> pa.Table:
    """The rows, each one that counts in the place of the first that it replaces."""
    if not moved:
        return rows
    order = list(range(len(rows)))
    for counts, first in moved.items():
        order[counts], order[first] = order[first], order[counts]
    return rows.take(pa.array(order, pa.int64()))


def _generated_ids(rows: pa.Table) -> tuple[pa.Array, list[int]]:
    """An id for each row without one, and the positions among these of those that an earlier part of their landing has
    too."""
    columns = [*inputs(rows.column_names), "label", "timestamp", "source_bytes"]
    hashed = []
    for batch in batches(rows.select(["id", *columns])):
        values = batch.filter(pc.is_null(batch["id"])).select(columns)
        digests = (
            _digest(row[:-3], *row[-3:]) for row in zip(*(column.to_pylist() for column in values.columns), strict=True)
        )
        hashed.append(pa.array(digests, pa.string()))
    digests, files = pa.concat_arrays(hashed), rows["source_file"].filter(pc.is_null(rows["id"]))
    numbers, again = np.zeros(len(digests), np.int64), []
    for group in same_ids(digests).values():
        numbers[group] = range(len(group))
        first = files[group[0]].as_py()
        names = ((place, files[place].as_py()) for place in group[1:])
        again += [place for place, file in names if file != first and _one_landing(first, file)]
    return pc.binary_join_element_wise(digests, pa.array(numbers).cast(pa.string()), "-"), again


def _one_landing(one: str, other: str) -> bool:
    landing = repeated.landing_of(one)
    return landing is not None and landing == repeated.landing_of(other)


def _digest(
    what: Sequence[str | bytes | None], label: str | None, moment: datetime | None, source: bytes | None
) -> str:
    """``what``: the text, both of a pair, or the image."""
    named = [sha256(one).hexdigest() if isinstance(one, bytes) else one for one in what]
    values = [*named, label, moment.isoformat() if moment else None, *([source.hex()] if source else [])]
    return sha256(json.dumps(values).encode()).hexdigest()[:DIGITS]


def same_ids(keys: pa.Array, later: Collection[str] = ()) -> dict[str, list[int]]:
    """The positions of each id that is there twice, or in a later part."""
    counts = pc.value_counts(keys)
    twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    if later:
        twice = pa.concat_arrays([twice, pa.array(list(later), pa.string())])
    groups: dict[str, list[int]] = {}
    for place in pc.indices_nonzero(pc.is_in(keys, value_set=twice)).to_pylist() if len(twice) else ():
        groups.setdefault(keys[place].as_py(), []).append(place)
    return groups


def _renamed(names: list[str], groups: Mapping[str, list[int]], keeps_id: Collection[int]) -> list[str]:
    """The ids, with a number for each row of a group that does not keep its own."""
    taken = set(names)
    for name, group in groups.items():
        turn = 1
        for place in group:
            if place not in keeps_id:
                turn += 1
                while (new := f"{name}#{turn}") in taken:
                    turn += 1
                taken.add(new)
                names[place] = new
    return names
