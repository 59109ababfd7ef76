"""Whether quote marks quote: the records that hold some are read both ways and counted.

Records without a quote mark are the same in either reading and play no part, but as what values usually look like.
"""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tasks.ingest.dialect_params import Dialect
from tasks.ingest.dialect_records import Lines, records

MAX_SAMPLED = 5_000  # lines without quote marks
MAX_KINDS = 50  # of values, or of their shapes, in a column that can tell its own from others
MANY = 10  # times as many records that cannot be read settle it
MAX_DISPUTED = 1_000  # that are looked at
MAX_UNLIKE = 0.25  # share of lines with a cell that is unlike its column
WORDS = "words"


@dataclass(frozen=True)
class Disputed:
    """A record of several lines, each of which has as many cells as a record."""

    row: int
    """How many records stand before it."""
    cells: list[str]
    lines: list[str]


@dataclass
class Tally:
    """What became of the records with quote marks, in either reading."""

    quoted_bad: int = 0
    """Records that cannot be read, or have another number of cells, if quote marks quote."""
    text_bad: int = 0
    """Lines that have another number of cells if quote marks are text."""
    differing: int = 0
    """Records of one line that both readings accept, with other cells."""
    disputed: list[Disputed] = field(default_factory=list)
    """The first records that both readings accept, as one or as several."""
    records: int = 0
    lines: int = 0
    """How many records there are in either reading."""
    escaped: bool = False
    """Whether a backslash stands before a quote mark in a record that cannot be read."""

    @property
    def settled(self) -> bool:
        """Quote marks quote, and only that reading fits."""
        return self.text_bad > 0 and self.quoted_bad == 0

    @property
    def quotes_are_text(self) -> bool:
        """Only that reading fits, or by far the better."""
        fits = self.text_bad == 0 or self.quoted_bad > MANY * self.text_bad
        return fits and self.quoted_bad > max(self.text_bad, self.differing)

    @property
    def open(self) -> bool:
        """Both readings fit, and differ in how many records there are."""
        return bool(self.disputed) and self.text_bad <= self.quoted_bad


class _QuotedLines(Lines):
    """Lines without those that are a record without a quote mark, which are sampled."""

    def __init__(self, file: Iterable[str], dialect: Dialect, usual: Usual, cut: bool) -> None:
        self.usual, self.plain = usual, 0
        super().__init__(file, dialect, cut)

    def __next__(self) -> str:
        if not self.count and len(self.files) == 1:
            quote, comment = self.dialect.quote, self.dialect.comment or "\0"
            for line in self.files[0]:
                if quote in line or line.startswith(comment):
                    self.files.append(iter([line]))
                    break
                self._add(line)
        line = super().__next__()
        while self.count == 1 and self.dialect.quote not in line:  # among lines that were given back
            self._add(line)
            self.restart()
            line = super().__next__()
        return line

    def _add(self, line: str) -> None:
        if line.strip("\r\n"):
            self.plain += 1
            if self.usual.lines < MAX_SAMPLED:
                self.usual.add(line)


@dataclass
class Usual:
    """Which values the columns usually hold, or which shapes where they are numbers or times."""

    dialect: Dialect
    width: int
    lines: int = 0
    values: defaultdict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    shapes: defaultdict[int, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, line: str) -> None:
        """Count in a line without quote marks, if it is a record."""
        cells = line.rstrip("\r\n").split(self.dialect.delimiter)
        if len(cells) != self.width:
            return
        self.lines += 1
        for place, cell in enumerate(cells):
            for kinds, kind in ((self.values, cell), (self.shapes, shape(cell))):
                if len(kinds[place]) <= MAX_KINDS:
                    kinds[place].add(kind)

    def unlike(self, lines: Sequence[str]) -> float:
        """The share of lines with a cell that is unlike the others of its column, of the column that fits best.

        Cells with a quote mark are not judged, nor columns that hold many values; 0 where there is no other.
        """
        rows = [line.rstrip("\r\n").split(self.dialect.delimiter) for line in lines]
        return min((share for place in range(self.width) for share in self._unlike(place, rows)), default=0.0)

    def _unlike(self, place: int, rows: Sequence[Sequence[str]]) -> Iterator[float]:
        cells = [row[place] for row in rows if self.dialect.quote not in row[place]]
        most = min(MAX_KINDS, self.lines // 3)
        if cells and 0 < len(self.values[place]) <= most:
            yield sum(cell not in self.values[place] for cell in cells) / len(cells)
        elif cells and 0 < len(self.shapes[place]) <= most and WORDS not in self.shapes[place]:
            yield sum(shape(cell) not in self.shapes[place] for cell in cells) / len(cells)


def shape(cell: str) -> str:
    """What a number or time looks like, 9 for digits; of other values that they are words."""
    return re.sub(r"\d+", "9", cell) if re.fullmatch(r"[-+\d.,:/TZ %]*", cell) else WORDS


def read_both_ways(
    file: Iterable[str], dialect: Dialect, width: int, to_the_end: bool = False, cut: bool = False
) -> Tally:
    """Count the records behind the header in both readings, until only one can be meant or to the end.

    ``cut``: the last of these records may go on behind the lines.
    """
    tally, usual = Tally(), Usual(dialect, width)
    lines = _QuotedLines(file, dialect, usual, cut)
    lines.width = width
    for cells, record in records(lines):
        _count(tally, lines, cells, record)
        if tally.settled and not to_the_end:
            return tally
    tally.records += lines.plain
    tally.lines += lines.plain
    tally.disputed = [one for one in tally.disputed if usual.unlike(one.lines) <= MAX_UNLIKE]
    return tally


def _count(tally: Tally, lines: _QuotedLines, cells: list[str] | None, record: str) -> None:
    parts = [line for line in io.StringIO(record, newline="") if line.strip("\r\n")]
    misfits = sum(not lines.fits(line) for line in parts)
    tally.records += 1
    tally.lines += len(parts)
    tally.text_bad += misfits
    if cells is None or len(cells) != lines.width:
        tally.quoted_bad += 1
        tally.escaped = tally.escaped or "\\" + lines.dialect.quote in record
    elif not misfits and len(parts) > 1 and not _is_all_quoted(record, lines):
        if len(tally.disputed) < MAX_DISPUTED:
            tally.disputed.append(Disputed(tally.records - 1 + lines.plain, cells, parts))
    elif not misfits and cells != parts[0].rstrip("\r\n").split(lines.dialect.delimiter):
        tally.differing += 1


def _is_all_quoted(record: str, lines: Lines) -> bool:
    """Whether each cell stands in quotes, as no writer has it that takes them as text."""
    quote, said = lines.dialect.quote, record.rstrip("\r\n")
    between = said.count(f"{quote}{lines.dialect.delimiter}{quote}") >= lines.width - 1 > 0
    return between and said.startswith(quote) and said.endswith(quote)
