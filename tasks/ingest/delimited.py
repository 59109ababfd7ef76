"""Records of a csv or tsv file, in the dialect that ``dialect.py`` finds or ``params.yaml`` names.

Every cell is text: "NA", "null" and "007" stay what they are. A bad byte costs one cell, what cannot be read one
record. A line with nothing in it is no record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from tasks.core.errors import UserError
from tasks.ingest.decoding import Opening, Text, is_valid, open_text
from tasks.ingest.dialect import Proposal, detect, lines_behind_header
from tasks.ingest.dialect_records import Lines, Record, records
from tasks.ingest.encodings import checks_encoding, refuse_another_encoding
from tasks.ingest.parts import Part, batches, part_of_cells, refuse_many_columns


@checks_encoding
def read_delimited_parts(path: Path, opening: Opening, delimiter: str) -> Iterator[Part]:
    """The file's records, all columns text; a record with more or fewer cells than the header is unparseable.

    The first part may be empty: it holds the columns of a file that has no records. UserError: the dialect can be read
    in two ways, or the file has no header.
    """
    names = [name for name in opening.names if not any(part.startswith(f"{name}=") for part in path.parts)]
    found = detect(path, delimiter=delimiter, names=names, opening=opening)
    header = _header(path, found, opening)
    if found.refusal:
        raise UserError(f"{path}: {found.refusal}")
    opening.notes.add(path.as_posix(), found.dialect.described(delimiter))
    with open_text(path, opening, newline="") as file:
        lines = lines_behind_header(file.lines, found)
        first = held = 0
        yield _part(path, header, [], 0, file, ())
        for batch in batches(records(lines), lambda record: len(record[1])):
            part = _part(path, header, batch, first, file, found.columns if found.dialect.header else ())
            first += len(batch)
            held += sum(max(0, len(batch[i][1].splitlines()) - 1) for i in part.unparseable)
            yield part
        _note_lines(path, lines, held, opening)


def _note_lines(path: Path, lines: Lines, held: int, opening: Opening) -> None:
    """Say how many lines were left out as comments, or are held inside of records."""
    if lines.comments_that_fit and opening.keys(path).comment is None:
        raise UserError(
            f"{path}: of {lines.comments} lines that begin with {lines.dialect.comment}, {lines.comments_that_fit} "
            'have as many cells as a record: set `comment: "#"` or `comment: ""` under ingest.dialect'
        )
    if lines.comments:
        opening.notes.lines.append(f"{path}: {lines.comments} comment lines left out")
    if held:
        opening.notes.lines.append(f"{path}: unparseable records hold {held} further lines")


def _part(path: Path, header: list[str], batch: list[Record], first: int, file: Text, again: Collection[str]) -> Part:
    """The records as a table; one whose cells are ``again``, the header's, is no data."""
    return part_of_cells(
        path,
        header,
        [cells if cells is not None and len(cells) == len(header) else None for cells, _ in batch],
        lambda i: file.as_bytes(batch[i][1].rstrip("\r\n")),
        first,
        repeated=_repeated(batch, list(map(_folded, again))) if again else frozenset(),
    )


def _repeated(batch: list[Record], header: list[str]) -> frozenset[int]:
    """The records that are the header again, as files joined end to end have it: also in capitals, with spaces around,
    or behind a byte order mark."""
    return frozenset(
        i
        for i, (cells, _) in enumerate(batch)
        if cells and len(cells) == len(header) and _folded(cells[0]) == header[0] and [*map(_folded, cells)] == header
    )


def _folded(name: str) -> str:
    return name.removeprefix("\ufeff").strip().casefold()


def _header(path: Path, found: Proposal, opening: Opening) -> list[str]:
    """The names of the columns, each once. UserError: there are none, or a role's is there twice."""
    names = list(found.columns)
    if not names:
        raise UserError(f"{path} has no header that can be read: its first record must name the columns")
    if not all(map(is_valid, names)):
        refuse_another_encoding(path, opening, least=1)
        raise UserError(f"{path}: the header is not text in the encoding of the file: save the file as UTF-8")
    twice = [name for name, count in Counter(names).items() if count > 1 and name in opening.names]
    if twice:
        raise UserError(f"{path}: the header names {', '.join(map(repr, twice[:5]))} twice: rename one of them")
    refuse_many_columns(len(names), path)
    return _unique(names)


def _unique(names: list[str]) -> list[str]:
    """The names, a number behind those that were there before: x, x#2."""
    taken, turn, unique = set(names), Counter[str](), []
    for name in names:
        turn[name] += 1
        new = name
        while turn[name] > 1 and (new := f"{name}#{turn[name]}") in taken:
            turn[name] += 1
        taken.add(new)
        unique.append(new)
    return unique
