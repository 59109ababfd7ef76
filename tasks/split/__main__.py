"""Read the validated reference rows and write the splits: ``python -m tasks.split``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from tasks.core import params, paths
from tasks.core.cli import run
from tasks.core.files import write_metrics
from tasks.core.rows import modality
from tasks.core.tables import read_table, write_table
from tasks.dataset import labels, layout
from tasks.dataset.labels import SINGLE, LabelFormat
from tasks.dataset.schema import REASONS
from tasks.split import NAMES, Params
from tasks.split.assignment import assign, column_of, own_splits
from tasks.split.empty import refuse_empty
from tasks.split.neighbours import Pairs, earlier_by_row, near_duplicates


def split(
    rows: pa.Table, section: Params, seed: int, cells: LabelFormat = SINGLE
) -> tuple[dict[str, pa.Table], dict[str, object]]:
    """The tables train, validation, test and quarantine (with ``reasons``) in source order, and their figures.

    ``cells``: how labels are written.
    """
    pairs = _near_duplicates(rows, section)
    groups = column_of(rows, section.group, "group") if section.group else None
    own = own_splits(rows, section, seed, cells)
    splits = assign(own, earlier_by_row(pairs), len(rows), groups, joins=section.by == "hash")
    tables: dict[str, pa.Table] = {name: rows.filter(pa.array([split == name for split in splits])) for name in NAMES}
    quarantined = rows.filter(pa.array([split is None for split in splits]))
    reasons = pa.array([["bridges_splits"]] * len(quarantined), REASONS.type)
    tables["quarantine"] = quarantined.append_column(REASONS, reasons)
    refuse_empty(tables, rows, section)
    return tables, _figures(tables, pairs, cells)


def _near_duplicates(rows: pa.Table, section: Params) -> Pairs:
    if section.similarity is None or modality(rows.column_names) == "image":
        return np.empty((0, 2), np.int64)
    return near_duplicates([text or "" for text in rows["text"].to_pylist()], section.similarity)


def _figures(tables: dict[str, pa.Table], pairs: Pairs, cells: LabelFormat) -> dict[str, object]:
    return {
        "rows": {name: len(table) for name, table in tables.items()},
        "labels": {name: _counts(tables[name]["label"], cells) for name in NAMES},
        "near_duplicate_rows": int(np.unique(pairs).size),
        "reasons": {"bridges_splits": len(tables["quarantine"])},
    }


def _counts(column: pa.ChunkedArray, cells: LabelFormat) -> dict[str, int]:
    if cells.several:
        return dict(sorted(cells.count(column.to_pylist()).items()))
    return {str(entry["values"]): entry["counts"] for entry in sorted(column.value_counts().to_pylist(), key=str)}


def write_splits(tables: dict[str, pa.Table], folder: Path) -> None:
    """One parquet file for each table."""
    for name, table in tables.items():
        write_table(table, folder / f"{name}.parquet")


def main() -> None:
    """Run the stage on the repository's paths."""
    rows = read_table(layout.window("reference").validated)
    tables, figures = split(rows, params.load(Params, "split"), params.general().seed, labels.label_format())
    write_splits(tables, layout.SPLITS)
    write_metrics(figures, paths.metrics("split"))
    print("  ".join(f"{name} {len(table)}" for name, table in tables.items()))


if __name__ == "__main__":
    run(main)
