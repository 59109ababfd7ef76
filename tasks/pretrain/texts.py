"""The texts, and the blocks of tokens that are made of them."""

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
MAX_HELD_OUT = 500  # texts: enough for a perplexity, and soon run
CHUNK = 512  # texts handed to the tokenizer at once


def read(source: Path, column: str) -> list[str]:
    """The texts of a source; empty ones are left out."""
    if not source.is_file():
        raise UserError(f"pretrain.source: there is no file {source}")
    readers: dict[str, Callable[[Path, str], list[Any]]] = {
        ".parquet": _of_parquet,
        ".jsonl": _of_lines_of_json,
        ".txt": _of_lines,
    }
    if source.suffix not in readers:
        raise UserError(f"pretrain.source: {source} ends in none of {', '.join(readers)}")
    try:
        found = readers[source.suffix](source, column)
    except (ValueError, pa.ArrowException) as error:  # not of the kind that its name says, or not UTF-8
        raise UserError(f"pretrain.source: {source} cannot be read as {source.suffix[1:]}: {error}") from error
    return [text for text in found if isinstance(text, str) and text.strip()]


def _of_parquet(source: Path, column: str) -> list[Any]:
    table = read_table(source)
    if column not in table.column_names:
        raise UserError(f"pretrain.column: {source} has no column {column!r}, but {', '.join(table.column_names)}")
    values: list[Any] = table[column].to_pylist()
    return values


def _of_lines_of_json(source: Path, column: str) -> list[Any]:
    rows = [json.loads(line) for line in _of_lines(source) if line.strip()]
    without = next((i for i, row in enumerate(rows, 1) if not isinstance(row, dict) or column not in row), None)
    if without:
        raise UserError(f"pretrain.column: record {without} of {source} has no {column!r}")
    return [row[column] for row in rows]


def _of_lines(source: Path, _: str = "") -> list[Any]:
    return source.read_text(encoding="utf-8").splitlines()


def digest(rows: Blocks) -> str:
    """The sha256 of all blocks."""
    return hashlib.sha256(rows.tobytes()).hexdigest()


def divided(texts: Sequence[str], share: float) -> tuple[list[str], list[str]]:
    """Texts to train on and texts held out: each once, in an order and a choice that only their content decides."""
    ordered = sorted(set(texts), key=lambda text: hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    if len(ordered) < 2:
        raise UserError(f"pretrain: {len(ordered)} different texts are too few; one is held out, one is trained on")
    held = min(MAX_HELD_OUT, max(1, round(share * len(ordered))))
    return ordered[held:], ordered[:held]


def blocks(texts: Sequence[str], tokenizer: Any, length: int) -> Blocks:
    """The texts' tokens in a row, [blocks, length], each block between the tokenizer's own signs; a rest is left."""
    first, last, inside = tokenizer.cls_token_id, tokenizer.sep_token_id, length - 2
    if None in (first, last, tokenizer.mask_token_id):
        raise UserError(
            "pretrain: the checkpoint's tokenizer has no [CLS], [SEP] or [MASK]: it is no masked language model"
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
