"""What of a source became no row, for the metrics and in words; nothing where all of it did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.ingest.selection import Selection

MAX_NAMED = 20
MAX_SHOWN = 5


def figures(selection: Selection, by_files: Sequence[str]) -> dict[str, Any]:
    """Records of the window that were left out, by reason, and files that hold none."""
    left = {"left_out": dict(sorted(selection.counts.items()))} if selection.counts else {}
    named = {"files_ignored": {"count": len(by_files), "first": list(by_files[:MAX_NAMED])}} if by_files else {}
    return left | named


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """A line on the records and one on the files."""
    if left := found.get("left_out"):
        yield "left out: " + ", ".join(f"{count} records ({reason})" for reason, count in left.items())
    if ignored := found.get("files_ignored"):
        names = [Path(file).name for file in ignored["first"][:MAX_SHOWN]]
        more = f" and {ignored['count'] - len(names)} more" if ignored["count"] > len(names) else ""
        yield f"ignored, because they hold no records: {', '.join(map(repr, names))}{more}"
