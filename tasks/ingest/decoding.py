"""Bytes of a source as text, so that each character can be turned back into the bytes that it came from."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.core.errors import UserError
from tasks.ingest.streams import Budget, open_unpacked

ExportFormat = Literal["label_studio", "doccano", "prodigy"]
MARKS = {  # the longer ones first: UTF-32's begins like UTF-16's
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


@dataclass(frozen=True)
class Opening:
    """How the files of a source are opened."""

    budget: Budget
    encoding: str | None = None
    """The encoding of files without a byte order mark; None: UTF-8."""
    names: tuple[str, ...] = ()
    """The columns that play a part."""
    label: str | None = None
    """The column that holds the labels."""
    records: str | None = None
    """The path to the records in a .json file that is one object."""
    sheet: str | None = None
    """The sheet of a spreadsheet; None: its first."""
    format: ExportFormat | None = None
    """The tool whose export the files are."""


@dataclass(frozen=True)
class Text:
    """An opened file."""

    lines: io.TextIOWrapper
    encoding: str
    errors: str

    def as_bytes(self, text: str) -> bytes:
        """What was read, as it stood."""
        return text.encode(self.encoding, self.errors)


@contextmanager
def open_text(path: Path, opening: Opening, newline: str) -> Iterator[Text]:
    """The file as text; what is not text in its encoding is a lone surrogate in it (PEP 383)."""
    with open_unpacked(path, opening.budget) as file:
        head = file.peek(4)[:4]
        mark = next((mark for mark in MARKS if head.startswith(mark)), b"")
        file.read(len(mark))
        encoding = MARKS.get(mark) or opening.encoding or "utf-8"
        if not mark and not opening.encoding and head[:2].count(0) == 1:
            order = "be" if head[0] == 0 else "le"
            raise UserError(
                f"{path} looks like UTF-16 without a byte order mark: save it as UTF-8, or say "
                f"`encoding: utf-16-{order}` under ingest"
            )
        errors = "surrogatepass" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
        lines = io.TextIOWrapper(file, encoding=encoding, errors=errors, newline=newline)
        try:
            yield Text(lines, encoding, errors)
        except UnicodeDecodeError as error:
            raise UserError(f"{path} cannot be read as {encoding}: {error.reason}: name its encoding") from None


def is_valid(text: str) -> bool:
    """Whether a string is text: lone surrogates, the traces of undecodable bytes, are not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
