"""What a hostile input is, and what must become of it. Nothing here uses the readers that are tested."""

from __future__ import annotations

import csv
import gzip
import io
import json
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

COLUMNS = {"text": "text", "label": "label"}


@dataclass(frozen=True)
class Row:
    """A record that was planted."""

    text: str | None
    label: str | None = "a"
    reason: str | None = None
    """None: it passes; else one of the reasons it must be quarantined for."""
    source: bytes | None = None
    """What must be kept of a record that could not be read."""
    extra: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Expect:
    """Either all records in order, or words of the refusal."""

    source: str
    rows: list[Row] | None = None
    refused: tuple[str, ...] = ()
    columns: dict = field(default_factory=lambda: COLUMNS)
    ingest: dict = field(default_factory=dict)
    validate: dict = field(default_factory=dict)
    seconds: float = 20


GOOD = [Row("the first good row", "a"), Row("another good row", "b")]


def as_csv(records, delimiter=",", header=("text", "label")):
    """Records (tuples of strings) as csv quotes them."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows([header, *records])
    return out.getvalue()


def as_jsonl(records, header=("text", "label")):
    return "".join(json.dumps(dict(zip(header, r, strict=True)), ensure_ascii=False) + "\n" for r in records)


def as_parquet(records, header=("text", "label")):
    out = io.BytesIO()
    columns = zip(*records, strict=True) if records else [[] for _ in header]
    pq.write_table(pa.table([pa.array(c, pa.string()) for c in columns], names=list(header)), out)
    return out.getvalue()


def packed(name, records, header=("text", "label")):
    """The records as the ending of the name says."""
    path, pack = Path(name), bytes
    if path.suffix in (".gz", ".zst"):
        pack = gzip.compress if path.suffix == ".gz" else zstandard.compress
        path = path.with_suffix("")
    if path.suffix == ".parquet":
        return pack(as_parquet(records, header))
    if path.suffix == ".jsonl":
        return pack(as_jsonl(records, header).encode())
    return pack(as_csv(records, "\t" if path.suffix == ".tsv" else ",", header).encode())


def put(name, content):
    """Write a file below the current folder."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return name


def good(*odd, before=GOOD):
    """The rows of ``before``, then the odd ones."""
    return [*before, *odd]


def pairs(rows):
    return [(row.text, row.label) for row in rows]
