"""However many rows are in memory at once, the verdict is the same bytes."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core import tables
from tasks.drift.__main__ import compare

ROWS = 150
PARAMS = (
    "seed: 7\ntask: {task}\nmodel: {{name: m}}\ndrift: {{permutations: 199, slices: [source, size], group: group}}\n"
)
WORDS = np.array(
    ["free", "money", "hello", "meeting", "tomorrow", "Ünïcode", "http://x.y", "a@b.org", "", "two  words"]
)


def rows(seed, task):
    """Texts, pairs, times, groups and slices, some of them missing; every fourth row has no label."""
    rng = np.random.default_rng(seed)
    said = rng.choice(["ham", "spam"], (2, ROWS), p=[0.7, 0.3]).tolist()
    if task == "multi_label":
        said = [[json.dumps(["a", one] if one == "spam" else []) for one in side] for side in said]
    label, prediction = said
    text, pair = ([" ".join(rng.choice(WORDS, rng.integers(0, 12))) for _ in range(ROWS)] for _ in range(2))
    return pa.table(
        {
            "text": pa.array(text).dictionary_encode(),
            "text_pair": pair,
            "prediction": prediction,
            "confidence": rng.beta(8, 2, ROWS),
            "label": [None if i % 4 == 0 else one for i, one in enumerate(label)],
            "timestamp": np.datetime64("2026-01-01", "us") + rng.integers(0, 10**13, ROWS).astype("timedelta64[us]"),
            "source": rng.choice(["web", "post", None], ROWS).tolist(),
            "size": rng.normal(size=ROWS),
            "group": [None if i % 3 == 0 else f"g{i // 2}" for i in range(ROWS)],
        }
    )


@pytest.fixture(scope="module", params=["single_label", "multi_label"])
def verdict(request, tmp_path_factory):
    """The bytes of a verdict with so many rows in memory at once."""
    folder = tmp_path_factory.mktemp("rows")
    sides = []
    for seed in (1, 2):
        table, array = folder / f"{seed}.parquet", folder / f"{seed}.npy"
        pq.write_table(rows(seed, request.param), table, row_group_size=64)
        np.save(array, np.random.default_rng(seed).normal(0.2 * seed, 1, (ROWS, 12)).astype(np.float32))
        sides.append((table, array))
    (folder / "params.yaml").write_text(PARAMS.format(task=request.param), encoding="utf-8")

    def made(batch):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.setattr(tables, "BATCH", batch)
            compare(*sides, folder / "v.json", None)
        return (folder / "v.json").read_bytes()

    return made


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(batch=st.integers(1, ROWS - 1))
def test_the_rows_in_memory_at_once_change_no_byte(verdict, batch):
    whole = verdict(ROWS)
    assert json.loads(whole)["drifted"] is not None and len(json.loads(whole)["signals"]) > 10
    assert verdict(batch) == whole
