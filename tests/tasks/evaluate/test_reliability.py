"""The reliability diagram: an honest model lies where chance puts it, a boastful one does not."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.evaluate.probabilities import probability_measures
from tasks.evaluate.reliability import reliability


def drawn(rows, seed, boast=1.0):
    """Two classes; answers are right as often as the confidence says, which is then sharpened by ``boast``."""
    random = np.random.default_rng(seed)
    logit = random.uniform(0, 3, rows)
    truth = (random.random(rows) > 1 / (1 + np.exp(-logit))).astype(int)
    confidence = 1 / (1 + np.exp(-boast * logit))
    return truth, np.column_stack([confidence, 1 - confidence])


def inside(found):
    return np.mean([low <= its["accuracy"] <= high for its in found["bins"] for low, high in [its["expected"]]])


@pytest.mark.proof
def test_an_honest_model_lies_within_the_spread_as_often_as_stated():
    found = [reliability(*drawn(400, seed), 10, 1, 400) for seed in range(40)]
    assert 0.92 <= np.mean([inside(its) for its in found]) <= 0.99
    errors = [probability_measures(*drawn(400, seed), 10)["calibration_error"] for seed in range(40)]
    spans = [its["calibration_error_expected"] for its in found]
    assert np.mean([low <= its <= high for its, (low, high) in zip(errors, spans, strict=True)]) >= 0.85


def test_a_boastful_model_lies_outside():
    truth, probability = drawn(4000, 1, boast=3)
    found = reliability(truth, probability, 10, 1, 400)
    assert inside(found) < 0.5
    assert probability_measures(truth, probability, 10)["calibration_error"] > found["calibration_error_expected"][1]


def test_bins_hold_every_row_and_average_to_the_error():
    truth, probability = drawn(503, 2)
    found = reliability(truth, probability, 10, 1, 100)
    rows = np.array([its["rows"] for its in found["bins"]])
    assert rows.sum() == 503 and rows.max() - rows.min() <= 1
    gaps = [abs(its["confidence"] - its["accuracy"]) for its in found["bins"]]
    assert np.isclose(rows @ gaps / 503, probability_measures(truth, probability, 10)["calibration_error"], atol=1e-5)
    assert found == reliability(truth, probability, 10, 1, 100)
