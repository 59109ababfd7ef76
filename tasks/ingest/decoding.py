"""Bytes of a source as text, so that each character can be turned back into the bytes that it came from."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from tasks.core.errors import UserError
from tasks.ingest.dialect_params import DialectKeys, FileKeys
from tasks.ingest.streams import Budget, open_unpacked

ExportFormat = Literal["label_studio", "doccano", "prodigy", "database_text"]
MARKS = {  # the longer ones first: UTF-32's begins like UTF-16's
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
OF_SEVERAL_BYTES = ("big5", "cp932", "cp936", "cp949", "cp950", "euc", "gb", "hz", "iso2022", "johab", "shift_jis")
CHUNK = 1 << 20


@dataclass
class Notes:
    """What was found about the files of a source, to be said when all are read."""

    dialects: dict[str, str] = field(default_factory=dict)
    """By file, how it was read where that is not RFC 4180 in the expected encoding."""
    lines: list[str] = field(default_factory=list)
    """Sentences on single files."""
    patterns: set[str] = field(default_factory=set)
    """Patterns of ``ingest.files`` that matched a file."""

    def add(self, file: str, words: str) -> None:
        """Add to how a file was read."""
        if words and words not in self.dialects.get(file, ""):
            self.dialects[file] = ", ".join(filter(None, (self.dialects.get(file), words)))


@dataclass(frozen=True)
class Opening:
    """How the files of a source are opened."""

    budget: Budget
    encoding: str | None = None
    """The encoding of files without a byte order mark; None: UTF-8."""
    dialect: DialectKeys = field(default_factory=DialectKeys)
    """What is settled about all delimited files."""
    files: Mapping[str, FileKeys] = field(default_factory=dict)
    """By pattern, what is settled about the files that it matches."""
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
    notes: Notes = field(default_factory=Notes)

    def keys(self, path: Path) -> FileKeys:
        """What is settled about a file: by the first pattern that its path ends with, then by ``dialect``."""
        for pattern, keys in self.files.items():
            if path.match(pattern):
                self.notes.patterns.add(pattern)
                return keys.over(self.dialect)
        return FileKeys().over(self.dialect)

    def declares(self, path: Path) -> bool:
        """Whether ``params.yaml`` names the encoding of the file."""
        return bool(self.keys(path).encoding or self.encoding)


@dataclass(frozen=True)
class Text:
    """An opened file."""

    lines: io.TextIOWrapper
    encoding: str
    errors: str
    marked: bool = False
    """Whether a byte order mark says its encoding."""

    def as_bytes(self, text: str) -> bytes:
        """What was read, as it stood."""
        return text.encode(self.encoding, self.errors)


@contextmanager
def open_text(path: Path, opening: Opening, newline: str) -> Iterator[Text]:
    """The file as text; what is not text in its encoding is a lone surrogate in it (PEP 383)."""
    encoding = _settled_encoding(path, opening)
    with open_unpacked(path, opening.budget) as file:
        if not encoding and file.peek(4)[:2].count(0) == 1 and not _mark(file):
            order = "be" if file.peek(1)[0] == 0 else "le"
            raise UserError(
                f"{path} looks like UTF-16 without a byte order mark: save it as UTF-8, or say "
                f"`encoding: utf-16-{order}` under ingest"
            )
        with text_of(file, encoding or "utf-8", newline) as text:
            try:
                yield text
            except UnicodeDecodeError as error:
                said = f"{path} cannot be read as {text.encoding}: {error.reason}: name its encoding"
                raise UserError(said) from None


@contextmanager
def text_of(file: io.BufferedReader, encoding: str, newline: str = "") -> Iterator[Text]:
    """Bytes as text, in the encoding that their byte order mark names or else in this one."""
    mark = _mark(file)
    file.read(len(mark))
    encoding = MARKS.get(mark) or encoding
    errors = "surrogatepass" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
    lines = io.TextIOWrapper(file, encoding=encoding, errors=errors, newline=newline)
    yield Text(lines, encoding, errors, bool(mark))


def _mark(file: io.BufferedReader) -> bytes:
    head = file.peek(4)[:4]
    return next((mark for mark in MARKS if head.startswith(mark)), b"")


def _settled_encoding(path: Path, opening: Opening) -> str | None:
    """The encoding that ``params.yaml`` names for the file, but that of all files not where it is UTF-8 instead.

    UserError: either could be meant.
    """
    own = opening.keys(path).encoding
    named = opening.encoding
    if own or named is None or named.startswith(("utf-", "utf_")):
        return own or named
    if not _beyond_ascii(path, opening, "utf-8"):
        return named
    key = f"ingest.files: {{{path.name}: {{encoding: utf-8}}}}, or {named}"
    if named.replace("-", "").startswith(OF_SEVERAL_BYTES) and _beyond_ascii(path, opening, named):
        raise UserError(f"{path} can be read as UTF-8 and as {named}, which ingest.encoding names: say {key}")
    opening.notes.add(path.as_posix(), f"UTF-8, not {named}")
    return "utf-8"


def _chunks(path: Path, opening: Opening) -> Iterator[bytes]:
    look = replace(opening.budget, spent=0)  # looking is not reading: it spends nothing
    with open_unpacked(path, look) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _beyond_ascii(path: Path, opening: Opening, encoding: str) -> bool:
    """Whether all of the file is text in the encoding, and some of it not ASCII."""
    decoder, beyond = codecs.getincrementaldecoder(encoding)(), False
    try:
        for chunk in _chunks(path, opening):
            beyond = beyond or not chunk.isascii()
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return beyond


def is_valid(text: str) -> bool:
    """Whether a string is text: lone surrogates, the traces of undecodable bytes, are not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
