"""How the lines of a delimited file are to be read: the keys a person may set, and a dialect with every key settled."""

from __future__ import annotations

import codecs
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from tasks.core.params import Section

SHOWN = {"\t": "tab", "|": "'|'", ";": "';'", ",": "','", " ": "space"}


def _one_character(value: str | None) -> str | None:
    if value is not None and (len(value) != 1 or value in "\r\n\0"):
        raise ValueError("give one character, no line break")
    return value


def _one_or_none(value: str | None) -> str | None:
    return _one_character(value) if value else value


def known_encoding(name: str | None) -> str | None:
    """The codec's own name. ValueError: Python knows no such encoding of text."""
    try:
        if name is not None:
            "".encode(name)  # one that Python knows, and of text
            return codecs.lookup(name).name
    except LookupError:
        raise ValueError("name an encoding of text that Python knows, such as cp1252") from None
    return name


Character = Annotated[str, AfterValidator(_one_character)]
CharacterOrNone = Annotated[str, AfterValidator(_one_or_none)]


class DialectKeys(Section):
    """What ``ingest.dialect`` sets; a key that is null is detected for each file."""

    delimiter: Character | None = None
    """What divides cells, such as ";"."""
    quoted: bool | None = None
    """Whether a quote mark at the start of a cell quotes it; false: quote marks are text."""
    quote: Character | None = None
    """The quote mark."""
    escape: CharacterOrNone | None = None
    """What takes away the meaning of a quote mark, delimiter, line end or itself behind it; "": nothing does."""
    header: int | None = Field(default=None, ge=0)
    """The line that names the columns, from 1; lines before it are left out. 0: none does; columns are "1", "2", …"""
    comment: CharacterOrNone | None = None
    """Lines that begin with it are left out; "": none are."""

    @model_validator(mode="after")
    def _different(self) -> Self:
        signs = [sign for sign in (self.delimiter, self.quote, self.escape, self.comment) if sign]
        if len(set(signs)) < len(signs):
            raise ValueError("delimiter, quote, escape and comment must differ")
        return self


class FileKeys(DialectKeys):
    """What ``ingest.files`` sets for the files that a pattern matches."""

    encoding: Annotated[str | None, AfterValidator(known_encoding)] = None
    """Encoding of these files."""

    def over(self, keys: DialectKeys) -> FileKeys:
        """These keys laid over those of ``ingest.dialect``."""
        own = {name: value for name, value in self.model_dump().items() if value is not None}
        return FileKeys.model_validate(keys.model_dump() | own)


class Dialect(Section):
    """How the lines of one file are read."""

    delimiter: str = ","
    """What divides cells."""
    quoted: bool = True
    """Whether a quote mark at the start of a cell quotes it."""
    quote: str = '"'
    """The quote mark; doubled it stands for itself."""
    escape: str | None = None
    """What takes away the meaning of a quote mark, delimiter, line end or itself behind it."""
    header: int = 1
    """The line that names the columns, from 1; 0: none."""
    comment: str | None = None
    """Lines that begin with it are left out."""
    trailing: bool = False
    """Whether each record ends with a delimiter that the header lacks."""

    def described(self, delimiter: str) -> str:
        """In words what differs from RFC 4180 with this delimiter; empty where nothing does."""
        said = []
        if self.delimiter != delimiter:
            said.append(f"delimiter {shown(self.delimiter)}")
        if not self.quoted:
            said.append("quote marks are text")
        elif self.quote != '"':
            said.append(f"quote mark {self.quote}")
        if self.escape:
            said.append(f"escape {self.escape}")
        if self.header != 1:
            said.append(f"header in line {self.header}" if self.header else "no header")
        if self.comment:
            said.append(f"comments begin with {self.comment}")
        if self.trailing:
            said.append("records end with a delimiter")
        return ", ".join(said)


def shown(character: str) -> str:
    """A delimiter in a message."""
    return SHOWN.get(character, repr(character))
