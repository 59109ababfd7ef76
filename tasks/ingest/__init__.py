"""Ingest one window of the source, every record of it: ``python -m tasks.ingest --window reference|current``.

Reads ``ingest.source`` (a file or a folder in name order: csv, tsv, json, jsonl, ndjson, plain or packed as .gz or
.zst, parquet, xlsx, ods, xls; docs/formats.md) and writes ``data/<window>/raw.parquet`` and
``metrics/ingest_<window>.json``. Rows keep the order of the source. Text is kept code point for code point. A record
that cannot be read in full is a row too, with the reason in ``problem`` and, where something could not be carried over,
the record as it stood in ``source_bytes``. A row whose time is missing or unreadable goes to the current window, or to
the only window that reads its source. Records that ``where`` does not name, and answers that are no labels, are no
rows; they are counted.

With ``columns.image`` the rows are images (``images.py``): their encoded bytes, which nothing here decodes.

Files are UTF-8 unless they begin with the byte order mark of another encoding or ``encoding`` says so. How a csv or
tsv file is written is detected (``dialect.py``), said where it is not plain, and set by ``dialect`` and ``files``.

Rows wait in a file for the last one, so that a window need not fit into memory; ids and late labels must.

Not covered: archives of several files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, field_validator

from tasks.core.params import Section
from tasks.dataset.windows import Columns
from tasks.ingest.decoding import ExportFormat
from tasks.ingest.dialect_params import DialectKeys, FileKeys, known_encoding
from tasks.ingest.time_formats import NAMED

Value = str | bool | int | float | None


class Params(Section):
    """Section ``ingest``."""

    source: str | None = None
    """File or folder in the repository, tracked by git or DVC; null only if each window names its own."""
    columns: Columns = Columns(text="text", label="label")
    """Which column of the source plays which part; a window may name its own."""
    label_separator: str | None = Field(default=None, min_length=1)
    """With ``task: multi_label``: what stands between the labels of a text column, such as ";"; null: the column holds
    lists."""
    encoding: Annotated[str | None, AfterValidator(known_encoding)] = None
    """Encoding of csv, tsv and jsonl files that begin with no byte order mark, such as cp1252; null: UTF-8."""
    dialect: DialectKeys = DialectKeys()
    """How csv and tsv files are written, where that is not to be detected."""
    files: Mapping[str, FileKeys] = Field(default_factory=dict)
    """By pattern, such as eu/*.csv, the same and the encoding for files whose path ends like it; the first counts."""
    time_format: str | None = None
    """Of the timestamp column: iso, rfc2822, epoch_s, epoch_ms, epoch_us, epoch_ns, or as strptime writes it
    ("%d.%m.%Y %H:%M"); null: proposed from each file's values, and refused where they leave day and month open."""
    time_zone: str | None = None
    """Of times that name none, such as Europe/Berlin; null: UTC. Of an hour that occurs twice the first is taken."""
    max_undated: float = Field(default=0.05, ge=0, le=1)
    """Largest share of the source's records that may have no time that can be read."""
    columns_differ: Literal["allow", "say", "hold", "stop"] = "say"
    """What a new, missing or re-typed column of a later file means: nothing, a printed line, its rows are quarantined,
    or the run stops."""
    format: ExportFormat | None = None
    """The tool whose export the source is: label_studio, doccano, prodigy, or database_text (PostgreSQL, MySQL)."""
    records: str | None = None
    """Where the records of a .json file are that is one object, such as data.items."""
    sheet: str | None = None
    """Which sheet of an .xlsx, .ods or .xls file; null: the first."""
    where: Mapping[str, Value | list[Value]] = Field(default_factory=dict)
    """Which rows are read, by column: the value it must have, or a list of them ({lang: en, split: [train, dev]})."""
    max_bytes: int = Field(default=4 << 30, ge=1)
    """Most bytes, unpacked, of one source."""

    @field_validator("time_format")
    @classmethod
    def _readable(cls, form: str | None) -> str | None:
        try:
            if form is not None and form not in NAMED:
                datetime.strptime(datetime(2000, 12, 31).strftime(form), form)
                if not re.search("%[YyscxGD]", form):
                    raise ValueError
        except ValueError:
            raise ValueError(f"name one of {', '.join(NAMED)}, or a format of strptime with a year") from None
        return form

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, name: str | None) -> str | None:
        try:
            return name and ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("name a zone of the IANA database, such as Europe/Berlin") from None
