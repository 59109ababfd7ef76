"""Times of the source as UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from tasks.errors import Refused
from tasks.ingest.part import Part
from tasks.schema import TIMESTAMP


@dataclass
class Misread:
    """Positions of rows without a time, and of rows with one that cannot be read."""

    missing: list[int] = field(default_factory=list)
    garbled: list[int] = field(default_factory=list)


def read(column: pa.ChunkedArray | None, part: Part) -> tuple[list[datetime | None], Misread]:
    """UTC times, None where there is none or it is not ISO 8601; a time without a zone is taken to be UTC.

    Refused: a column that holds neither text nor times, since a number says neither its unit nor its origin.
    """
    misread = Misread()
    if column is None:
        return [None] * part.records, misread
    values = _typed(column, part.file)
    moments = [_moment(value) for value in values]
    for place, (value, moment) in enumerate(zip(values, moments, strict=True)):
        if moment is None:
            (misread.garbled if value else misread.missing).append(place)
    return moments, misread


def _typed(column: pa.ChunkedArray, file: str) -> list[str | datetime | None]:
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_null(kind):
        return list(column.to_pylist())
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        naive = kind.tz is None if pa.types.is_timestamp(kind) else True
        column = column.cast(pa.timestamp("us") if naive else TIMESTAMP, safe=False)
        return list((pc.assume_timezone(column, "UTC") if naive else column).to_pylist())
    raise Refused(f"{file}: the timestamp column is {kind}: give it as text in ISO 8601 or as a timestamp")


def _moment(value: str | datetime | None) -> datetime | None:
    if value is None or value == "":
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
