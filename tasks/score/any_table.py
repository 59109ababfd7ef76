"""What a person hands over: an image, or a csv, tsv, jsonl or parquet table, written with our columns added."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.files import replacing
from tasks.core.rows import Modality
from tasks.core.tables import write_table
from tasks.images import opened
from tasks.modelling.checkpoints import checkpoint


def _read_delimited(delimiter: str) -> Callable[[Path], pa.Table]:
    def read(path: Path) -> pa.Table:
        """Every value stays the text it is: 007 is no number here."""
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *rows = csv.reader(file, delimiter=delimiter, strict=True)
        columns = zip(*_of_width(rows, len(header), path), strict=True) if rows else [()] * len(header)
        return pa.table([pa.array(column, pa.string()) for column in columns], names=header)

    return read


def _of_width(rows: list[list[str]], width: int, path: Path) -> Iterator[list[str]]:
    for number, row in enumerate(rows, start=2):
        if len(row) != width:
            raise UserError(f"{path}: record {number} has {len(row)} values, the header names {width}")
        yield row


def _write_delimited(delimiter: str) -> Callable[[pa.Table, Path], None]:
    def write(table: pa.Table, path: Path) -> None:
        with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
            writer.writerow(table.column_names)
            writer.writerows(zip(*table.to_pydict().values(), strict=True))

    return write


def _read_lines(path: Path) -> pa.Table:
    with path.open(encoding="utf-8") as file:
        return pa.Table.from_pylist([json.loads(line) for line in file if line.strip()])


def _write_lines(table: pa.Table, path: Path) -> None:
    with replacing(path) as part, part.open("w", encoding="utf-8") as file:
        for row in table.to_pylist():
            file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


FORMATS: dict[str, tuple[Callable[[Path], pa.Table], Callable[[pa.Table, Path], None]]] = {
    ".csv": (_read_delimited(","), _write_delimited(",")),
    ".tsv": (_read_delimited("\t"), _write_delimited("\t")),
    ".jsonl": (_read_lines, _write_lines),
    ".parquet": (pq.read_table, write_table),
}


def _format(path: Path) -> tuple[Callable[[Path], pa.Table], Callable[[pa.Table, Path], None]]:
    if path.suffix not in FORMATS:
        raise UserError(f"{path}: unknown kind of file; the ones known end in {', '.join(FORMATS)}")
    return FORMATS[path.suffix]


def read(path: Path) -> pa.Table:
    """A table, by the ending of its name."""
    reader, _ = _format(path)
    try:
        return reader(path)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except (ValueError, csv.Error, AttributeError) as error:  # what json, csv and pyarrow raise on what is no such file
        raise UserError(f"{path} cannot be read as {path.suffix[1:]}: {error}") from error


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
    _format(path)
    taken = [name for name in names if name in table.column_names]
    if taken:
        raise UserError(f"the input has columns of the names to be added: {', '.join(taken)}; rename or drop them")


def write(table: pa.Table, made: pa.Table, path: Path) -> None:
    """``table`` with the columns of ``made`` after its own, as the kind of file that ``path`` names."""
    _, writer = _format(path)
    for name in made.column_names:
        table = table.append_column(name, made[name])
    writer(table, path)
