"""Records of a jsonl file: one JSON object on each line.

Strings are taken as they are; any other value is kept as the JSON that wrote it, so that what one record holds never
decides the type of another's, and no digit is lost. An object that names a key twice is unparseable.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from tasks.ingest import json_array
from tasks.ingest.decoding import Opening, Text, open_text
from tasks.ingest.encodings import checks_encoding
from tasks.ingest.json_records import BLANK, Record, decode, part_of, refuse_odd
from tasks.ingest.parts import Part, batches

HEAD = 1 << 16  # characters by which an array is known


@checks_encoding
def read_jsonl_parts(path: Path, opening: Opening) -> Iterator[Part]:
    """The file's records, all columns text; a line that is not a JSON object is unparseable.

    A file that is a JSON array is read as one.
    """
    with open_text(path, opening, newline="\n") as file:
        start = file.lines.read(HEAD)
        if json_array.begins(start):
            yield from json_array.read_array_parts(path, file, start, opening)
        else:
            yield from read_line_parts(path, file, start + file.lines.readline(), opening)


def read_line_parts(path: Path, file: Text, start: str, opening: Opening) -> Iterator[Part]:
    """The records of an opened file of which ``start``, whole lines, has been read."""
    lines = chain(io.StringIO(start, newline="\n"), file.lines)
    first = 0
    for batch in batches((line for line in lines if line.strip(BLANK)), len):
        yield part_of([Record(_object(line), line.rstrip("\r\n")) for line in batch], path, first, file, opening)
        first += len(batch)


def _object(line: str) -> dict[str, Any] | None:
    """The object that a line holds; None where it holds none, names a key twice, or is nested too deep."""
    try:
        return refuse_odd(decode(line))
    except (ValueError, RecursionError):
        return None
