"""Times of the source as UTC, to the microsecond."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.errors import UserError
from tasks.core.rows import TIMESTAMP

ISO_8601 = re.compile(r"(\d{4}-?\d\d-?\d\d|\d{4}-?W\d\d(-?\d)?)([T ]\S+)?", re.ASCII)
"""What may be ISO 8601: fromisoformat alone takes 1604010112000, milliseconds of 2020, for a time in 1604."""
UTC_SUFFIX = r"(Z|\+00:00)$"
ARROW_READABLE = r"^(000[1-9]|00[1-9]\d|0[1-9]\d\d|[1-9]\d{3})-\d\d-\d\d([T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)?)?$"
"""A format that Arrow reads as Python does, but for the zone."""
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def parse_times(column: pa.ChunkedArray, file: str) -> pa.ChunkedArray | pa.Array:
    """UTC times, null where there is none or it is not ISO 8601; a time without a zone is taken to be UTC.

    UserError: a column that holds neither text nor times, since a number has neither a unit nor an origin.
    """
    kind = column.type
    if pa.types.is_null(kind):
        return column.cast(TIMESTAMP)
    if pa.types.is_string(kind):
        return _from_text(column)
    if pa.types.is_date(kind):
        column = column.cast(pa.date32(), safe=False).cast(pa.timestamp("s"))
    if not pa.types.is_timestamp(column.type):
        raise UserError(f"{file}: the timestamp column is {kind}: give it as text in ISO 8601 or as a timestamp")
    return _from_timestamps(column)


def missing(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """For each value whether there is none; an empty string is none."""
    none = pc.is_null(column)
    return pc.or_(none, pc.fill_null(pc.equal(column, ""), True)) if pa.types.is_string(column.type) else none


def _from_timestamps(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times outside the years 1 to 9999, which Python cannot represent, are null."""
    unit = PER_SECOND[column.type.unit]
    counts = column.cast(pa.int64())
    early, late = int(FIRST.timestamp()) * unit, (int(LAST.timestamp()) + 1) * unit
    if abs(early) < 2**63:  # nanoseconds reach neither end
        inside = pc.and_(pc.greater_equal(counts, early), pc.less(counts, late))
        counts = pc.if_else(inside, counts, pa.scalar(None, pa.int64()))
    return counts.cast(pa.timestamp(column.type.unit, "UTC")).cast(TIMESTAMP, safe=False)


def _from_text(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    plain = pc.all(pc.fill_null(pc.match_substring_regex(column, ARROW_READABLE), True)).as_py()
    if plain is not False:
        try:
            naive = pc.replace_substring_regex(column, UTC_SUFFIX, "")
            return pc.assume_timezone(naive.cast(pa.timestamp("us")), "UTC")
        except pa.ArrowInvalid:  # the 31st of February
            pass
    return pa.array([_parse(value) for value in column.to_pylist()], TIMESTAMP)


def _parse(value: str | None) -> datetime | None:
    if not value or not ISO_8601.fullmatch(value):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
