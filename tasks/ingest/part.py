"""One file of the source as it was read, before anyone knows which column means what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

Places = Mapping[str, frozenset[int]]
"""By column, the positions of rows."""


@dataclass(frozen=True)
class Part:
    """A table with one row for each record of a file, in its order, and what did not fit into it."""

    file: str
    """Path in the repository."""
    table: pa.Table
    """The columns of the file; a value that could not be read is null."""
    records: int
    """How many there are."""
    record: Callable[[int], bytes]
    """The record at a position, as it stood."""
    unparseable: frozenset[int] = frozenset()
    """Records that could not be split into columns; all their values are null."""
    undecodable: Places = field(default_factory=dict)
    """Values that are null because they are not text in UTF-8."""
    not_strings: Places = field(default_factory=dict)
    """Values that are the JSON of something else than a string."""
    sparse: bool = False
    """Whether a column is there only for the rows that use it."""


def valid(text: str) -> bool:
    """Whether a string is text: lone surrogates, the traces of undecodable bytes, are not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
