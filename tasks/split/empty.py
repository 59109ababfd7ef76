"""Why a split has no rows, and which key settles it."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from tasks.core.errors import UserError
from tasks.core.rows import TEXT, TEXT_PAIR
from tasks.split import NAMES, Params


def refuse_empty(counts: Mapping[str, int], rows: pa.Table, params: Params) -> None:
    """UserError where a split has no rows: the figures, and the key that settles it."""
    empty = [name for name in NAMES if not counts[name]]
    if empty:
        has = ", ".join(f"{name} {counts[name]}" for name in (*NAMES, "quarantine"))
        raise UserError(
            f"split: no row was assigned to {' and '.join(empty)} of {len(rows)} reference rows ({has}): "
            + _remedy(rows, params)
        )


def _remedy(rows: pa.Table, params: Params) -> str:
    if params.by == "time":
        return "move split.validation_from or split.test_from, or widen windows.reference"
    if params.by == "given":
        return f"the column {params.given!r} that split.given names must hold all three, or choose another split.by"
    if params.group:
        values = len(rows[params.group].unique().drop_null())
        return f"split.group {params.group!r} has {values} values, three are needed; add rows or set split.group: null"
    if params.similarity is not None and TEXT_PAIR in rows.column_names:
        firsts = len(rows[TEXT].unique())
        if firsts < len(rows) / 2:
            return (
                f"rows that share a first text stay together, and they have only {firsts}: exchange "
                "ingest.columns.text and text_pair, or set split.similarity: null"
            )
    shares = f"split.validation is {params.validation:g} and split.test {params.test:g} of {len(rows)} rows"
    if params.stratify:
        return f"{shares} with {len(rows['label'].unique())} labels (split.stratify): raise them, or add rows"
    return f"{shares}: raise them, add rows, or set split.stratify: true, which leaves less to chance"
