"""Which rows of a source belong to a window, and how many records went where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.errors import UserError
from tasks.core.paths import WindowName
from tasks.dataset.labels import SINGLE, LabelFormat
from tasks.dataset.windows import Columns, LateLabels, WindowRange, Windows
from tasks.ingest import Params
from tasks.ingest.decoding import Opening
from tasks.ingest.names import LabelSyntax
from tasks.ingest.parts import HEADER_REPEATED, UNPARSEABLE
from tasks.ingest.streams import Budget
from tasks.ingest.time_formats import formats_of
from tasks.ingest.times import TimeReader

MAX_SHOWN = 60  # bytes of a record
SHEET_DAYS = re.compile(r"[2-6]\d{4}(\.\d+)?", re.ASCII)
"""Days since 1899, of the years 1954 to 2091."""
NO_RECORD = pa.array([UNPARSEABLE, HEADER_REPEATED])
"""Problems of what has no time because it has no columns."""


class EmptyWindow(UserError):
    """A source that can be read has no record in a dated window."""


@dataclass(frozen=True)
class Plan:
    """What one window reads and keeps."""

    window: WindowName
    range: WindowRange
    source: str
    columns: Columns
    labels: LateLabels | None
    other: WindowRange | None
    """The other window's range, where both read the same source."""
    section: Params
    cells: LabelFormat = SINGLE
    """How labels are written in the rows."""
    reference: Plan | None = None
    """Of the current window with a source of its own: the reference's, whose columns its own are compared with."""

    def opening(self) -> Opening:
        """How the source's files are opened."""
        section, columns = self.section, self.columns
        roles = (*(getattr(columns, role) for role in type(columns).model_fields), *section.where)
        return Opening(
            Budget(section.max_bytes),
            section.encoding,
            section.dialect,
            section.files,
            names=tuple(name for name in roles if name is not None),
            label=columns.label,
            records=section.records,
            sheet=section.sheet,
            format=section.format,
        )

    @property
    def syntax(self) -> LabelSyntax:
        """How the source writes labels."""
        return LabelSyntax(self.cells, self.section.label_separator)

    def clock(self) -> TimeReader:
        """How the source's times are read."""
        return TimeReader(self.section.time_format, self.section.time_zone)

    @property
    def source_key(self) -> str:
        """Where ``params.yaml`` names the source."""
        return f"windows.{self.window}.source" if self.range.source else "ingest.source"

    @property
    def columns_key(self) -> str:
        """Where ``params.yaml`` names the columns."""
        return f"windows.{self.window}.columns" if self.range.columns else "ingest.columns"

    @property
    def dated(self) -> bool:
        return self.columns.timestamp is not None

    @property
    def takes_undated(self) -> bool:
        """Rows without a time go to current, so that the reference is stable; or to the only window that reads them."""
        return self.window == "current" or self.other is None

    @property
    def has_data(self) -> bool:
        """Without times all rows of a shared source are reference."""
        return self.dated or self.window == "reference" or self.other is None


def plan(window: WindowName, windows: Windows, section: Params, cells: LabelFormat = SINGLE) -> Plan:
    """Resolve the keys of the window and those that it takes from ``ingest``; ``cells``: how labels are written."""
    own = getattr(windows, window)
    other = windows.current if window == "reference" else windows.reference
    source = own.source or section.source
    if source is None:
        raise UserError(
            f"ingest.source is missing, and windows.{window} names no source of its own: name a file or folder"
        )
    shared = (other.source or section.source) == source
    columns = own.columns or section.columns
    compared = window == "current" and not shared and (other.source or section.source)
    if (columns.text_pair is None) != ((other.columns or section.columns).text_pair is None):
        raise UserError("columns.text_pair is named for one window only: one model reads both, name it for both")
    reference = plan("reference", windows, section, cells) if compared else None
    return Plan(window, own, source, columns, own.labels, other if shared else None, section, cells, reference)


def refuse_undated_range(plan: Plan) -> None:
    """Refuse a time range where no column holds the time."""
    if not plan.dated and (plan.range.from_ or plan.range.until):
        raise UserError(
            f"windows.{plan.window} has a time range, but {plan.columns_key}.timestamp names no column: "
            f"name one, or take from and until out of windows.{plan.window}"
        )


def within(times: pa.ChunkedArray, window: WindowRange) -> pa.ChunkedArray:
    """For each time whether it falls into the half-open range; false where there is none."""
    inside = pc.is_valid(times)
    if window.from_:
        inside = pc.and_(inside, pc.fill_null(pc.greater_equal(times, pa.scalar(window.from_, times.type)), False))
    if window.until:
        inside = pc.and_(inside, pc.fill_null(pc.less(times, pa.scalar(window.until, times.type)), False))
    return inside


@dataclass
class RecordCounts:
    """How many records of the source went where; every one is counted once."""

    records: int = 0
    inside: int = 0
    undated: int = 0
    unparseable: int = 0
    """Of those undated, how many could not be split into columns: their time is not what is wrong."""
    example: str = ""
    """The first of those, and where it stands."""
    other: int = 0
    outside: int = 0
    left_out: int = 0
    """By ``ingest.where``, or as answers that are no labels."""
    earliest: datetime | None = None
    latest: datetime | None = None

    def check(self, plan: Plan, clock: TimeReader) -> None:
        """Refuse a window without rows or a source with too many undated, and check that every record is counted."""
        if self.records != self.inside + self.undated + self.other + self.outside + self.left_out:
            raise AssertionError(f"records of {plan.source} are lost: {self}")
        if plan.dated and self.undated - self.unparseable > plan.section.max_undated * (self.records - self.left_out):
            raise UserError(_too_many_undated(self, plan, clock))
        if self.inside or not plan.has_data:
            return
        if not plan.dated:
            raise UserError(f"{plan.source_key}: {plan.source} holds no records: land some, or name another source")
        if 2 * self.unparseable > self.records:
            raise UserError(
                f"{plan.source_key}: {self.unparseable} of {self.records} records of {plan.source} have other cells "
                f"than the header, such as {self.example}: say how it is written under ingest.dialect (delimiter, "
                "quoted, escape), or correct it"
            )
        raise EmptyWindow(
            f"windows.{plan.window} is empty: of {self.records} records of {plan.source} none falls in "
            f"[{_format_time(plan.range.from_)}, {_format_time(plan.range.until)}); its times run from "
            f"{_format_time(self.earliest)} to {_format_time(self.latest)}, and {self.undated} records have none "
            f"that can be read: set windows.{plan.window} to a range that holds some"
        )


def _too_many_undated(counts: RecordCounts, plan: Plan, clock: TimeReader) -> str:
    """How many have no time, the first values that cannot be read, and the keys that settle it."""
    values = [f"{value!r} ({file}, row {row})" for file, row, value in clock.unreadable]
    reasons = f"; the first that cannot be read: {', '.join(values)}" if values else ", all of them empty"
    settle = _how_to_write([value for *_, value in clock.unreadable]) if values else ""
    undated = counts.undated - counts.unparseable
    return (
        f"{plan.columns_key}.timestamp: {undated} of {counts.records} records of {plan.source} have no time that can "
        f"be read, more than ingest.max_undated ({plan.section.max_undated:g}) allows{reasons}: {settle}"
        "raise ingest.max_undated"
    )


def _how_to_write(values: list[str]) -> str:
    """What a person does about times that cannot be read."""
    if all(SHEET_DAYS.fullmatch(value) for value in values):
        return "write them as dates, since they look like the day numbers of a spreadsheet, or "
    form = next((form for value in values for form in formats_of(value)), None)
    named = f': "{form}"' if form else ', such as "%d.%m.%Y %H:%M"'
    return f"say how times are written (ingest.time_format{named}), correct them, or "


def select_rows(rows: pa.Table, plan: Plan, counts: RecordCounts) -> pa.Table:
    """The rows that the window keeps, in their order; every row is counted."""
    everything = pa.chunked_array([pa.repeat(pa.scalar(True), len(rows))])
    nothing = pc.invert(everything)
    times = rows["timestamp"]
    if plan.dated:
        inside, undated = within(times, plan.range), pc.is_null(times)
        other = within(times, plan.other) if plan.other else nothing
    elif plan.has_data:
        inside, undated, other = everything, nothing, nothing
    else:
        inside, undated, other = nothing, nothing, everything
    if _count(pc.and_(inside, other)):
        raise UserError(
            f"windows.reference and windows.current overlap in {plan.source}: let one end where the other begins"
        )
    counts.records += len(rows)
    counts.inside += _count(inside)
    counts.undated += _count(undated)
    unparseable = pc.is_in(rows["problem"], value_set=NO_RECORD)
    counts.unparseable += _count(unparseable) if plan.dated else 0
    counts.example = counts.example or _first(rows, unparseable)
    counts.other += _count(other)
    counts.outside += _count(pc.invert(pc.or_(pc.or_(inside, undated), other)))
    counts.earliest = min(filter(None, (counts.earliest, pc.min(times).as_py())), default=None)
    counts.latest = max(filter(None, (counts.latest, pc.max(times).as_py())), default=None)
    selected = pc.or_(inside, undated) if plan.takes_undated else inside
    return rows if _count(selected) == len(rows) else rows.filter(selected)  # to filter is to copy


def _first(rows: pa.Table, mask: pa.ChunkedArray) -> str:
    """The first such record and where it stands; empty where there is none."""
    places = pc.indices_nonzero(mask)
    if not len(places):
        return ""
    row = rows.select(["source_file", "source_row", "source_bytes"]).slice(places[0].as_py(), 1).to_pylist()[0]
    return (
        f"{row['source_bytes'][:MAX_SHOWN].decode(errors='replace')!r} ({row['source_file']}, row {row['source_row']})"
    )


def _count(mask: pa.ChunkedArray) -> int:
    return int(pc.sum(mask).as_py() or 0)


def _format_time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "…"
