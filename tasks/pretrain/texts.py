"""Texts for pre-training, and their blocks of tokens."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.core.errors import UserError
from tasks.core.tables import read_table

Blocks = npt.NDArray[np.int64]
MAX_HELD_OUT = 500  # texts: enough for a perplexity
CHUNK = 512  # texts tokenized at once


def read(source: Path, column: str) -> list[str]:
    """The non-empty texts of a source."""
    if not source.is_file():
        raise UserError(f"pretrain.source: {source} does not exist")
    readers: dict[str, Callable[[Path, str], list[Any]]] = {
        ".parquet": _from_parquet,
        ".jsonl": _from_jsonl,
        ".txt": _from_txt,
    }
    if source.suffix not in readers:
        raise UserError(f"pretrain.source: {source} is none of {', '.join(readers)}")
    try:
        found = readers[source.suffix](source, column)
    except (ValueError, pa.ArrowException) as error:  # of another type than its suffix, or not UTF-8
        raise UserError(f"pretrain.source: {source} cannot be read as {source.suffix[1:]}: {error}") from error
    return [text for text in found if isinstance(text, str) and text.strip()]


def _from_parquet(source: Path, column: str) -> list[Any]:
    table = read_table(source)
    if column not in table.column_names:
        raise UserError(f"pretrain.column: {source} has no column {column!r}, but {', '.join(table.column_names)}")
    values: list[Any] = table[column].to_pylist()
    return values


def _from_jsonl(source: Path, column: str) -> list[Any]:
    rows = [json.loads(line) for line in _from_txt(source) if line.strip()]
    without = next((i for i, row in enumerate(rows, 1) if not isinstance(row, dict) or column not in row), None)
    if without:
        raise UserError(f"pretrain.column: record {without} of {source} has no {column!r}")
    return [row[column] for row in rows]


def _from_txt(source: Path, _: str = "") -> list[Any]:
    return source.read_text(encoding="utf-8").splitlines()


def digest(rows: Blocks) -> str:
    """The sha256 of all blocks."""
    return hashlib.sha256(rows.tobytes()).hexdigest()


def split_texts(texts: Sequence[str], share: float) -> tuple[list[str], list[str]]:
    """Training and held-out texts, without duplicates; only their content decides order and split."""
    ordered = sorted(set(texts), key=lambda text: hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    if len(ordered) < 2:
        raise UserError(f"pretrain: {len(ordered)} different texts are too few: at least 2 are needed")
    held = min(MAX_HELD_OUT, max(1, round(share * len(ordered))))
    return ordered[held:], ordered[:held]


def blocks(texts: Sequence[str], tokenizer: Any, length: int) -> Blocks:
    """Concatenated tokens of the texts, [blocks, length], each within [CLS] and [SEP]; the rest is dropped."""
    first, last, inside = tokenizer.cls_token_id, tokenizer.sep_token_id, length - 2
    if None in (first, last, tokenizer.mask_token_id):
        raise UserError(
            "pretrain: the checkpoint's tokenizer has no [CLS], [SEP] or [MASK]: set model.name to one that has"
        )
    ids: list[int] = []
    for start in range(0, len(texts), CHUNK):
        for row in tokenizer(list(texts[start : start + CHUNK]), add_special_tokens=False, truncation=False).input_ids:
            ids += [*row, last]
    count = len(ids) // inside
    if not count:
        raise UserError(f"pretrain: {len(texts)} texts have {len(ids)} tokens, less than one block of {inside}")
    body = np.array(ids[: count * inside], np.int64).reshape(count, inside)
    ends = np.ones((count, 1), np.int64)
    return np.hstack([first * ends, body, last * ends])
