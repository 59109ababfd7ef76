"""What a table's rows are: texts, pairs of texts or images, told by its columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

Modality = Literal["text", "image"]
TIMESTAMP = pa.timestamp("us", tz="UTC")
TEXT, IMAGE = "text", "image"  # the column that is classified, and so what a table's rows are
TEXT_PAIR = "text_pair"  # beside TEXT, where a row is two texts
BETWEEN = "\n|\n"
Text: TypeAlias = str | tuple[str, str]
"""What a row of texts is: its text, or with ``ingest.columns.text_pair`` both of them, in order."""


def modality(columns: Iterable[str]) -> Modality:
    """What the rows of a table with these columns are."""
    return "image" if IMAGE in set(columns) and TEXT not in set(columns) else "text"


def inputs(columns: Iterable[str]) -> list[str]:
    """Which of these columns are classified."""
    names = set(columns)
    kind = modality(names)
    return [TEXT, TEXT_PAIR] if kind == TEXT and TEXT_PAIR in names else [kind]


def contents(table: pa.Table) -> list[Any]:
    """What is classified of each row, a Text or an image's bytes; None where it, or one of two, is missing."""
    first, *second = (table[name].to_pylist() for name in inputs(table.column_names))
    return [None if None in both else both for both in zip(first, *second, strict=True)] if second else first


def text_of(row: Mapping[str, Any]) -> str | None:
    """The text of a row as one, for people and for what only looks at words; None where it has none."""
    found = [row[name] for name in (TEXT, TEXT_PAIR) if row.get(name) is not None]
    return BETWEEN.join(found) if found else None


def whole(text: Text) -> str:
    """A Text as one text, as ``text_of`` has it."""
    return BETWEEN.join(texts_of(text))


def texts_of(text: Text) -> tuple[str, ...]:
    """The one text of a Text, or both."""
    return (text,) if isinstance(text, str) else text


def as_one(columns: Sequence[pa.Array | pa.ChunkedArray]) -> Any:
    """A column of texts as it is, two columns of pairs as one of ``whole``."""
    if len(columns) == 1:
        return columns[0]
    return pc.binary_join_element_wise(*columns, pa.scalar(BETWEEN, columns[0].type))


def apart(texts: Sequence[Text]) -> list[list[str]]:
    """Texts as the columns that they come from: one list, of pairs two, as a tokenizer takes them."""
    if texts and not isinstance(texts[0], str):
        return [[text[place] for text in texts] for place in (0, 1)]
    return [[whole(text) for text in texts]]
