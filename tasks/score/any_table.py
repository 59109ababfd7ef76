"""What a person hands over: an image, or a csv, tsv, jsonl or parquet table, written with our columns added."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.rows import Modality
from tasks.images import opened
from tasks.modelling.checkpoints import checkpoint
from tasks.tables.any_table import refuse_unknown_format, write_any_table


def refuse_other(given: Modality) -> None:
    """Refuse what the trained model does not read."""
    reads = checkpoint.reads(paths.CLASSIFIER)
    if reads != given:
        how = "python -m tasks.score --image FILE" if reads == "image" else "--text or --input"
        raise UserError(f"the model in {paths.CLASSIFIER} reads {reads}s: {how}")


def image(path: Path) -> bytes:
    """An encoded image that can be decoded."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    if fault := opened(data).fault:
        raise UserError(f"{path} cannot be scored: {fault.replace('_', ' ')}")
    return data


def texts(table: pa.Table, column: str, path: Path) -> list[str]:
    """The texts of a column, all of them there."""
    if column not in table.column_names:
        raise UserError(
            f"{path} has no column {column!r}; name one of these with --column: {', '.join(table.column_names)}"
        )
    found: list[str | None] = table[column].to_pylist()
    for number, text in enumerate(found, start=1):
        if not isinstance(text, str):
            raise UserError(f"{path}: column {column!r} holds {text!r} in row {number}, which is no text")
    return [text for text in found if text is not None]


def refuse_unwritable(table: pa.Table, names: list[str], path: Path) -> None:
    """Before anything is scored: the output's kind has to be known, and the names to be added have to be free."""
    refuse_unknown_format(path)
    taken = [name for name in names if name in table.column_names]
    if taken:
        raise UserError(f"the input has columns of the names to be added: {', '.join(taken)}; rename or drop them")


def write(table: pa.Table, made: pa.Table, path: Path) -> None:
    """``table`` with the columns of ``made`` after its own, as the kind of file that ``path`` names."""
    for name in made.column_names:
        table = table.append_column(name, made[name])
    write_any_table(table, path)
