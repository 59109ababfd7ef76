"""Which split each row belongs to: its own where it has no earlier near-duplicate, else theirs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any

import pyarrow as pa

from tasks.core.errors import UserError
from tasks.dataset.labels import SINGLE, LabelFormat
from tasks.split import NAMES, Name, Params
from tasks.split.balance import Balance


def own_splits(rows: pa.Table, params: Params, seed: int, cells: LabelFormat = SINGLE) -> list[Name] | Balance:
    """The split each row would have by itself, or what places the rows one after the other.

    With ``stratify`` a row of several labels goes where they are furthest below in sum (as Sechidis et al. 2011, but in
    order of arrival), and rows without any label are balanced as if that were one.
    """
    if params.by == "given":
        return _given(rows, params)
    if params.by == "time":
        return _by_time(rows, params)
    if params.group or params.stratify:
        labels = [cells.labels(cell) or (None,) for cell in rows["label"].to_pylist()] if params.stratify else None
        return Balance(params.shares(), labels, empty_first=params.group is not None)
    return [_by_share(_uniform(f"{seed}\0{key}"), params) for chunk in rows["id"].chunks for key in chunk.to_pylist()]


def assign(
    own: Sequence[Name] | Balance,
    earlier: Iterable[tuple[int, Sequence[int]]],
    count: int,
    groups: Sequence[object] | None = None,
    firsts: Sequence[object] | None = None,
    *,
    joins: bool = True,
) -> list[Name | None]:
    """The split of every one of ``count`` rows, in order; None for one that would join two splits.

    ``earlier`` names the earlier near-duplicates of the rows that have any, in order, ``groups`` the declared group of
    each row (None: none), ``firsts`` the first text of each pair, which counts as another group.
    With ``joins`` a row joins the split of its near-duplicates and group. Without, its own split is fixed (a date, a
    given split), and it is left out when theirs is another.
    """
    balance = own if isinstance(own, Balance) else None
    assigned: list[Name | None] = [None] * count if isinstance(own, Balance) else list(own)
    group_splits: dict[object, Name] = {}
    ways = [names for names in (groups, firsts) if names]
    for row, linked_rows in _every_row(earlier, count) if ways or balance else earlier:
        mine = [(way, names[row]) for way, names in enumerate(ways) if names[row] is not None]
        linked = {assigned[before] for before in linked_rows} | {group_splits.get(group) for group in mine}
        if not joins:
            linked.add(assigned[row])
        splits = [split for split in linked if split]
        if len(splits) > 1:
            assigned[row] = None
        elif splits:
            assigned[row] = splits[0]
        elif balance:
            assigned[row] = balance.furthest_below(row)
        if split := assigned[row]:
            if balance:
                balance.add(row, split)
            for group in mine:
                group_splits.setdefault(group, split)
    return assigned


def _every_row(earlier: Iterable[tuple[int, Sequence[int]]], count: int) -> Iterator[tuple[int, Sequence[int]]]:
    """Each row, and its earlier near-duplicates."""
    found = iter(earlier)
    row, before = next(found, (count, ()))
    for one in range(count):
        yield one, before if one == row else ()
        if one == row:
            row, before = next(found, (count, ()))


def _uniform(key: str) -> float:
    return int.from_bytes(sha256(key.encode()).digest()[:8], "big") / 2**64


def _by_share(point: float, params: Params) -> Name:
    """The split of a point in [0, 1)."""
    if point < 1 - params.validation - params.test:
        return "train"
    return "validation" if point < 1 - params.test else "test"


def _by_time(rows: pa.Table, params: Params) -> list[Name]:
    if rows["timestamp"].null_count:
        raise UserError("split.by is time, but the reference rows have no time: name ingest.columns.timestamp")
    assert params.validation_from and params.test_from  # Params refuses anything else
    validation, test = params.validation_from, params.test_from
    return [
        "train" if time < validation else "validation" if time < test else "test"
        for time in rows["timestamp"].to_pylist()
    ]


def _given(rows: pa.Table, params: Params) -> list[Name]:
    column = column_of(rows, params.given or "", "given")
    unknown = sorted(set(column) - set(NAMES), key=str)
    if unknown:
        at = column.index(unknown[0])
        raise UserError(
            f"split.given: column {params.given!r} holds {', '.join(map(repr, unknown[:5]))} "
            f"({rows['source_file'][at]}, row {rows['source_row'][at]}); it takes {', '.join(NAMES)} only"
        )
    return column


def column_of(rows: pa.Table, name: str, key: str) -> list[Any]:
    """A column that ``params.yaml`` names, as a list; a missing one is refused."""
    if name not in rows.column_names:
        raise UserError(
            f"split.{key}: no column {name!r} in data/reference; it has {', '.join(map(repr, rows.column_names))}"
        )
    values: list[Any] = rows[name].to_pylist()
    return values
