"""Files given on the command line: a csv, tsv, jsonl or parquet table, written with columns added."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from tasks.core import paths, recorded
from tasks.core.errors import UserError
from tasks.core.rows import Modality
from tasks.modelling.checkpoints import checkpoint
from tasks.tables.any_table import refuse_unknown_format, write_any_table


def require_modality(given: Modality) -> None:
    """UserError unless the trained model is as it was made, and for such rows."""
    recorded.require_output(paths.CLASSIFIER)
    expected = checkpoint.modality_of(paths.CLASSIFIER)
    if expected != given:
        option = "--image" if expected == "image" else "--text or --input"
        raise UserError(f"the model in {paths.CLASSIFIER} is for {expected}s: use {option}")


def require_pair(given: bool, option: str) -> None:
    """UserError unless the trained model reads as many texts as are given; ``option`` names the second."""
    if given != checkpoint.reads_pairs(paths.CLASSIFIER):
        remedy = f"leave out {option}" if given else f"give the second one with {option}"
        raise UserError(f"the model in {paths.CLASSIFIER} reads {'one text' if given else 'two texts'} a row: {remedy}")


def texts(table: pa.Table, column: str, path: Path, option: str = "--column") -> list[str]:
    """The texts of a column; UserError if one is missing."""
    if column not in table.column_names:
        raise UserError(
            f"{path} has no column {column!r}; name one of these with {option}: {', '.join(table.column_names)}"
        )
    found: list[str | None] = table[column].to_pylist()
    for number, text in enumerate(found, start=1):
        if not isinstance(text, str):
            raise UserError(f"{path}: row {number} has {text!r} in column {column!r}, which is not a text")
    return [text for text in found if text is not None]


def refuse_unwritable(table: pa.Table, names: list[str], path: Path) -> None:
    """UserError for an output of unknown type, or if the input already has the columns to be added."""
    refuse_unknown_format(path)
    taken = [name for name in names if name in table.column_names]
    if taken:
        raise UserError(f"the input already has columns {', '.join(taken)}: rename or drop them")


def write(table: pa.Table, added: pa.Table, path: Path) -> None:
    """``table`` with the columns of ``added`` appended, its type by the suffix of ``path``."""
    for name in added.column_names:
        table = table.append_column(name, added[name])
    write_any_table(table, path)
