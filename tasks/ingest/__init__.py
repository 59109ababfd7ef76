"""Ingest one window of the source, every record of it: ``python -m tasks.ingest --window reference|current``.

Reads ``ingest.source`` (a file or a folder in name order: csv, tsv, jsonl, parquet) and writes
``data/<window>/raw.parquet`` and ``metrics/ingest_<window>.json``. Rows keep the order of the source. Text is kept code
point for code point. A record that cannot be read in full is a row too, with the reason in ``problem`` and, where
something could not be carried over, the record as it stood in ``source_bytes``. A row whose time is missing or
unreadable goes to the current window, or to the only window that reads its source.

Not covered: compressed files, encodings other than UTF-8.
"""

from __future__ import annotations

from tasks.params import Columns, Section


class Params(Section):
    """Section ``ingest``."""

    source: str | None = None
    """File or folder in the repository, tracked by git or DVC; null only if each window names its own."""
    columns: Columns = Columns(text="text", label="label")
    """Which column of the source plays which part; a window may name its own."""
