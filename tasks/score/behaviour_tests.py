"""Scores of the behaviour tests' texts, before and after each test's change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.behaviour import AFTER, BEFORE, BehaviourTest
from tasks.behaviour.changes import apply_change
from tasks.score.predict import Predicted

Floats = npt.NDArray[np.float64]
COLUMNS = {"test": pa.string(), "case": pa.int64(), "part": pa.string(), "text": pa.string()}
Predict = Callable[[Sequence[str]], Predicted]


def cases(test: BehaviourTest, texts: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of a text before and after the test's change: the test's own texts, or some of ``texts``."""
    pairs = [(text, apply_change(text, test.change)) for text in test.texts or texts]
    altered = [pair for pair in pairs if test.change is None or pair[0] != pair[1]]
    if test.texts is not None or len(altered) <= test.rows:
        return altered
    return [altered[i] for i in np.linspace(0, len(altered) - 1, test.rows).astype(int)]


def behaviour(tests: Sequence[BehaviourTest], known: Mapping[str, Floats], predict: Predict) -> pa.Table:
    """Two rows for each case, one with ``part`` before and one after: test, case, part, text, probability_<label>…

    ``known`` are the test rows' texts with their probabilities [labels]; any other text runs through the model once.
    """
    found = [(test.name, i, pair) for test in tests for i, pair in enumerate(cases(test, list(known)))]
    others = list(dict.fromkeys(text for *_, pair in found for text in pair if text not in known))
    predicted = predict(others)
    shares = {**known, **dict(zip(others, predicted.probabilities, strict=True))}
    rows = [(name, i, part, text) for name, i, pair in found for part, text in zip((BEFORE, AFTER), pair, strict=True)]
    columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
    named = {name: pa.array(column, kind) for (name, kind), column in zip(COLUMNS.items(), columns, strict=True)}
    by_label = {
        f"probability_{label}": pa.array([float(shares[text][k]) for *_, text in rows], pa.float64())
        for k, label in enumerate(predicted.labels)
    }
    return pa.table(named | by_label)
