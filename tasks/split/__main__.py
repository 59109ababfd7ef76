"""Read the validated reference rows and write the splits: ``python -m tasks.split``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.core import params, paths
from tasks.core.cli import run
from tasks.core.files import write_metrics
from tasks.core.rows import TEXT, TEXT_PAIR, as_one, inputs, modality
from tasks.core.tables import batches, unpacked, writing_table
from tasks.dataset import labels, layout
from tasks.dataset.labels import SINGLE, LabelFormat
from tasks.dataset.schema import REASONS
from tasks.split import NAMES, Params
from tasks.split.assignment import assign, column_of, own_splits
from tasks.split.empty import refuse_empty
from tasks.split.neighbours import Pairs, earlier_by_row, near_duplicates

QUARANTINE = "quarantine"


def split(
    rows: pa.Table, section: Params, seed: int, cells: LabelFormat = SINGLE
) -> tuple[dict[str, pa.Table], dict[str, object]]:
    """The tables train, validation, test and quarantine (with ``reasons``) in source order, and their figures.

    ``cells``: how labels are written.
    """
    splits, figures = assigned(rows, section, seed, cells)
    return {name: _table(rows, splits, name) for name in (*NAMES, QUARANTINE)}, figures


def assigned(
    rows: pa.Table, section: Params, seed: int, cells: LabelFormat = SINGLE
) -> tuple[pa.Array, dict[str, object]]:
    """The split of each row, or quarantine, and the figures."""
    pairs = _near_duplicates(rows, section)
    groups = column_of(rows, section.group, "group") if section.group else None
    own = own_splits(rows, section, seed, cells)
    found = assign(own, earlier_by_row(pairs), len(rows), groups, _firsts(rows, section), joins=section.by == "hash")
    splits = pc.fill_null(pa.array(found, pa.string()), QUARANTINE)
    counts = {name: pc.sum(pc.equal(splits, name)).as_py() or 0 for name in (*NAMES, QUARANTINE)}
    refuse_empty(counts, rows, section)
    seconds = _seconds_in_train(rows[TEXT_PAIR], splits) if TEXT_PAIR in rows.column_names else {}
    return splits, _figures(rows["label"], splits, counts, pairs, cells) | seconds


def _table(rows: pa.Table, splits: pa.Array, name: str) -> pa.Table:
    """The rows of one split, with reasons where it is the quarantine."""
    found = rows.filter(pc.equal(splits, name))
    if name != QUARANTINE:
        return found
    return found.append_column(REASONS, pa.array([["bridges_splits"]] * len(found), REASONS.type))


def _near_duplicates(rows: pa.Table, section: Params) -> Pairs:
    if section.similarity is None or modality(rows.column_names) == "image":
        return np.empty((0, 2), np.int64)
    return near_duplicates(as_one([rows[name] for name in inputs(rows.column_names)]), section.similarity)


def _firsts(rows: pa.Table, section: Params) -> list[str] | None:
    """Of pairs, what tells their first texts apart: rows that share one stay together."""
    if section.similarity is None or TEXT_PAIR not in rows.column_names:
        return None
    return [" ".join((text.as_py() or "").casefold().split()) for text in rows[TEXT]]


def _figures(
    column: pa.ChunkedArray, splits: pa.Array, counts: Mapping[str, int], pairs: Pairs, cells: LabelFormat
) -> dict[str, object]:
    return {
        "rows": dict(counts),
        "labels": {name: _counts(column.filter(pc.equal(splits, name)), cells) for name in NAMES},
        "near_duplicate_rows": int(np.unique(pairs).size),
        "reasons": {"bridges_splits": counts[QUARANTINE]},
    }


def _seconds_in_train(seconds: pa.ChunkedArray, splits: pa.Array) -> dict[str, object]:
    """How many held-out rows have a second text that a row of train has too; their first texts never are."""
    known = seconds.filter(pc.equal(splits, "train")).unique()
    held_out = {name: seconds.filter(pc.equal(splits, name)) for name in ("validation", "test")}
    counts = {name: pc.sum(pc.is_in(its, value_set=known)).as_py() or 0 for name, its in held_out.items()}
    return {"text_pair_in_train": counts}


def _counts(column: pa.ChunkedArray, cells: LabelFormat) -> dict[str, int]:
    if cells.several:
        return dict(sorted(cells.count(column.to_pylist()).items()))
    return {str(entry["values"]): entry["counts"] for entry in sorted(column.value_counts().to_pylist(), key=str)}


def write_splits(rows: pa.Table, splits: pa.Array, folder: Path) -> None:
    """One parquet file for each split and the quarantine."""
    schemas = {name: _table(rows.slice(0, 0), splits.slice(0, 0), name).schema for name in (*NAMES, QUARANTINE)}
    with ExitStack() as stack:
        write = {
            name: stack.enter_context(writing_table(folder / f"{name}.parquet", schema))
            for name, schema in schemas.items()
        }
        start = 0
        for batch in batches(rows):
            for name in write:
                write[name](_table(batch, splits.slice(start, len(batch)), name))
            start += len(batch)


def main() -> None:
    """Run the stage on the repository's paths."""
    rows = unpacked(layout.window("reference").validated)
    splits, figures = assigned(rows, params.load(Params, "split"), params.general().seed, labels.label_format())
    write_splits(rows, splits, layout.SPLITS)
    write_metrics(figures, paths.metrics("split"))
    print("  ".join(f"{name} {count}" for name, count in figures["rows"].items()))  # type: ignore[attr-defined]


if __name__ == "__main__":
    run(main)
