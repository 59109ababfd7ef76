"""Records of a jsonl file: one JSON object on each line.

Strings are taken as they are; any other value is kept as the JSON that writes it, so that what one record holds never
decides the type of another's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.ingest.part import Part, valid

BOM = b"\xef\xbb\xbf"


def read(path: Path) -> Part:
    """The file's records, all columns text; a line that is not a JSON object is unparseable."""
    raw = list(_lines(path))
    objects = [_object(line) for line in raw]
    columns, undecodable, not_strings = {}, {}, {}
    for name in dict.fromkeys(key for found in objects if found for key in found):
        values = [found.get(name) if found else None for found in objects]
        texts = [value if value is None or isinstance(value, str) else _json(value) for value in values]
        not_strings[name] = frozenset(i for i, v in enumerate(values) if v is not None and not isinstance(v, str))
        undecodable[name] = frozenset(i for i, text in enumerate(texts) if text is not None and not valid(text))
        columns[name] = pa.array([None if i in undecodable[name] else t for i, t in enumerate(texts)], pa.string())
    return Part(
        file=path.as_posix(),
        table=pa.table(columns),
        records=len(raw),
        record=raw.__getitem__,
        unparseable=frozenset(i for i, found in enumerate(objects) if found is None),
        undecodable=undecodable,
        not_strings=not_strings,
        sparse=True,
    )


def _lines(path: Path) -> Iterator[bytes]:
    """Lines that are not blank, without their ends; only a line feed ends one."""
    with path.open("rb") as file:
        for number, line in enumerate(file):
            record = (line.removeprefix(BOM) if number == 0 else line).rstrip(b"\r\n")
            if record.strip():
                yield record


def _object(line: bytes) -> dict[str, Any] | None:
    """The object; bytes that are not UTF-8 are lone surrogates in it."""
    try:
        found = json.loads(line.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and all(map(valid, found)) else None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
