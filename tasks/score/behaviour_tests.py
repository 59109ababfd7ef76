"""Scores of the behaviour tests' texts, before and after each test's change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.behaviour import AFTER, BEFORE, BEHAVIOUR, BehaviourTest
from tasks.behaviour.changes import apply_change
from tasks.core.errors import UserError
from tasks.core.rows import TEXT, TEXT_PAIR, Text, apart
from tasks.score.predict import Predicted

Floats = npt.NDArray[np.float64]
COLUMNS = {"test": pa.string(), "case": pa.int64(), "part": pa.string()}
Predict = Callable[[Sequence[Text]], Predicted]


def cases(test: BehaviourTest, texts: Sequence[Text]) -> list[tuple[Text, Text]]:
    """A Text before and after the test's change: the test's own texts, or some of ``texts``. A change is made to both
    texts of a pair."""
    pairs = [(text, _changed(text, test)) for text in test.texts or texts]
    altered = [pair for pair in pairs if test.change is None or pair[0] != pair[1]]
    if test.texts is not None or len(altered) <= test.rows:
        return altered
    return [altered[i] for i in np.linspace(0, len(altered) - 1, test.rows).astype(int)]


def _changed(text: Text, test: BehaviourTest) -> Text:
    if isinstance(text, str):
        return apply_change(text, test.change)
    return apply_change(text[0], test.change), apply_change(text[1], test.change)


def behaviour(
    tests: Sequence[BehaviourTest], known: Mapping[Text, Floats], predict: Predict, pair: bool = False
) -> pa.Table:
    """Two rows for each case, one with ``part`` before and one after: test, case, part, text, with ``pair`` text_pair,
    probability_<label>…

    ``known`` are the test rows' texts with their probabilities [labels]; any other text runs through the model once.
    UserError where a test's own texts are pairs and the model reads one, or the other way round.
    """
    _refuse_other_texts(tests, pair)
    found = [(test.name, i, pair) for test in tests for i, pair in enumerate(cases(test, list(known)))]
    others = list(dict.fromkeys(text for *_, pair in found for text in pair if text not in known))
    predicted = predict(others)
    shares = {**known, **dict(zip(others, predicted.probabilities, strict=True))}
    rows = [(name, i, part, text) for name, i, pair in found for part, text in zip((BEFORE, AFTER), pair, strict=True)]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * (len(COLUMNS) + 1)
    texts = apart(columns.pop()) if rows else [[]] * (1 + pair)
    named = {name: pa.array(column, kind) for (name, kind), column in zip(COLUMNS.items(), columns, strict=False)}
    named |= {name: pa.array(its, pa.string()) for name, its in zip((TEXT, TEXT_PAIR), texts, strict=False)}
    by_label = {
        f"probability_{label}": pa.array([float(shares[text][k]) for *_, text in rows], pa.float64())
        for k, label in enumerate(predicted.labels)
    }
    return pa.table(named | by_label)


def _refuse_other_texts(tests: Sequence[BehaviourTest], pair: bool) -> None:
    for test in tests:
        if any(isinstance(text, tuple) != pair for text in test.texts or ()):
            how = "pairs: write each of its texts as [text, text_pair]" if pair else "one text a row: write no pairs"
            raise UserError(f"{BEHAVIOUR}: {test.name}: the model reads {how}")
