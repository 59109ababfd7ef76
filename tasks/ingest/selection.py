"""Which records become rows: those that ``ingest.where`` names and that hold an answer. All others are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.errors import UserError
from tasks.ingest import Value
from tasks.ingest.column_names import refuse_missing
from tasks.ingest.parts import Part
from tasks.ingest.windows import Plan, RecordCounts, select_rows

WHERE = "where"
"""The word by which records are counted that ``ingest.where`` leaves out."""
MAX_SHOWN = 10


@dataclass
class Selection:
    """The filter of a source, and how many records it left out of the window."""

    where: Mapping[str, Value | list[Value]]
    counts: Counter[str] = field(default_factory=Counter)
    """By the word why."""
    seen: dict[str, Counter[str | None]] = field(default_factory=dict)
    """By column, the values that it holds."""

    def mark(self, part: Part) -> Part:
        """The part, with the records marked that the filter leaves out."""
        if not self.where or not part.records:
            return part
        kept = pa.chunked_array([pa.repeat(pa.scalar(True), part.records)])
        for name, wanted in self.where.items():
            values = _texts(part, name)
            self._note(name, values)
            kept = pc.and_(kept, pc.is_in(values, value_set=_written(wanted)))
        left = dict.fromkeys(pc.indices_nonzero(pc.invert(kept)).to_pylist(), WHERE)
        return replace(part, left_out={**left, **part.left_out})

    def leave_out(self, rows: pa.Table, part: Part, plan: Plan, counts: RecordCounts) -> pa.Table:
        """The rows of a part without those left out, which are counted."""
        if not part.left_out:
            return rows
        counts.left_out += len(part.left_out)
        counts.records += len(part.left_out)
        words = pa.array([part.left_out.get(i) for i in range(part.records)], pa.string())
        out = rows.append_column(WHERE, words).filter(pc.is_valid(words))
        self.counts.update(select_rows(out, plan, RecordCounts())[WHERE].to_pylist())
        return rows.filter(pc.is_null(words))

    def require(self, file: str, known: Iterable[str]) -> None:
        """Refuse a filter on a column that is not there."""
        for name in self.where:
            refuse_missing(file, name, known, "ingest.where")

    def refuse_nothing_left(self, kept: bool, plan: Plan, counts: RecordCounts) -> None:
        """Refuse a source of whose records nothing is left; ``kept``: whether any is a row of the window."""
        if kept or not counts.left_out or counts.records > counts.left_out:
            return
        values = [f"{name} holds {_listed(seen)}" for name, seen in self.seen.items()]
        why = f"none is as ingest.where says: {'; '.join(values)}" if values else "none holds an answer"
        settle = "change ingest.where" if values else "label some, or name another source"
        raise UserError(f"{plan.source_key}: of {counts.records} records of {plan.source} {why}: {settle}")

    def _note(self, name: str, values: pa.ChunkedArray) -> None:
        found = self.seen.setdefault(name, Counter())
        for entry in pc.value_counts(values).to_pylist() if len(found) < MAX_SHOWN else ():
            found[entry["values"]] += entry["counts"]


def _texts(part: Part, name: str) -> pa.ChunkedArray:
    """The values as they are written, null where there is none."""
    if name not in part.table.column_names:
        return pa.chunked_array([pa.nulls(part.records, pa.string())])
    try:
        texts = part.table[name].cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise UserError(f"ingest.where: column {name!r} of {part.file} is {part.table[name].type}, not text") from None
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def _written(wanted: Value | list[Value]) -> pa.Array:
    values = wanted if isinstance(wanted, list) else [wanted]
    texts = [str(one).lower() if isinstance(one, bool) else str(one) for one in values if one not in (None, "")]
    return pa.array([*texts, *([None] if None in values or "" in values else [])], pa.string())


def _listed(seen: Counter[str | None]) -> str:
    return ", ".join(f"{value!r} ({count})" for value, count in seen.most_common(MAX_SHOWN))
