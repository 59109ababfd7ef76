"""The traits of a row by which the rows are sliced: declared columns, text length, time, script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from itertools import pairwise

import numpy as np
import pyarrow as pa
import regex

from tasks.core.rows import contents, modality, whole
from tasks.evaluate import Slices

NONE = "(none)"
PARTS = 4  # equally many rows in each part of a number's range
OF_IMAGES = ("image_width", "image_height", "image_mode", "image_brightness", "image_contrast", "image_bytes")
SCRIPT_FROM = 2000  # the first characters of a text, which decide its script
# The living ones; letters of another are "Other".
SCRIPTS = (
    "Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Han", "Hiragana", "Katakana", "Hangul", "Devanagari",
    "Bengali", "Tamil", "Telugu", "Thai", "Armenian", "Bopomofo", "Cherokee", "Ethiopic", "Georgian",
    "Gujarati", "Gurmukhi", "Kannada", "Khmer", "Lao", "Malayalam", "Mongolian", "Myanmar", "Oriya",
    "Sinhala", "Syriac", "Thaana", "Tibetan", "Yi",
)  # fmt: skip
MAX_MONTHS = 24  # of data; rows that span more are sliced by year
Traits = dict[str, list[str]]


def traits(rows: pa.Table, section: Slices) -> Traits:
    """The value of each declared trait that the rows have, row for row."""
    missing = missing_columns(rows, section)
    found = {column: _of_column(rows, column) for column in section.columns if column not in missing}
    texts = [whole(text) for text in contents(rows)] if modality(rows.column_names) == "text" else None
    if texts is None and section.image:
        found |= {column.removeprefix("image_"): _of_column(rows, column) for column in OF_IMAGES}
    if texts is not None and section.text_length:
        found["text length"] = by_size([len(text) for text in texts], " characters")
    if section.time and rows["timestamp"].null_count < len(rows):
        found["time"] = by_time(rows["timestamp"].to_pylist())
    if texts is not None and section.script:
        found["script"] = [script(text) for text in texts]
    return found


def missing_columns(rows: pa.Table, section: Slices) -> list[str]:
    """The declared columns that the rows do not have: a finding, since everything else can be evaluated."""
    return [column for column in section.columns if column not in rows.column_names]


def _of_column(rows: pa.Table, column: str) -> list[str]:
    values, kind = rows[column].to_pylist(), rows.schema.field(column).type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return by_time(values)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return by_size(values)
    return [NONE if value is None else str(value) for value in values]


def by_size(values: Sequence[float | None], unit: str = "") -> list[str]:
    """Parts of their range with equally many rows; few different numbers stay as they are."""
    known = sorted({value for value in values if value is not None})
    if len(known) <= PARTS:
        return [NONE if value is None else f"{value:,}{unit}" for value in values]
    there = np.array([value for value in values if value is not None])
    cuts = sorted(set(np.quantile(there, np.arange(1, PARTS) / PARTS, method="lower").tolist()))
    names = list(_names(cuts, unit))
    return [NONE if value is None else names[int(np.searchsorted(cuts, value, "left"))] for value in values]


def _names(cuts: list[float], unit: str) -> Iterator[str]:
    yield f"up to {cuts[0]:,}{unit}"
    for low, high in pairwise(cuts):
        yield f"over {low:,} to {high:,}{unit}"
    yield f"over {cuts[-1]:,}{unit}"


def by_time(moments: Sequence[datetime | None]) -> list[str]:
    """The month, or where the rows lie within one the day, or where they span many the year."""
    known = [moment for moment in moments if moment is not None]
    months = {(moment.year, moment.month) for moment in known}
    years, first = [year for year, _ in months], "%Y-%m"
    if len(months) <= 1:
        first = "%Y-%m-%d"
    elif (max(years) - min(years)) * 12 > MAX_MONTHS:
        first = "%Y"
    return [NONE if moment is None else moment.strftime(first) for moment in moments]


def script(text: str) -> str:
    """The script that most of the letters belong to, by Unicode's property; letters common to many do not count."""
    counts = Counter(found.lastgroup or "Other" for found in _letters().finditer(text, 0, SCRIPT_FROM))
    return min(counts, key=lambda name: (-counts[name], name)) if counts else NONE


@cache
def _letters() -> regex.Pattern[str]:
    """A letter, in the group of its script; in none where the script is not listed."""
    groups = "|".join(rf"(?P<{name}>\p{{Script={name}}})" for name in SCRIPTS)
    return regex.compile(rf"(?=\p{{L}})[^\p{{Script=Common}}\p{{Script=Inherited}}](?:(?<={groups})|)")
