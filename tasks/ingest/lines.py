"""Records of a jsonl file: one JSON object on each line.

Strings are taken as they are; any other value is kept as the JSON that wrote it, so that what one record holds never
decides the type of another's, and no digit is lost. An object that names a key twice is unparseable.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.ingest.decoding import Opening, Text, is_valid, open_text
from tasks.ingest.parts import Part, batches, refuse_many_columns, strings

BLANK = " \t\r\n"


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is named twice")
    return found


_decode = json.JSONDecoder(
    object_pairs_hook=_unique_keys, parse_float=_Number, parse_int=_Number, parse_constant=_Number
).decode


def read_jsonl_parts(path: Path, opening: Opening) -> Iterator[Part]:
    """The file's records, all columns text; a line that is not a JSON object is unparseable."""
    with open_text(path, opening, newline="\n") as file:
        first = 0
        for batch in batches((line for line in file.lines if line.strip(BLANK)), len):
            yield _part(path, batch, first, file)
            first += len(batch)


def _part(path: Path, batch: list[str], first: int, file: Text) -> Part:
    objects = list(map(_object, batch))
    names = list(dict.fromkeys(key for found in objects if found for key in found))
    refuse_many_columns(len(names), path)
    columns, undecodable, not_strings = [], {}, {}
    for name in names:
        values = [found.get(name) if found else None for found in objects]
        others = {i: _written(v) for i, v in enumerate(values) if v is not None and type(v) is not str}
        if others:
            not_strings[name] = frozenset(others)
            values = [others.get(i, value) for i, value in enumerate(values)]
        column, bad = strings(values)
        columns.append(column)
        if bad:
            undecodable[name] = bad
    return Part(
        file=path.as_posix(),
        table=pa.table(columns, names=names),
        records=len(batch),
        record=lambda i: file.as_bytes(batch[i].rstrip("\r\n")),
        first=first,
        unparseable=frozenset(i for i, found in enumerate(objects) if found is None),
        undecodable=undecodable,
        not_strings=not_strings,
        sparse=True,
    )


def _object(line: str) -> dict[str, Any] | None:
    """The object, its values strings, numbers as they were written, or anything that ``_written`` takes."""
    try:
        found = _decode(line)
        if not isinstance(found, dict) or not all(map(is_valid, found)):
            return None
        for value in found.values():
            if isinstance(value, dict | list):
                _written(value)  # what is nested too deep for that is not taken apart later
    except (ValueError, RecursionError):
        return None
    return found


def _written(value: Any) -> str:
    """The JSON of a value."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join([f"{_written(key)}: {_written(one)}" for key, one in value.items()]) + "}"
    if isinstance(value, list):
        return "[" + ", ".join([_written(one) for one in value]) + "]"
    return json.dumps(value, ensure_ascii=False)
