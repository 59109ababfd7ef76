"""Records of a spreadsheet: one sheet of an .xlsx, .ods or .xls file.

The sheet is the first that is not hidden; which others there are is said. Of the first rows the one names the columns
that holds all that play a part, else the first that is not empty; empty rows are no records. A number is written as the
sheet holds it (1, not 1.0), a date in ISO 8601, a truth value as TRUE or FALSE. A formula counts as its last result;
where that is an error such as #N/A, or is not there, in a column that plays a part, the record is held. Of merged cells
the first has the value, as in the file.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum, WorksheetNotFound

from tasks.core.errors import UserError
from tasks.ingest.decoding import Opening
from tasks.ingest.parts import Part, batches, part_of_cells, refuse_many_columns
from tasks.ingest.sheet_archives import Errors, check_archive, layout
from tasks.ingest.streams import unchanged_while_read
from tasks.ingest.unsettled import Unsettled

CELL_ERROR = "cell_error"
"""The problem of a record whose text, label, time or id is the error of a formula."""
MAX_ROWS_BEFORE = 50
Row = tuple[list[str], bool]
"""The cells of a record, and whether one that plays a part is an error."""


def read_sheet_parts(path: Path, opening: Opening) -> Iterator[Part]:
    """The records of the sheet that ``ingest.sheet`` names, or of the first; all columns are text.

    UserError: a file that is none or looks like a bomb, a sheet that is not there or has no header.
    """
    with unchanged_while_read(path) as found:
        check_archive(path, found.st_size, opening.budget)
        book = _book(path)
        name = _sheet_name(path, book, opening)
        rows, errors = _cells(path, book, name)
    header, start = _header(path, name, rows, opening)
    _refuse_other_sheet(path, book, name, header, opening)
    columns = [place for place, title in enumerate(header) if title]
    named = [header[place] for place in columns]
    first = 0
    yield _part(path, named, [], 0)
    for batch in batches(
        _records(rows, start, columns, header, errors, opening.names), lambda row: sum(map(len, row[0]))
    ):
        yield _part(path, named, batch, first)
        first += len(batch)


def _book(path: Path) -> CalamineWorkbook:
    try:
        return CalamineWorkbook.from_path(path)
    except (CalamineError, OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a spreadsheet: {error}: save it again") from None


def _sheet_name(path: Path, book: CalamineWorkbook, opening: Opening) -> str:
    has = list(book.sheet_names)
    if opening.sheet is not None and opening.sheet not in has:
        raise UserError(f"{path} has no sheet {opening.sheet!r}, which ingest.sheet names; it has {_listed(has)}")
    if not has:
        raise UserError(f"{path} has no sheets: save it again")
    if opening.sheet is not None:
        return opening.sheet
    seen = [one.name for one in book.sheets_metadata if one.visible == SheetVisibleEnum.Visible] or has
    if others := [f"{one!r}" + ("" if one in seen else " (hidden)") for one in has if one != seen[0]]:
        opening.notes.lines.append(
            f"{path}: sheet {seen[0]!r} is read, not {', '.join(others)}: ingest.sheet names one"
        )
    return seen[0]


def _cells(path: Path, book: CalamineWorkbook, name: str) -> tuple[list[list[Any]], Errors]:
    errors = layout(path, name)
    try:
        return book.get_sheet_by_name(name).to_python(skip_empty_area=False), errors
    except (CalamineError, WorksheetNotFound, OSError, ValueError) as error:
        raise UserError(f"{path}: sheet {name!r} cannot be read: {error}: save the file again") from None


def _header(path: Path, name: str, rows: Sequence[Sequence[Any]], opening: Opening) -> tuple[list[str], int]:
    """The names of the columns, empty where there is none, and the place of the first row below them."""
    first = next((place for place, row in enumerate(rows, 1) if any(map(written, row))), 0)
    named = (place for place, row in enumerate(rows[:MAX_ROWS_BEFORE], 1) if set(opening.names) <= {*map(written, row)})
    start = next(named, first) if opening.names else first
    if start > first:
        opening.notes.lines.append(
            f"{path}: sheet {name!r}: header in row {start}, {start - first} rows before it left out"
        )
    titles = [written(cell) for cell in rows[start - 1]] if start else []
    if not titles:
        raise UserError(f"{path}: sheet {name!r} is empty: its first row must name the columns")
    twice = [title for title, count in Counter(filter(None, titles)).items() if count > 1]
    if twice:
        raise UserError(f"{path}: sheet {name!r} names {', '.join(map(repr, twice[:5]))} twice: rename one of them")
    refuse_many_columns(len(titles), path)
    return _unnamed(titles, rows[start:]), start


def _unnamed(titles: list[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """The names, with column_2 for the second column where it has cells but no name."""
    used = [any(cell != "" for cell in column) for column in zip(*rows, strict=True)] if rows else []
    return [
        title or (f"column_{place + 1}" if place < len(used) and used[place] else "")
        for place, title in enumerate(titles)
    ]


def _refuse_other_sheet(path: Path, book: CalamineWorkbook, name: str, header: list[str], opening: Opening) -> None:
    """Where the first sheet lacks a column and another one has them all, say which."""
    names = set(opening.names)
    if opening.sheet is not None or names <= set(header):
        return
    for other in book.sheet_names:
        rows = _cells(path, book, other)[0] if other != name else []
        if any(names <= {*map(written, row)} for row in rows[:MAX_ROWS_BEFORE]):
            raise Unsettled(
                f"{path}: its first sheet, {name!r}, lacks columns that {other!r} has: "
                f"say `sheet: {other}` under ingest",
                sheet=other,
            )


def _records(
    rows: Sequence[Sequence[Any]],
    start: int,
    columns: Sequence[int],
    header: Sequence[str],
    errors: Errors,
    names: Sequence[str],
) -> Iterator[Row]:
    for place in range(start, len(rows)):
        row = rows[place]
        faults = {column: errors[place, column] for column in columns if (place, column) in errors}
        cells = [faults.get(column) or written(row[column]) for column in columns]
        if any(cells):
            yield cells, any(header[column] in names for column in faults)


def written(cell: Any) -> str:
    """A cell as the sheet shows it, but for formats of numbers and times."""
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, datetime):
        return _to_milliseconds(cell).isoformat()
    return cell.isoformat() if isinstance(cell, date | time) else str(cell)


def _to_milliseconds(moment: datetime) -> datetime:
    """Sheets count days in a float, which is a microsecond off."""
    return (
        moment - timedelta(microseconds=moment.microsecond) + timedelta(milliseconds=round(moment.microsecond / 1000))
    )


def _part(path: Path, names: list[str], batch: list[Row], first: int) -> Part:
    rows = [cells for cells, _ in batch]
    return part_of_cells(
        path,
        names,
        rows,
        lambda i: json.dumps(dict(zip(names, rows[i], strict=True)), ensure_ascii=False).encode(),
        first,
        problems={i: CELL_ERROR for i, (_, faulty) in enumerate(batch) if faulty},
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:20])) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
