"""Records of a file that is one JSON array, read some at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tasks.core.errors import UserError
from tasks.ingest.decoding import Opening, Text
from tasks.ingest.json_records import BLANK, Record, decoder, object_or_none, part_of
from tasks.ingest.parts import Part, batches

CHUNK = 1 << 20  # characters
MAX_RECORD = 1 << 26  # characters
SPACE = re.compile(f"[{BLANK}]*")


def begins(start: str) -> bool:
    """Whether a file that begins so is an array of objects."""
    return re.match(f"[{BLANK}]*\\[[{BLANK}]*([{{\\]]|$)", start) is not None


def read_array_parts(path: Path, file: Text, start: str, opening: Opening) -> Iterator[Part]:
    """The elements of the array in an opened file of which ``start`` has been read; one that is no object is
    unparseable. UserError: the file is no valid JSON, which is no reason to guess where its next record begins."""
    first = 0
    for batch in batches(_elements(Window(path, start, file.lines.read)), lambda record: len(record.written)):
        yield part_of(batch, path, first, file, opening)
        first += len(batch)


class Window:
    """The characters of a file from ``at`` on, as many as have been read."""

    def __init__(self, path: Path, text: str, read: Callable[[int], str]) -> None:
        self.path, self.text, self.read = path, text, read
        self.at, self.line, self.ended = 0, 1, False

    def more(self) -> bool:
        """Read on, twice as much as is held; false where the file ends."""
        self.line += self.text.count("\n", 0, self.at)
        rest = self.text[self.at :]
        found = "" if self.ended or len(rest) > MAX_RECORD else self.read(max(CHUNK, len(rest)))
        self.text, self.at, self.ended = rest + found, 0, not found
        return bool(found)

    def sign(self) -> str:
        """The next character that is not blank, which stays; empty where the file ends."""
        while True:
            space = SPACE.match(self.text, self.at)
            self.at = space.end() if space else self.at
            if self.at < len(self.text) or not self.more():
                return self.text[self.at : self.at + 1]

    def value(self) -> tuple[Any, str]:
        """The next value, and how it is written."""
        while True:
            try:
                found, end = decoder.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                refusal = self.refused(error.msg, error.pos)  # before the text moves on
                if not self.more():
                    raise refusal from None
            except RecursionError:
                raise self.refused("nested too deep", self.at) from None
            else:
                written, self.at = self.text[self.at : end], end
                return found, written

    def refused(self, what: str, at: int | None = None) -> UserError:
        """What is said of a file that is no JSON."""
        line = self.line + self.text.count("\n", 0, self.at if at is None else at)
        return UserError(f"{self.path}, line {line}: not valid JSON ({what}): write the file again")


def _elements(window: Window) -> Iterator[Record]:
    window.sign()
    window.at += 1
    if window.sign() == "]":
        window.at += 1
    else:
        yield from _values(window)
    if window.sign():
        raise window.refused("more after the array's end")


def _values(window: Window) -> Iterator[Record]:
    while True:
        window.sign()
        found, written = window.value()
        sign = window.sign()
        if sign not in (",", "]"):
            raise window.refused("no comma after a record" if sign else "the array has no end")
        yield Record(object_or_none(found), written)
        window.at += 1
        if sign == "]":
            return
