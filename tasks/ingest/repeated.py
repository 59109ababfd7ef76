"""Rows that share an id: which one counts, and why the others do not.

- In a landing the row of the latest part counts, and takes the place of the first, so that a correction moves no row.
  What it replaces is ``superseded``. A row that lands again unchanged is ``landed_again``, and the earlier one counts.
- Elsewhere rows with one id and another text, label or time are all ``id_conflict``: nobody knows which is right. Of
  equal rows the first counts, and the others are ``id_duplicate``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import groupby
from pathlib import PurePosixPath

import pyarrow as pa

from tasks.core.rows import inputs
from tasks.dataset.layout import LANDING

DUPLICATE, CONFLICT, SUPERSEDED, LANDED_AGAIN = "id_duplicate", "id_conflict", "superseded", "landed_again"
_PART = re.compile(r"\d{6,}-[0-9a-f]{16}\.")
PLACE = ("id", "source_file", "source_row", "problem")


@dataclass
class Verdict:
    """What becomes of the rows that share an id, by their positions."""

    problems: dict[int, str] = field(default_factory=dict)
    """Of each row that does not count."""
    keeps_id: set[int] = field(default_factory=set)
    """The one row of each id that keeps it."""
    superseded_by: dict[int, int] = field(default_factory=dict)
    """The row that counts, by the row it replaces."""
    moved: dict[int, int] = field(default_factory=dict)
    """A row that counts and the earlier one whose place it takes."""


def landing_of(file: str) -> str | None:
    """The landing that a file is a part of; None of any other file. Parts of one landing sort by arrival."""
    path = PurePosixPath(file)
    inside = path.parent.parent == PurePosixPath(LANDING) and _PART.match(path.name)
    return path.parent.name if inside else None


def judge(rows: pa.Table, groups: Mapping[str, Sequence[int]], later: Mapping[str, str]) -> Verdict:
    """Judge rows by the ``groups`` of positions that share an id, in the order of the source.

    ``later``: by id, the latest part that has a row of it outside these rows (in another window).
    """
    verdict = Verdict()
    files = rows["source_file"]
    places = [place for group in groups.values() for place in group]
    whole = _contents(rows, places, [name for name in rows.column_names if name not in PLACE])
    roles = _contents(rows, places, [*inputs(rows.column_names), "label", "timestamp", "source_bytes"])
    for key, group in groups.items():
        names = [files[place].as_py() for place in group]
        landings = {landing_of(name) for name in names}
        if len(landings) == 1 and None not in landings:
            _judge_landed(group, names, whole, verdict, later.get(key, ""))
        else:
            _judge_equals(group, roles, verdict)
    return verdict


def _contents(rows: pa.Table, places: Sequence[int], names: list[str]) -> dict[int, bytes]:
    """A hash of the row's values, by position."""
    batches = rows.select(names).take(pa.array(places, pa.int64())).to_batches(max_chunksize=10_000)
    return dict(zip(places, (one for batch in batches for one in _hashes(batch)), strict=True))


def _hashes(batch: pa.RecordBatch) -> Iterator[bytes]:
    for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
        yield blake2b(repr(values).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _judge_equals(group: Sequence[int], contents: Mapping[int, bytes], verdict: Verdict) -> None:
    """Rows of which none is later than the others."""
    verdict.keeps_id.add(group[0])
    if len({contents[place] for place in group}) == 1:
        verdict.problems.update(dict.fromkeys(group[1:], DUPLICATE))
        return
    seen: set[bytes] = set()
    for place in group:
        verdict.problems[place] = DUPLICATE if contents[place] in seen else CONFLICT
        seen.add(contents[place])


def _judge_landed(
    group: Sequence[int], files: Sequence[str], contents: Mapping[int, bytes], verdict: Verdict, later: str
) -> None:
    """Rows of one landing: the latest part decides."""
    parts = [
        [place for place, _ in part] for _, part in groupby(zip(group, files, strict=True), key=lambda row: row[1])
    ]
    if later > files[-1]:
        verdict.keeps_id.add(group[0])
        verdict.problems.update(dict.fromkeys(group, SUPERSEDED))
        return
    if len({contents[place] for place in parts[-1]}) > 1:
        _judge_equals(parts[-1], contents, verdict)
        verdict.problems.update({place: SUPERSEDED for part in parts[:-1] for place in part})
        return
    latest = contents[parts[-1][0]]
    number = len(parts) - 1
    while number and {contents[place] for place in parts[number - 1]} == {latest}:
        number -= 1
    counts = parts[number][0]
    for part in parts:
        for place in part:
            if place > counts:
                verdict.problems[place] = DUPLICATE if place in parts[number] else LANDED_AGAIN
            elif place < counts:
                verdict.problems[place] = SUPERSEDED
                verdict.superseded_by[place] = counts
    verdict.keeps_id.add(counts)
    if counts != group[0]:
        verdict.moved[counts] = group[0]
