"""The dialect of a delimited file, detected on its first records and checked on the others.

``detect`` proposes; ``delimited.py`` reads what it proposes and stops where it has a refusal. No model
library is imported.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from tasks.ingest.decoding import Opening, Text, open_text, text_of
from tasks.ingest.dialect_header import Header, find_header
from tasks.ingest.dialect_params import Dialect, FileKeys, shown
from tasks.ingest.dialect_records import Lines, records
from tasks.ingest.dialect_settle import Open, Scan, settle_quotes
from tasks.ingest.streams import Budget

HEAD_CHARACTERS = 1 << 18
MAX_BYTES = 1 << 40


@dataclass(frozen=True)
class Proposal:
    """How a file is to be read, and why."""

    dialect: Dialect
    encoding: str
    columns: tuple[str, ...]
    """The names of its columns, as the header has them; empty where there is none."""
    evidence: tuple[str, ...] = ()
    """What speaks for it, a sentence each."""
    doubts: tuple[str, ...] = ()
    """What the file leaves open, a sentence each, with the key that settles it."""
    refusal: str | None = None
    """The doubt that ``ingest`` stops at."""


def detect(
    source: Path | bytes,
    *,
    delimiter: str | None = None,
    names: Collection[str] = (),
    keys: FileKeys | None = None,
    opening: Opening | None = None,
) -> Proposal:
    """Propose how a delimited file, or the bytes of one, is to be read.

    ``delimiter`` is what its kind of file usually has (default: a tab for .tsv, else a comma), ``names`` are columns
    that its header must hold, where they are known, ``keys`` are settled already. UserError: the file cannot be read.
    """
    opening = opening or Opening(Budget(MAX_BYTES))
    keys = keys or (opening.keys(source) if isinstance(source, Path) else FileKeys())
    if delimiter is None:
        delimiter = "\t" if isinstance(source, Path) and ".tsv" in source.suffixes else ","
    if isinstance(source, bytes):
        return _propose(lambda: text_of(_buffered(source), keys.encoding or "utf-8"), keys, delimiter, names)
    look = replace(opening, budget=Budget(opening.budget.max_bytes))  # looking is not reading: it spends nothing
    return _propose(lambda: open_text(source, look, newline=""), keys, delimiter, names)


def _propose(opened: Open, keys: FileKeys, delimiter: str, names: Collection[str]) -> Proposal:
    with opened() as file:
        head, whole = _head(file)
        encoding = file.encoding
    header = find_header(head, keys, delimiter, names, cut=not whole)
    rest = head[header.dialect.header :]
    header = _with_comments(header, head, rest, keys)
    dialect, columns = _with_trailing(header, rest, cut=not whole)
    proposal = Proposal(dialect, encoding, columns, _evidence(dialect, delimiter, names))
    if header.unsure and keys.header is None:
        doubt = f"line {dialect.header} names the columns, and lines before it have as many cells: "
        return _refused(proposal, f"{doubt}set `header: {dialect.header}`, or the line that does")
    if keys.quoted is not None or not columns:
        return proposal
    settled = settle_quotes(Scan(opened, head, rest, whole), dialect, len(columns), keys)
    why = (settled.why,) if settled.why else ()
    proposal = replace(proposal, dialect=settled.dialect, evidence=(*proposal.evidence, *why))
    return _refused(proposal, settled.doubt) if settled.doubt else proposal


def _buffered(data: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(data))


def _head(file: Text) -> tuple[list[str], bool]:
    """The first lines, and whether they are all."""
    head: list[str] = []
    left = HEAD_CHARACTERS
    while left > 0 and (line := file.lines.readline(HEAD_CHARACTERS)):
        if len(line) == HEAD_CHARACTERS and head:  # cut off
            return head, False
        head.append(line)
        left -= len(line)
    return head, left > 0


def _with_comments(header: Header, head: Sequence[str], rest: Sequence[str], keys: FileKeys) -> Header:
    """# begins a comment where it does so before the header, and no such line behind it is a record."""
    before = [line for line in head[: max(header.dialect.header - 1, 0)] if line.startswith("#")]
    lines = Lines((), header.dialect)
    lines.width = len(header.names)
    behind = [line for line in rest if line.startswith("#")]
    if keys.comment is not None or not before or not behind or any(map(lines.fits, behind)):
        return header
    return replace(header, dialect=header.dialect.model_copy(update={"comment": "#"}))


def _with_trailing(header: Header, rest: Sequence[str], cut: bool) -> tuple[Dialect, tuple[str, ...]]:
    """The columns, where the records end with a delimiter and the header does not, or the other way round."""
    rows = islice(records(Lines(io.StringIO("".join(rest), newline=""), header.dialect, cut)), 1_000)
    found = [cells for cells, _ in rows if cells is not None]
    dialect, names, width = header.dialect, header.names, len(header.names)
    if len(found) > 1 and all(len(cells) == width + 1 and not cells[-1] for cells in found):
        return dialect.model_copy(update={"trailing": True}), (*names, "")
    if len(found) > 1 and names[-1:] == ("",) and all(len(cells) == width - 1 for cells in found):
        return dialect, names[:-1]
    return dialect, names


def _evidence(dialect: Dialect, delimiter: str, names: Collection[str]) -> tuple[str, ...]:
    holds = " that holds " + ", ".join(map(repr, names)) if names else ""
    said = f"line {dialect.header}, divided by {shown(dialect.delimiter)}, is a header{holds}"
    return (said,) if dialect.header else ()


def _refused(proposal: Proposal, doubt: str) -> Proposal:
    said = f"{doubt} under ingest.dialect, or under ingest.files for one file"
    return replace(proposal, doubts=(*proposal.doubts, said), refusal=said)


def lines_behind_header(file: Iterable[str], proposal: Proposal) -> Lines:
    """The lines behind the header of a file that is read from its first one."""
    dialect = proposal.dialect
    lines = Lines(islice(file, max(dialect.header - 1, 0), None), dialect)
    if dialect.header:
        next(records(lines), None)
    lines.width = len(proposal.columns)
    return lines
