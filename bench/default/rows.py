"""The rows of a sample as the stages hand them on: split by seed, and the later ones by month."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.default.samples import SAMPLE
from tasks.split import Params
from tasks.split import __main__ as stage
from tasks.split.neighbours import near_duplicates

CHOOSE, JUDGE = (1, 2), (7, 3, 4, 5, 6)  # seeds of the splits
LABELS, MONTHS = SAMPLE.labels, SAMPLE.months
rows: Callable[[], pa.Table] = lru_cache(1)(SAMPLE.rows)


@lru_cache(1)
def labels() -> np.ndarray:
    """The number of each row's label, [rows]."""
    return pc.index_in(rows()["label"], value_set=pa.array(LABELS)).to_numpy().astype(np.int64)


def _since(moment: datetime) -> np.ndarray:
    return pc.greater_equal(rows()["timestamp"], pa.scalar(moment, rows()["timestamp"].type)).to_numpy()


def _numbers(table: pa.Table) -> np.ndarray:
    return pc.index_in(table["id"], value_set=rows()["id"]).to_numpy().astype(np.int64)


def _reference() -> pa.Table:
    return rows().filter(pa.array(~_since(SAMPLE.until)))


@lru_cache(1)
def _pairs() -> np.ndarray:
    return near_duplicates(_reference()["text"], Params().similarity or 1.0)


@lru_cache(16)
def split_of(seed: int) -> dict[str, np.ndarray]:
    """Row numbers of train, validation and test, as `split` makes them with this seed."""
    with patch.object(stage, "_near_duplicates", lambda *_: _pairs()):  # the same for every seed
        tables, _ = stage.split(_reference(), Params(), seed)
    return {name: _numbers(tables[name]) for name in ("train", "validation", "test")}


@lru_cache(1)
def months() -> dict[str, np.ndarray]:
    """Row numbers of each month after the reference."""
    month = pc.month(rows()["timestamp"]).to_numpy()
    later = _since(SAMPLE.until)
    return {name: np.flatnonzero(later & (month == number)) for number, name in MONTHS.items()}


def by_time(seed: int) -> dict[str, np.ndarray]:
    """A split as if the reference's last month, its test rows, were to come; train and validation lie before it."""
    late = _since(SAMPLE.last_month)
    found = split_of(seed)
    early = {name: found[name][~late[found[name]]] for name in ("train", "validation")}
    return early | {"test": np.flatnonzero(late & ~_since(SAMPLE.until))}


def few(seed: int, count: int) -> dict[str, np.ndarray]:
    """The split with so many labelled rows in all, drawn by seed: four fifths of them to train on, the rest to choose
    by."""
    found, random = split_of(seed), np.random.default_rng([seed, count])
    train = random.permutation(found["train"])[: count * 4 // 5]
    return found | {
        "train": np.sort(train),
        "validation": np.sort(random.permutation(found["validation"])[: count // 5]),
    }
