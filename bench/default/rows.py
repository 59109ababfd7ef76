"""The sample's rows as the stages hand them on: validated, split by seed, and the later ones by month."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.corpora import CACHE
from tasks import ingest, validate
from tasks.core import params
from tasks.core.tables import read_table
from tasks.dataset.layout import WindowPaths
from tasks.dataset.windows import WindowRange, load
from tasks.ingest import windows
from tasks.ingest.__main__ import read_window
from tasks.split import Params
from tasks.split import __main__ as stage
from tasks.split.neighbours import near_duplicates
from tasks.validate.__main__ import validate as validated

FOLDER = CACHE / "default"
CHOOSE, JUDGE = (1, 2), (7, 3, 4, 5, 6)  # seeds of the splits
UNTIL = datetime(2003, 1, 1, tzinfo=UTC)
LAST_MONTH = datetime(2002, 8, 1, tzinfo=UTC)  # of the reference: what settings are chosen by, as the month after
MONTHS = {9: "September", 10: "October", 11: "November", 12: "December"}
LABELS = ["ham", "spam"]


@lru_cache(1)
def rows() -> pa.Table:
    """All rows that `validate` passes, of the reference and then of all later months as one window."""
    folders = [FOLDER / "rows" / name for name in ("reference", "current")]
    if not all(WindowPaths(folder).validated.exists() for folder in folders):
        found, section = load(), params.load(validate.Params, "validate")
        later = WindowRange.model_validate({"from": found.current.from_, "until": UNTIL})
        found = found.model_copy(update={"current": later})
        for name, folder in zip(("reference", "current"), folders, strict=True):
            raw, _ = read_window(windows.plan(name, found, params.load(ingest.Params, "ingest")))
            validated(raw, section, name, WindowPaths(folder))
    parts = [read_table(WindowPaths(folder).validated) for folder in folders]
    return pa.concat_tables(parts, promote_options="default").combine_chunks()


@lru_cache(1)
def labels() -> np.ndarray:
    """The number of each row's label, [rows]."""
    return pc.index_in(rows()["label"], value_set=pa.array(LABELS)).to_numpy().astype(np.int64)


def _since(moment: datetime) -> np.ndarray:
    return pc.greater_equal(rows()["timestamp"], pa.scalar(moment, rows()["timestamp"].type)).to_numpy()


def _numbers(table: pa.Table) -> np.ndarray:
    return pc.index_in(table["id"], value_set=rows()["id"]).to_numpy().astype(np.int64)


def _reference() -> pa.Table:
    return rows().filter(pa.array(~_since(load().reference.until)))


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
    later = _since(load().reference.until)
    return {name: np.flatnonzero(later & (month == number)) for number, name in MONTHS.items()}


def by_time(seed: int) -> dict[str, np.ndarray]:
    """A split as if it were the first of August: train and validation are what lies before, test is that month."""
    late = _since(LAST_MONTH)
    found = split_of(seed)
    early = {name: found[name][~late[found[name]]] for name in ("train", "validation")}
    return early | {"test": np.flatnonzero(late & ~_since(load().reference.until))}


def few(seed: int, count: int) -> dict[str, np.ndarray]:
    """The split with so many labelled rows in all, drawn by seed: four fifths of them to train on, the rest to choose
    by."""
    found, random = split_of(seed), np.random.default_rng([seed, count])
    train = random.permutation(found["train"])[: count * 4 // 5]
    return found | {
        "train": np.sort(train),
        "validation": np.sort(random.permutation(found["validation"])[: count // 5]),
    }
