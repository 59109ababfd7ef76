"""JSON objects as records.

Strings are taken as they are; any other value is kept as the JSON that wrote it, so that what one record holds never
decides the type of another's, and no digit is lost. An object that names a key twice is unparseable.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from tasks.core.errors import UserError
from tasks.ingest.decoding import Opening, Text, is_valid
from tasks.ingest.parts import Part, refuse_many_columns, strings

BLANK = " \t\r\n"
MAX_SHOWN = 60  # characters of a record


class Record(NamedTuple):
    """An object, and what stands in the file for it; None where that is no object that can be taken apart."""

    found: dict[str, Any] | None
    written: str


class Number(str):
    """A number as it was written."""

    __slots__ = ()


class _Twice(dict[str, Any]):
    """An object that names a key twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Twice(found)


NESTED = frozenset((dict, list, _Twice))
PLAIN = frozenset((str, type(None)))
decoder = json.JSONDecoder(object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=Number)
decode = decoder.decode


def refuse_odd(found: Any) -> dict[str, Any]:
    """The value if it is an object that can be taken apart. ValueError, RecursionError: it is none."""
    if type(found) is not dict:
        raise ValueError("no object, or one that names a key twice")
    if not NESTED.isdisjoint(map(type, found.values())):
        for value in found.values():
            if type(value) in NESTED:
                written(value)  # what is nested too deep for that is not taken apart later
    return found


def object_or_none(found: Any) -> dict[str, Any] | None:
    """The value if it is an object that can be taken apart."""
    try:
        return refuse_odd(found)
    except (ValueError, RecursionError):
        return None


def written(value: Any) -> str:
    """The JSON of a value. ValueError: an object in it names a key twice."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, _Twice):
        raise ValueError("a key is named twice")
    if isinstance(value, dict):
        return "{" + ", ".join([f"{written(key)}: {written(one)}" for key, one in value.items()]) + "}"
    if isinstance(value, list):
        return "[" + ", ".join([written(one) for one in value]) + "]"
    return json.dumps(value, ensure_ascii=False)


def refuse_no_objects(first: Part, used: Collection[str]) -> None:
    """UserError where no record of such files is an object with a key; ``first`` is a part that has records."""
    if not used:
        start = first.record(0).decode(errors="replace")
        cut = f"{start[:MAX_SHOWN]}…" if len(start) > MAX_SHOWN else start
        raise UserError(
            f"{first.file}: no record is a JSON object with keys, such as row {first.first}, {cut!r}: write each "
            'record as {"column": value}, one a line'
        )


def part_of(batch: Sequence[Record], path: Path, first: int, file: Text, opening: Opening) -> Part:
    """The records as a part: a column for each key, and for each dotted name that plays a part (``data.text``)."""
    objects = [record.found for record in batch]
    names = _names(objects)
    if odd := {name for name in names if not is_valid(name)}:
        objects = [None if found and odd & found.keys() else found for found in objects]
        names = _names(objects)
    refuse_many_columns(len(names), path)
    values = {name: [found.get(name) if found else None for found in objects] for name in names}
    values |= _nested(objects, [name for name in opening.names if "." in name and name not in values])
    columns, undecodable, not_strings = [], {}, {}
    for name, found in values.items():
        if not PLAIN.issuperset(map(type, found)):
            others = {i: written(v) for i, v in enumerate(found) if type(v) not in PLAIN}
            not_strings[name] = frozenset(others)
            found = [others.get(i, value) for i, value in enumerate(found)]
        column, bad = strings(found)
        columns.append(column)
        if bad:
            undecodable[name] = bad
    return Part(
        file=path.as_posix(),
        table=pa.table(columns, names=list(values)),
        records=len(batch),
        record=lambda i: file.as_bytes(batch[i].written),
        first=first,
        unparseable=frozenset(i for i, found in enumerate(objects) if found is None),
        undecodable=undecodable,
        not_strings=not_strings,
        sparse=True,
    )


def _names(objects: Sequence[dict[str, Any] | None]) -> list[str]:
    return list(dict.fromkeys(chain.from_iterable(found for found in objects if found)))


def _nested(objects: Sequence[dict[str, Any] | None], names: Sequence[str]) -> dict[str, list[Any]]:
    """By dotted name, the value that each object holds there; names that no object has are left out."""
    found = {name: [_walk(one, name.split(".")) for one in objects] for name in names}
    return {name: values for name, values in found.items() if any(value is not None for value in values)}


def _walk(found: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        found = found.get(step) if isinstance(found, dict) else None
    return found
