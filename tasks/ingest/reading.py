"""What is found while a window is read: how many records went where, formats of times, and columns that changed."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from tasks.core.errors import UserError
from tasks.ingest import sources
from tasks.ingest.column_changes import Change, ColumnChanges, FileColumns, held
from tasks.ingest.fields import extras
from tasks.ingest.parts import Part
from tasks.ingest.selection import Selection
from tasks.ingest.watched_source import is_watched
from tasks.ingest.windows import Plan, RecordCounts


class Reading:
    """Filled part by part."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.counts, self.clock = plan, RecordCounts(), plan.clock()
        self.opening = plan.opening()
        self.selection = Selection(plan.section.where)
        self.renamed: dict[str, str] = {}
        """Columns that play no part and bear the name of one of ours, and what they are kept as."""
        self.changes: list[Change] = []
        """Columns that differ between files that have rows in the window."""
        self.later: dict[str, str] = {}
        """By id, the latest landed part with a row in another window."""
        self._columns: ColumnChanges | None = None
        self._noted = set[str]()

    def compare(self, part: Part) -> list[Change]:
        """The columns of the part's file that changed since the source's first, or the reference's."""
        if self.plan.section.columns_differ == "allow":
            return []
        if self._columns is None:
            self._columns = self._compared_with()
        return self._columns.of(part)

    def _compared_with(self) -> ColumnChanges:
        """The columns of the reference's first file, where it has another source. Why it cannot be read is noted: its
        own run refuses it."""
        other = self.plan.reference
        if other is None or other.columns.image or not is_watched(other.source_key, other.source, self.plan.window):
            return ColumnChanges()
        both = (other.columns, self.plan.columns)
        besides = {name for columns in both for name in columns.model_dump().values()} if both[0] != both[1] else set()
        try:
            first = sources.list_files(other.source, other.source_key)[0]
            part = next(sources.read_parts(first, other.opening(), other.source), None)
        except UserError as error:
            self.opening.notes.lines.append(f"columns are not compared with the reference's: {error}")
            return ColumnChanges()
        return ColumnChanges(FileColumns.of(part, besides) if part else None, besides)

    def note(self, part: Part, rows: pa.Table) -> pa.Table:
        """Note what is odd about the columns of a part; its rows, held if ``ingest.columns_differ`` says so."""
        self.renamed |= {name: new for name, new in extras(part, self.plan.columns).items() if name != new}
        policy = self.plan.section.columns_differ
        changes = self.compare(part)
        if changes and policy == "stop":
            others = f", and {len(changes) - 1} more columns differ" if changes[1:] else ""
            raise UserError(f"{changes[0]}{others}: correct the file, or set ingest.columns_differ to say or hold")
        if part.file not in self._noted:
            self._noted.add(part.file)
            self.changes += changes
        return held(rows) if changes and policy == "hold" else rows

    def findings(self) -> dict[str, Any]:
        """For the metrics; empty where there is nothing to say."""
        changes = [{"kind": one.kind, "column": one.column, "file": one.file} for one in self.changes]
        return ({"renamed_columns": self.renamed} if self.renamed else {}) | (
            {"columns_differ": changes} if changes else {}
        )
