"""What the rows that have just landed change in rows that landed before."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Any

import pyarrow as pa

from tasks.core.errors import UserError
from tasks.core.rows import modality
from tasks.ingest import fields, sources
from tasks.ingest.ids import same_ids
from tasks.ingest.repeated import judge
from tasks.ingest.retired import without_retired
from tasks.ingest.windows import Plan
from tasks.land.parts import Parts
from tasks.redaction import excerpt

MAX_SHOWN, MAX_EXCERPT = 5, 60  # rows; characters of a text


def correction_notes(parts: Parts, before: int) -> list[str]:
    """How many rows the parts after the first ``before`` correct, and old and new of some, where ids are known."""
    added = {file.as_posix() for file in parts.files[before:]}
    plan = parts.plan
    if not (added and before and plan and plan.columns.id):
        return []
    with suppress(UserError):  # ingest names what it cannot read; here it is only shown
        return _notes(_rows(parts, plan), added)
    return []


def _rows(parts: Parts, plan: Plan) -> pa.Table:
    opening, clock, names = plan.opening(), plan.clock(), fields.base(plan.columns).names
    read = (part for file in without_retired(parts.files) for part in sources.read_parts(file, opening))
    return pa.concat_tables([fields.rows(part, plan.columns, clock, plan.syntax).select(names) for part in read])


def _notes(rows: pa.Table, added: Collection[str]) -> list[str]:
    replaced = judge(rows, same_ids(rows["id"].combine_chunks()), {}).superseded_by
    pairs = [(old, new) for old, new in replaced.items() if rows["source_file"][new].as_py() in added]
    if not pairs:
        return []
    shown = [_shown(*rows.take(pa.array(pair, pa.int64())).to_pylist()) for pair in pairs[:MAX_SHOWN]]
    more = [f"and {len(pairs) - MAX_SHOWN} more"] if len(pairs) > MAX_SHOWN else []
    return [f"{len(pairs)} rows that landed before are corrected:", *(f"  {line}" for line in [*shown, *more])]


def _shown(old: dict[str, Any], new: dict[str, Any]) -> str:
    kind = modality(old)
    changed = [name for name in (kind, "label", "timestamp") if old[name] != new[name]]
    diffs = [f"{name} {_value(old[name])} -> {_value(new[name])}" for name in changed]
    return f"{old['id']}: {', '.join(diffs)}"


def _value(value: object) -> str:
    if value is None:
        return "none"
    return f"{len(value)} bytes" if isinstance(value, bytes) else repr(excerpt(str(value), MAX_EXCERPT))
