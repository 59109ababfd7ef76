"""Records of the lines of a delimited file, and where a record ends that cannot be read.

No record is made of lines that stand inside a quoted one. What cannot be read is one record with all of its lines.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from itertools import islice

from tasks.ingest.dialect_params import Dialect

MAX_RECORD_CHARACTERS = 1 << 28  # csv's own buffer takes four bytes for each
MAX_BUFFER_CHARACTERS = 1 << 22  # after a longer record that buffer is released
MAX_SEPARATE_LINES = 10_000  # of one record, before they are joined
MAX_LINES_SEARCHED = 10_000  # behind a quote that nothing closes
ENOUGH_RECORDS = 2  # before one that goes on behind the first lines of a file
ENOUGH_THAT_FIT = 10  # lines in a row that are records by themselves: the quote before them was a stray one
Record = tuple[list[str] | None, str]
"""The cells, None where the quotes do not match up, and the record as it stood."""


class Lines:
    """The lines of a file, and those of them that were read since a record began.

    ``cut``: these are its first lines, so that the last record may go on behind them.
    """

    def __init__(self, file: Iterable[str], dialect: Dialect, cut: bool = False) -> None:
        self.files = [iter(file)]  # the last one is read first
        self.dialect = dialect
        self.cut = cut
        self.at_end = False
        self.width = 0
        """How many cells a record should have; 0: not known yet."""
        self.comments = 0
        """How many lines were left out."""
        self.comments_that_fit = 0
        """How many of these have as many cells as a record."""
        self.restart()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        comment = self.dialect.comment
        while True:
            line = next(self.files[-1], "")
            if not line and len(self.files) > 1:
                self.files.pop()
            elif comment and not self.count and line.startswith(comment):
                self.comments += 1
                self.comments_that_fit += self.fits(line)
            else:
                break
        if not line:
            self.at_end = True
            raise StopIteration
        self.count += 1
        self.length += len(line)
        self.last.append(line)
        if len(self.last) > MAX_SEPARATE_LINES:  # lines take less as one string than as many
            self.packed.append("".join(self.last))
            self.last.clear()
        if self.length > MAX_RECORD_CHARACTERS:
            raise csv.Error("the record is too long")
        return line

    def fits(self, line: str) -> bool:
        """Whether the line by itself, its quote marks taken as text, has as many cells as a record."""
        return line.count(self.dialect.delimiter) == self.width - 1

    def restart(self) -> None:
        """A new record begins."""
        self.packed: list[str] = []
        self.last: list[str] = []
        self.count = self.length = 0

    def record(self) -> str:
        """The record so far."""
        return "".join([*self.packed, *self.last])

    def give_back(self, kept: int) -> str:
        """Give back all lines of the record but the first ones, which are the answer."""
        if self.count == kept:
            return self.record()
        self.at_end = False
        again = io.StringIO(self.record(), newline="")
        held = "".join([next(again) for _ in range(kept)])
        self.files.append(again)
        return held

    def unreadable(self) -> str:
        """The record that cannot be read, with all of its lines; what was read beyond it is given back.

        It ends where its quotes are balanced, or before the next line that opens one. Where nothing closes them, it
        ends with the last line that is no record by itself.
        """
        if not self.dialect.quoted:
            return self.record()
        consumed, marks, kept = self.count, 0, 0
        for line in islice(self._from_the_first(), consumed + MAX_LINES_SEARCHED):
            places = [found.start() for found in self._mark.finditer(line) if found[1]]
            if kept and places and self._opens(line, places[0]):
                break
            marks += 1 if not kept and consumed > 1 else len(places)  # of several lines the first ended open
            kept += 1
            if kept >= consumed and marks % 2 == 0 and (kept == 1 or self._closes(line, places[-1:])):
                return self.give_back(kept)
        return self.give_back(self._up_to_last_misfit(kept))

    def _from_the_first(self) -> Iterator[str]:
        """The lines of the record, then those behind it."""
        yield from io.StringIO(self.record(), newline="")
        with suppress(csv.Error):  # longer than a record may be: it ends here
            yield from self

    @cached_property
    def _mark(self) -> re.Pattern[str]:
        escape = re.escape(self.dialect.escape) + "." if self.dialect.escape else "(?!)"
        return re.compile(f"{escape}|({re.escape(self.dialect.quote)})")

    def _opens(self, line: str, place: int) -> bool:
        return line[:place][-1:] in ("", self.dialect.delimiter) and not self._closes(line, [place])

    def _closes(self, line: str, places: list[int]) -> bool:
        return any(line[place + 1 : place + 2] in ("", "\n", "\r", self.dialect.delimiter) for place in places)

    def _up_to_last_misfit(self, count: int) -> int:
        """How many of the first lines are no records by themselves, up to where many in a row are."""
        if self.width == 1:  # any line would be one
            return count
        held, run = 1, 0
        for number, line in enumerate(islice(io.StringIO(self.record(), newline=""), count), 1):
            held, run = (held, run + 1) if self.width == 0 or self.fits(line) else (number, 0)
            if run > ENOUGH_THAT_FIT:
                break
        return held


def records(lines: Lines) -> Iterator[Record]:
    """Every record but blank lines; the first one's cells are as many as the others should have, unless that is known.

    A record with more or fewer cells is answered as it is, with all of its lines. One that goes on behind the lines is
    left out.
    """
    csv.field_size_limit(sys.maxsize)
    reader, count = _reader(lines), 0
    while True:
        lines.restart()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            if lines.cut and lines.at_end and count >= ENOUGH_RECORDS:
                return
            reader = _reader(lines)
            yield None, lines.unreadable()
            continue
        if lines.length > MAX_BUFFER_CHARACTERS:
            reader = _reader(lines)  # the old one keeps its buffer
        if cells:
            lines.width, count = lines.width or len(cells), count + 1
            yield cells, lines.record()


def _reader(lines: Lines) -> Iterator[list[str]]:
    dialect = lines.dialect
    return csv.reader(
        _literal_escapes(lines, dialect) if dialect.escape else lines,
        delimiter=dialect.delimiter,
        quotechar=dialect.quote,
        escapechar=dialect.escape,
        quoting=csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE,
        strict=True,
    )


def _literal_escapes(lines: Iterable[str], dialect: Dialect) -> Iterator[str]:
    """The lines, an escape doubled that escapes nothing: csv would drop it."""
    escape, special = dialect.escape or "", {dialect.quote, dialect.delimiter, dialect.escape, "\n", "\r"}
    pair = re.compile(re.escape(escape) + r"(.|\n|\r|$)")

    def written(found: re.Match[str]) -> str:
        return found[0] if found[1] in special else escape * 2 + found[1]

    return (pair.sub(written, line) for line in lines)
