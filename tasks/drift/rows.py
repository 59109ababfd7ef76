"""One side of the comparison: the columns of a table, and what is computed of each row by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.core.errors import UserError
from tasks.core.rows import BETWEEN, TEXT_PAIR, Modality, as_one, inputs
from tasks.core.tables import batches, give_back, on_disk
from tasks.dataset.labels import MULTI, SINGLE, LabelFormat
from tasks.drift.descriptors import TERMS_FROM, describe, terms
from tasks.drift.embeddings import rows_at

CATEGORIES = ("prediction", "label")
MODE = "image_mode"
OF_IMAGES = {  # the columns that validate adds to images, by their names here
    name: f"image_{name}" for name in ("width", "height", "brightness", "contrast", "bytes")
}
MISSING = "(none)"
HALF = (TERMS_FROM - len(BETWEEN)) // 2


@dataclass(frozen=True)
class Rows:
    """What is known of n rows; what a table does not have is absent.

    ``numbers``: name → float64 [n]. ``categories``: name → str [n], a missing label is None. ``terms``: [n], which
    words the text holds, as their hashes. ``embeddings``: [n, width]. ``groups``: str [n], None where a row stands
    alone. ``times``: datetime64[us] [n]. ``slices``: column → float64 with NaN for none, or str [n]. Texts, terms and
    embeddings may lie on disk: walk them by ``batches``.
    """

    count: int
    text: pa.ChunkedArray | None = None
    numbers: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    categories: dict[str, NDArray[np.object_]] = field(default_factory=dict)
    terms: pa.ChunkedArray | None = None
    embeddings: NDArray[np.float32] | None = None
    groups: NDArray[np.object_] | None = None
    times: NDArray[np.datetime64] | None = None
    slices: dict[str, NDArray[Any]] = field(default_factory=dict)
    modality: Modality = "text"
    """What the rows are; the numbers are properties of it, the confidence aside."""
    cells: LabelFormat = SINGLE
    """How predictions and labels are written. A set of several labels is right as a whole or wrong."""
    beginnings: pa.ChunkedArray | None = None
    """Of pairs, whose ``text`` is both as one: the beginnings of both, whose words count. None: of the text."""

    @property
    def read_for_words(self) -> pa.ChunkedArray | None:
        """The texts whose words count."""
        return self.text if self.beginnings is None else self.beginnings

    def take(self, index: NDArray[np.int64]) -> Rows:
        """The rows at these positions, without reading anything anew."""
        places = pa.array(index)
        text, held, beginnings = (
            None if each is None else each.take(places) for each in (self.text, self.terms, self.beginnings)
        )
        give_back()
        return Rows(
            len(index),
            text,
            {name: values[index] for name, values in self.numbers.items()},
            {name: values[index] for name, values in self.categories.items()},
            held,
            None if self.embeddings is None else rows_at(self.embeddings, index),
            None if self.groups is None else self.groups[index],
            None if self.times is None else self.times[index],
            {name: values[index] for name, values in self.slices.items()},
            self.modality,
            self.cells,
            beginnings,
        )


def rows_from_table(
    table: pa.Table,
    embeddings: NDArray[np.float32] | None,
    group: str | None,
    place: str | Path,
    slices: Sequence[str] = (),
    cells: LabelFormat = SINGLE,
) -> Rows:
    """Text, prediction, confidence and label, whichever the table has, and the columns of groups and slices if named.

    Raises UserError where the embeddings or a column do not fit; ``place`` names the table in the message.
    """
    if table.num_rows == 0:
        return Rows(0)
    columns = set(table.column_names)
    if embeddings is not None:
        _fits(embeddings, table.num_rows, place)
    if group is not None and group not in columns:
        raise UserError(f"{place} has no column {group!r}: drift.group must name one of {', '.join(sorted(columns))}")
    if missing := [name for name in slices if name not in columns]:
        raise UserError(
            f"{place} has no column {missing[0]!r}: drift.slices must name some of {', '.join(sorted(columns))}"
        )
    texts, of_texts = _texts(table.select(inputs(columns))) if "text" in columns else ({}, {})
    of_images = {name: _numbers(table, column, place) for name, column in OF_IMAGES.items() if column in columns}
    return Rows(
        count=table.num_rows,
        **texts,
        numbers={
            **of_texts,
            **of_images,
            **({"confidence": _confidence(table, place)} if "confidence" in columns else {}),
        },
        categories={name: _category(table, name, place, cells) for name in (*CATEGORIES, MODE) if name in columns},
        embeddings=embeddings,
        groups=None if group is None else each_once(_strings(table, group)),
        times=_times(table) if "timestamp" in columns else None,
        slices={name: _slice(table, name, place) for name in slices},
        modality="image" if of_images else "text",
        cells=cells,
    )


def _texts(table: pa.Table) -> tuple[dict[str, pa.ChunkedArray], dict[str, NDArray[np.float64]]]:
    """``text``, ``terms`` and, of pairs, ``beginnings`` of each row, on disk; and the numbers that describe texts."""
    numbers: list[dict[str, NDArray[np.float64]]] = []

    def read(batch: pa.Table) -> pa.Table:
        texts = {name: _strings(batch, name).fill_null("") for name in batch.column_names}
        numbers.append(
            {_of(name, what): values for name, its in texts.items() for what, values in describe(its).items()}
        )
        columns = {"text": as_one([*texts.values()])}
        if TEXT_PAIR in texts:
            columns["beginnings"] = as_one([pc.utf8_slice_codeunits(its, 0, HALF) for its in texts.values()])
        held = terms(columns.get("beginnings", columns["text"]))
        hashes = pa.ListArray.from_arrays(*(pa.array(each, pa.int32()) for each in (held.indptr, held.indices)))
        return pa.table({**columns, "terms": hashes})

    kept = pa.concat_tables(on_disk(map(read, batches(table))))
    described = {name: np.concatenate([each[name] for each in numbers]) for name in numbers[0]}
    return {name: kept[name] for name in kept.column_names}, described


def _of(name: str, what: str) -> str:
    """What a property of a text is called: that of a second text names it."""
    return what if name == "text" else f"{what} of {name}"


def _fits(embeddings: NDArray[np.float32], rows: int, place: str | Path) -> None:
    if embeddings.ndim != 2 or len(embeddings) != rows:
        raise UserError(
            f"{place} has {rows} rows, but its embeddings have the shape {embeddings.shape}: score it again"
        )
    if not all(np.isfinite(batch).all() for batch in batches(embeddings)):
        raise UserError(f"the embeddings of {place} hold NaN or infinite values: score it again")


def _strings(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name).combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        return pc.cast(column, pa.large_string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise UserError(f"column {name!r} holds {column.type}, where text or plain values are needed") from None


def _category(table: pa.Table, name: str, place: str | Path, cells: LabelFormat) -> NDArray[np.object_]:
    column = _strings(table, name)
    if cells.several and name in CATEGORIES:
        _refuse_no_lists(column, name, place)
    return each_once(column if name == "label" else column.fill_null(MISSING))


def each_once(column: pa.Array | pa.ChunkedArray) -> NDArray[np.object_]:
    """The texts of a column [n], None where there is none; equal ones are one object in memory."""
    values = pc.unique(column)
    texts = np.array([*values.to_pylist(), None], dtype=object)
    found: NDArray[np.object_] = texts[pc.index_in(column, value_set=values).to_numpy()]
    return found


def _refuse_no_lists(column: pa.Array, name: str, place: str | Path) -> None:
    """UserError for a prediction or label that is not written as ``MULTI`` writes it."""
    for value in pc.unique(column).to_pylist():
        if name == "label" if value is None else MULTI.is_cell(value):
            continue
        raise UserError(f"{place}: {name} {value!r} is no JSON list of labels in order, as task: multi_label has them")


def _numbers(table: pa.Table, name: str, place: str | Path) -> NDArray[np.float64]:
    try:
        values: NDArray[np.float64] = pc.cast(table.column(name), pa.float64()).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UserError(f"{place}: {name} must hold numbers: {error}") from None
    return values


def _slice(table: pa.Table, name: str, place: str | Path) -> NDArray[Any]:
    """Numbers as they are, times by their month, all else as texts."""
    kind = table.schema.field(name).type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _numbers(table, name, place)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        table = pa.table({name: pc.strftime(table.column(name), format="%Y-%m")})
    return each_once(_strings(table, name).fill_null(MISSING))


def _confidence(table: pa.Table, place: str | Path) -> NDArray[np.float64]:
    values = _numbers(table, "confidence", place)
    if not np.isfinite(values).all():
        raise UserError(
            f"{place}: {int((~np.isfinite(values)).sum())} rows have no confidence: leave out these rows or the column"
        )
    return values


def _times(table: pa.Table) -> NDArray[np.datetime64] | None:
    """The column timestamp, where it holds times, or ISO texts of them, and every row has one."""
    column = table.column("timestamp")
    if column.null_count:
        return None
    if pa.types.is_string(column.type):
        return _parsed_times(column.to_pylist())
    if not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
        return None
    values: NDArray[np.datetime64] = column.cast(pa.timestamp("us")).to_numpy().astype("datetime64[us]")
    return values


def _parsed_times(texts: list[str]) -> NDArray[np.datetime64] | None:
    """ISO times in UTC, which one without a zone is taken to be in; None where a text is no time."""
    try:
        times = [datetime.fromisoformat(text) for text in texts]
    except ValueError:
        return None
    utc = [time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time for time in times]
    return np.array(utc, dtype="datetime64[us]")
