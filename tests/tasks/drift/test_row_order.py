"""A verdict is of the rows, not of the order in which they come."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.drift import Params
from tasks.drift.rows import rows_from_table
from tasks.drift.verdict import drift_verdict

PARAMS = Params(permutations=400, min_rows=50)


def side(random, rows, moved):
    """A table and its embeddings; ``moved``: the share of rows that are of another kind."""
    new = random.random(rows) < moved
    table = pa.table(
        {
            "text": [" ".join(random.choice(["bitcoin"] if odd else ["mail", "list", "patch"], 6)) for odd in new],
            "prediction": np.where(new | (random.random(rows) < 0.3), "spam", "ham"),
            "confidence": np.where(new, 0.55, 0.9) + random.random(rows) / 20,
        }
    )
    return table, (random.normal(size=(rows, 8)) + 2 * new[:, None]).astype(np.float32)


def verdict(sides, orders):
    rows = [
        rows_from_table(table.take(order), embeddings[order], None, "here")
        for (table, embeddings), order in zip(sides, orders, strict=True)
    ]
    return drift_verdict(*rows, PARAMS, 7)


@pytest.mark.proof
@settings(max_examples=8)
@given(seed=st.integers(0, 10_000), moved=st.sampled_from([0.0, 0.5]))
def test_drift_is_found_in_the_rows_in_any_order(seed, moved):
    """Which permutations are drawn depends on the order, what they are drawn of does not: but for the centres of the
    embeddings, since k-means begins at rows that are drawn by their place.
    """
    random = np.random.default_rng(seed)
    sides = [side(random, 200, 0.0), side(random, 200, moved)]
    one = verdict(sides, [np.arange(200), np.arange(200)])
    other = verdict(sides, [random.permutation(200), random.permutation(200)])
    assert one["signals"].keys() == other["signals"].keys()
    for name, signal in one["signals"].items():
        if name == "embeddings: centres":
            continue
        assert signal["effect"] == other["signals"][name]["effect"]
        assert signal["p_value"] == pytest.approx(other["signals"][name]["p_value"], abs=0.12)
    if moved:
        assert one["drifted"] and other["drifted"]
        assert {name: its["alarm"] for name, its in one["signals"].items()} == {
            name: its["alarm"] for name, its in other["signals"].items()
        }
