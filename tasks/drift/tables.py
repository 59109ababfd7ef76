"""The two sides: the pipeline's artefacts, or any two tables."""

from __future__ import annotations

from mmap import mmap
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.core.errors import UserError
from tasks.core.files import reading
from tasks.core.rows import as_one, inputs
from tasks.core.tables import batches, columns_of, may_be_given_back, on_disk, unpacked
from tasks.dataset import layout
from tasks.dataset.labels import label_format
from tasks.drift import Params
from tasks.drift.rows import MODE, OF_IMAGES, Rows, each_once, rows_from_table
from tasks.tables.any_table import empty_as_missing, read_any_table

USED = ("text", "text_pair", "prediction", "confidence", "label")
WHEN = "timestamp"
IMAGES = (MODE, *OF_IMAGES.values())
COLUMNS = ("id", "text", "text_pair", "label", WHEN, *IMAGES)  # of a row that is not scored yet


def reference_rows(params: Params) -> Rows:
    """The held-out reference rows of the pipeline, as scored: validation, then test."""
    splits = [_validated(layout.split(name), params) for name in layout.SCORED_SPLITS]
    return _scored(pa.concat_tables(splits, promote_options="default"), layout.window("reference"), params)


def training_texts() -> pa.ChunkedArray | None:
    """The texts of the pipeline's training rows; None where these are images."""
    file = layout.split("train")
    names = inputs(columns_of(file))
    return as_one([*unpacked(file, names).columns]) if "text" in names else None


def current_rows(params: Params) -> Rows:
    """The current rows of the pipeline that passed validation; none where there is no current data."""
    window = layout.window("current")
    return _scored(_validated(window.validated, params), window, params)


def current_baseline() -> list[str]:
    """What the baseline says of the current rows, in their order."""
    window = layout.window("current")
    ids, scored = unpacked(window.validated, ["id"]), unpacked(window.baseline, ["id", "prediction"])
    if not ids["id"].equals(scored["id"]):
        raise UserError(f"{window.baseline} is not of the rows that were validated: run `dvc repro`")
    found: list[str] = each_once(scored["prediction"]).tolist()
    return found


def _scored(table: pa.Table, window: layout.WindowPaths, params: Params) -> Rows:
    scored = unpacked(window.scored, ["id", "prediction", "confidence"])
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
    table = read_any_table(path)
    found = _wanted((*USED, WHEN, *IMAGES), table.column_names, params)
    selected = _if_labelled(pa.concat_tables(on_disk(map(empty_as_missing, batches(table.select(found))))))
    if not set(selected.column_names) & set(USED) and embeddings is None:
        raise UserError(f"{path} has none of the columns {', '.join(USED)}; it has {', '.join(table.column_names)}")
    values = None if embeddings is None else read_embeddings(embeddings)
    return rows_from_table(selected, values, params.group, path, params.slices, label_format())


def _validated(path: Path, params: Params) -> pa.Table:
    return _if_labelled(unpacked(path, _wanted(COLUMNS, columns_of(path), params)))


def _wanted(names: tuple[str, ...], among: list[str], params: Params) -> list[str]:
    """Those of the columns that there are."""
    wanted = dict.fromkeys((*names, *([params.group] if params.group else []), *params.slices))
    return [name for name in wanted if name in among]


def _if_labelled(table: pa.Table) -> pa.Table:
    """A column of labels without a single label counts as absent."""
    without = "label" in table.column_names and table.column("label").null_count == table.num_rows
    return table.drop_columns(["label"]) if without else table


def read_embeddings(path: Path) -> NDArray[np.float32]:
    """Embeddings [rows, width], left on disk until they are used."""
    with reading(path, "an array of numbers"):
        values: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
            raise ValueError("it holds something else")
    mapped: object = values.base
    if isinstance(mapped, mmap):
        may_be_given_back(mapped)
    return values
