"""Times of the source as UTC, to the microsecond."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.errors import UserError
from tasks.core.rows import TIMESTAMP
from tasks.ingest import time_formats
from tasks.ingest.time_formats import EPOCHS, ISO, PER_SECOND, Proposal

UTC_SUFFIX = r" ?(Z|UTC|GMT|\+00:?00)$"
ARROW_READABLE = (
    r"^(000[1-9]|00[1-9]\d|0[1-9]\d\d|[1-9]\d{3})-\d\d-\d\d([T ]\d\d:\d\d:\d\d(\.\d{1,6})?( ?(Z|UTC|GMT|\+00:?00))?)?$"
)
"""A format that Arrow reads as Python does, but for the zone."""
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(microsecond=0, tzinfo=UTC)
"""The first and the last second; the microseconds of the last one are lost in a float, which is then the year 10000."""
NAIVE = pa.timestamp("us")
MAX_EXAMPLES = 3
BASIC_DATES = (19_000_101, 21_001_231)
"""20250131 as a number."""
NOTHING = pa.array(["", "nan", "nat", "null", "none", "n/a", "na"])
"""Words for a time that is not there."""


@dataclass
class TimeReader:
    """Reads the times of one source, each file in one format."""

    format: str | None = None
    """Of every file; None: proposed from the first records of each."""
    zone: str | None = None
    """Of times that name none; None: UTC."""
    formats: dict[str, str] = field(default_factory=dict)
    """By file, what its text or numbers were read as."""
    unreadable: list[tuple[str, int, str]] = field(default_factory=list)
    """File, row and value of the first few that could not be read."""
    folds: int = 0
    """Times that a clock showed twice when it was set back: the earlier one is taken."""

    def read(self, column: pa.ChunkedArray, file: str, first: int = 0) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        """UTC times, null where there is none or it is not in the file's format, and for each whether there was none.

        ``first`` is the row of the first value. A time that the zone's clock skipped cannot be read. UserError: day
        and month could be either, or a column that holds neither text, numbers nor times.
        """
        absent = missing(column)
        moments = self._moments(column, absent, file)
        self._note(column, pc.and_(pc.is_null(moments), pc.invert(absent)), file, first)
        return moments, absent

    def _moments(self, column: pa.ChunkedArray, absent: pa.ChunkedArray, file: str) -> pa.ChunkedArray:
        kind = column.type
        if pa.types.is_null(kind):
            return column.cast(TIMESTAMP)
        if pa.types.is_date(kind):
            column = column.cast(pa.date32(), safe=False).cast(pa.timestamp("s"))
        if pa.types.is_timestamp(column.type):
            moments = _from_timestamps(column)
            return moments if column.type.tz else self._localised(moments.cast(NAIVE))
        if not (pa.types.is_string(kind) or _is_number(kind)):
            raise UserError(f"{file}: the timestamp column is {kind}: give it as text in ISO 8601 or as a timestamp")
        return self._written(column.filter(pc.invert(absent)), column, absent, file)

    def _written(
        self, present: pa.ChunkedArray, column: pa.ChunkedArray, absent: pa.ChunkedArray, file: str
    ) -> pa.ChunkedArray:
        """The times of a column of text or numbers."""
        if not len(present):
            return pa.chunked_array([pa.nulls(len(column), TIMESTAMP)])
        form = self._format(present, file)
        column = pc.if_else(absent, pa.scalar(None, column.type), column)
        if form in EPOCHS:
            return _from_epoch(column, EPOCHS[form], guessed=self.format is None)
        return self._from_text(_as_text(column), form)

    def _format(self, present: pa.ChunkedArray, file: str) -> str:
        if self.format:
            return self.formats.setdefault(file, self.format)
        if file not in self.formats:
            self.formats[file] = _proposed(present, file)
        return self.formats[file]

    def _from_text(self, column: pa.ChunkedArray, form: str) -> pa.ChunkedArray:
        if form == ISO and (fast := _plain_iso(column)) is not None:
            named = pc.match_substring_regex(column, UTC_SUFFIX)
            return pc.if_else(named, pc.assume_timezone(fast, "UTC"), self._localised(fast))
        read = time_formats.parser(form)
        known: dict[str | None, datetime | None] = {None: None}
        for value in pc.unique(column).to_pylist():
            known[value] = read(value) if value else None
        moments = [known[value] for value in column.to_pylist()]
        naive = [moment if moment and moment.tzinfo is None else None for moment in moments]
        zoned = [_as_utc(moment) if moment and moment.tzinfo else None for moment in moments]
        local = self._localised(pa.chunked_array([pa.array(naive, NAIVE)]))
        return pc.coalesce(local, pa.chunked_array([pa.array(zoned, TIMESTAMP)]))

    def _localised(self, naive: pa.ChunkedArray) -> pa.ChunkedArray:
        """Times without a zone as UTC; null where the zone's clock never showed them."""
        if self.zone is None:
            return pc.assume_timezone(naive, "UTC")
        early = pc.assume_timezone(naive, self.zone, ambiguous="earliest", nonexistent="earliest")
        late = pc.assume_timezone(naive, self.zone, ambiguous="latest", nonexistent="earliest")
        shown = pc.equal(pc.local_timestamp(early), naive)
        self.folds += pc.sum(pc.and_(shown, pc.not_equal(early, late))).as_py() or 0
        return pc.if_else(shown, early, pa.scalar(None, early.type)).cast(TIMESTAMP)

    def _note(self, column: pa.ChunkedArray, unread: pa.ChunkedArray, file: str, first: int) -> None:
        for place in pc.indices_nonzero(unread).to_pylist()[: MAX_EXAMPLES - len(self.unreadable)]:
            self.unreadable.append((file, first + place, _shown(column[place])))


def missing(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """For each value whether there is none: null, not a number, an empty string, or a word for it."""
    none = pc.is_null(column, nan_is_null=pa.types.is_floating(column.type))
    if not pa.types.is_string(column.type):
        return none
    return pc.or_(none, pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(column)), value_set=NOTHING))


def describe(proposal: Proposal) -> tuple[str, str]:
    """A value that two formats read, or one of each, as both read it. Only of a proposal with a rival."""
    first, last = proposal.examples[0], proposal.examples[-1]
    mine, other = time_formats.parser(proposal.format)(first), time_formats.parser(proposal.rival or "")(last)
    return tuple(f"{moment:%-d %B %Y}" if moment else "" for moment in (mine, other))  # type: ignore[return-value]


def _shown(value: pa.Scalar) -> str:
    """A value as text; of a time that Python has no name for, its count since 1970."""
    try:
        return str(value.as_py())
    except (ValueError, OverflowError):
        return str(value.cast(pa.int64()).as_py())


def _proposed(present: pa.ChunkedArray, file: str) -> str:
    if _is_number(present.type):
        return _format_of_numbers(present, file)
    if _plain_iso(present) is not None:
        return ISO
    proposal = time_formats.propose(pc.unique(present).to_pylist())
    if proposal.rival:
        raise UserError(_doubt(proposal, file))
    return proposal.format


def _doubt(proposal: Proposal, file: str) -> str:
    """Why two formats are in question, with one value of each reading, and the key that settles it."""
    mine, other = describe(proposal)
    first, last = proposal.examples[0], proposal.examples[-1]
    settle = f'ingest.time_format: "{proposal.format}" or "{proposal.rival}"'
    if first == last:
        return f"{file}: {first!r} may be {mine} or {other}, and no other time of the file settles it: say {settle}"
    return f"{file} has times in two orders of day and month, {first!r} ({mine}) and {last!r} ({other}): say {settle}"


def _format_of_numbers(present: pa.ChunkedArray, file: str) -> str:
    low, high = (float(pc.min_max(present)[end].as_py()) for end in ("min", "max"))
    if BASIC_DATES[0] <= low and high <= BASIC_DATES[1]:
        return ISO
    units = {time_formats.epoch_unit(low), time_formats.epoch_unit(high)}
    if len(units) == 1 and None not in units:
        return f"epoch_{units.pop()}"
    raise UserError(
        f"{file}: the timestamp column holds numbers ({low:g} to {high:g}) that are no seconds, milli-, micro- or "
        f"nanoseconds since 1970 of these years: say ingest.time_format: one of {', '.join(EPOCHS)}, or give ISO 8601"
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    whole = column if pa.types.is_string(column.type) else column.cast(pa.int64(), safe=False)
    return whole.cast(pa.string())


def _from_timestamps(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times outside the years 1 to 9999, which Python cannot represent, are null."""
    unit = PER_SECOND[column.type.unit]
    counts = column.cast(pa.int64())
    early, late = int(FIRST.timestamp()) * unit, (int(LAST.timestamp()) + 1) * unit
    if abs(early) < 2**63:  # nanoseconds reach neither end
        inside = pc.and_(pc.greater_equal(counts, early), pc.less(counts, late))
        counts = pc.if_else(inside, counts, pa.scalar(None, pa.int64()))
    return counts.cast(pa.timestamp(column.type.unit, "UTC")).cast(TIMESTAMP, safe=False)


def _from_epoch(column: pa.ChunkedArray, unit: str, guessed: bool) -> pa.ChunkedArray:
    """Counts since 1970; where the unit is guessed, one that fits another unit cannot be read."""
    if pa.types.is_integer(column.type):
        counts: Iterable[Decimal | None] = (None if v is None else Decimal(v) for v in column.to_pylist())
    else:
        counts = (_decimal(value) for value in column.to_pylist())
    micros = [
        None if n is None or (guessed and time_formats.epoch_unit(float(n)) != unit) else _micros(n, unit)
        for n in counts
    ]
    return _from_timestamps(pa.chunked_array([pa.array(micros, pa.int64())]).cast(pa.timestamp("us")))


def _micros(count: Decimal, unit: str) -> int | None:
    whole = int((count * 10**6 / PER_SECOND[unit]).to_integral_value())
    return whole if abs(whole) < 2**63 else None


def _decimal(value: object) -> Decimal | None:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _plain_iso(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """The times of a column in one usual form, without their zone; None where a value is written otherwise."""
    if not pa.types.is_string(column.type):
        return None
    if pc.all(pc.fill_null(pc.match_substring_regex(column, ARROW_READABLE), True)).as_py() is False:
        return None
    try:
        return pc.replace_substring_regex(column, UTC_SUFFIX, "").cast(NAIVE)
    except pa.ArrowInvalid:  # the 31st of February
        return None


def _as_utc(moment: datetime) -> datetime | None:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None
