"""A verdict is of the rows, not of the order in which they come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.gate import Params
from tasks.gate.tables import pair
from tasks.gate.verdict import extra_columns, gate_verdict

LABELS = np.array(["ham", "spam", "list"])


def answers(truth, skill, random):
    said = np.where(random.random(len(truth)) < skill, truth, random.choice(LABELS, len(truth)))
    return {
        "id": [f"r{i}" for i in range(len(truth))],
        "label": truth.tolist(),
        "prediction": said.tolist(),
        "group": [f"g{i // 3}" for i in range(len(truth))],
        "month": [str(i % 2) for i in range(len(truth))],
    }


def in_order(table, order):
    return {name: [values[i] for i in order] for name, values in table.items()}


@pytest.mark.long
@settings(max_examples=8)
@given(st.integers(0, 10_000), st.sampled_from(["better", "not_worse"]), st.sampled_from([None, "group"]))
def test_the_gate_says_the_same_of_the_rows_in_any_order(seed, rule, group):
    random = np.random.default_rng(seed)
    truth = random.choice(LABELS, 240)
    champion, challenger = (answers(truth, skill, random) for skill in (0.7, 0.8))
    section = Params(rule=rule, group=group, slices=["month"], max_calibration_error=None, resamples=1000)
    verdicts = []
    for orders in ([range(240)] * 2, [random.permutation(240), random.permutation(240)]):
        tables = [in_order(table, order) for table, order in zip((champion, challenger), orders, strict=True)]
        verdicts.append(gate_verdict(pair(*tables, None, extra_columns(section)), section, 7))
    assert verdicts[0] == verdicts[1]
