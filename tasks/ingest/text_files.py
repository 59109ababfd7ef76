"""Records of a .txt file: lines of JSON objects, or a table whose dialect is found, as Excel and R write them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tasks.core.errors import UserError
from tasks.ingest.decoding import Opening
from tasks.ingest.delimited import read_delimited_parts
from tasks.ingest.lines import read_jsonl_parts
from tasks.ingest.parts import Part
from tasks.ingest.streams import Budget, open_unpacked


def read_text_parts(path: Path, opening: Opening) -> Iterator[Part]:
    """The file's records. UserError: it is a text without the columns that play a part."""
    with open_unpacked(path, Budget(opening.budget.max_bytes)) as file:
        start = file.peek(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"{"):
        yield from read_jsonl_parts(path, opening)
        return
    for part in read_delimited_parts(path, opening, delimiter="\t"):
        if part.first == 0 and not set(opening.names) & set(part.table.column_names):
            raise UserError(
                f"{path} is no table with the columns {', '.join(map(repr, opening.names))}: "
                "move it out of the source, or name its columns in its first line"
            )
        yield part
