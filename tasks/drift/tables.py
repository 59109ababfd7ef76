"""The two sides: the pipeline's artefacts, or any two tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.core.errors import UserError
from tasks.core.files import reading
from tasks.core.rows import as_one, inputs
from tasks.core.tables import columns_of, read_table
from tasks.dataset import layout
from tasks.dataset.labels import label_format
from tasks.drift import Params
from tasks.drift.rows import MODE, OF_IMAGES, Rows, rows_from_table
from tasks.tables.any_table import empty_as_missing, read_any_table

USED = ("text", "text_pair", "prediction", "confidence", "label")
WHEN = "timestamp"
IMAGES = (MODE, *OF_IMAGES.values())
COLUMNS = ("id", "text", "text_pair", "label", WHEN, *IMAGES)  # of a row that is not scored yet


def reference_rows(params: Params) -> Rows:
    """The held-out reference rows of the pipeline, as scored: validation, then test."""
    splits = [_select(read_table(layout.split(name)), COLUMNS, params) for name in layout.SCORED_SPLITS]
    return _scored(pa.concat_tables(splits, promote_options="default"), layout.window("reference"), params)


def training_texts() -> pa.Array | None:
    """The texts of the pipeline's training rows; None where these are images."""
    file = layout.split("train")
    names = inputs(columns_of(file))
    table = read_table(file, names)
    return as_one([table.column(name).combine_chunks() for name in names]) if "text" in names else None


def current_rows(params: Params) -> Rows:
    """The current rows of the pipeline that passed validation; none where there is no current data."""
    window = layout.window("current")
    return _scored(_select(read_table(window.validated), COLUMNS, params), window, params)


def current_baseline() -> list[str]:
    """What the baseline says of the current rows, in their order."""
    window = layout.window("current")
    ids, scored = read_table(window.validated, ["id"]), read_table(window.baseline, ["id", "prediction"])
    if not ids["id"].equals(scored["id"]):
        raise UserError(f"{window.baseline} is not of the rows that were validated: run `dvc repro`")
    found: list[str] = scored["prediction"].to_pylist()
    return found


def _scored(table: pa.Table, window: layout.WindowPaths, params: Params) -> Rows:
    scored = read_table(window.scored)
    if not table.column("id").equals(scored.column("id")):
        raise UserError(f"{window.scored} is not of the rows that were split: run `dvc repro`")
    for name in ("prediction", "confidence"):
        table = table.append_column(name, scored.column(name))
    embeddings = read_embeddings(window.embeddings)
    return rows_from_table(table, embeddings, params.group, window.scored, params.slices, label_format())


def read_rows(path: Path, embeddings: Path | None, params: Params) -> Rows:
    """The rows of a table on its own: csv, tsv, jsonl or parquet with any of text, prediction, confidence and label.

    Times in the column ``timestamp`` cut the reference into past windows.
    """
    table = empty_as_missing(read_any_table(path))
    selected = _select(table, (*USED, WHEN, *IMAGES), params)
    if not set(selected.column_names) & set(USED) and embeddings is None:
        raise UserError(f"{path} has none of the columns {', '.join(USED)}; it has {', '.join(table.column_names)}")
    values = None if embeddings is None else read_embeddings(embeddings)
    return rows_from_table(selected, values, params.group, path, params.slices, label_format())


def _select(table: pa.Table, names: tuple[str, ...], params: Params) -> pa.Table:
    """Those of the columns that the table has; a column of labels without a single label counts as absent."""
    wanted = dict.fromkeys((*names, *([params.group] if params.group else []), *params.slices))
    found = [name for name in wanted if name in table.column_names]
    if "label" in found and table.column("label").null_count == table.num_rows:
        found.remove("label")
    return table.select(found)


def read_embeddings(path: Path) -> NDArray[np.float32]:
    """Embeddings [rows, width], left on disk until they are used."""
    with reading(path, "an array of numbers"):
        values: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
            raise ValueError("it holds something else")
    return values
