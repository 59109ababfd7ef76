"""What ``bench.families`` sets beside the presets, and how long each of them takes over one text."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from tasks.statistics.measures import cells, interval

PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)  # C: the larger, the weaker
TURN = 10  # inputs
Predict = Callable[[Any], object]


@dataclass(frozen=True)
class Peer:
    """A fitted baseline and what it came to on the test rows."""

    model: Pipeline
    macro_f1: float
    interval: list[float]
    seconds: float
    """Of processor time, the choice of C included."""

    def predict(self, one: str) -> object:
        """Probabilities of one text."""
        return self.model.predict_proba([one])

    @property
    def parameters(self) -> int:
        """Weights and what each word is weighed by."""
        words, classifier = self.model[0], self.model[-1]
        return int(words.idf_.size + classifier.coef_.size + classifier.intercept_.size)

    @property
    def megabytes(self) -> float:
        """Of its pickle."""
        return len(pickle.dumps(self.model)) / 1e6


def _fitted(rows: pa.Table, penalty: float, seed: int) -> Pipeline:
    """As ``tasks.evaluate.baseline`` has it, but for the penalty."""
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        LogisticRegression(C=penalty, max_iter=1000, random_state=seed),
    )
    return model.fit(rows["text"].to_pylist(), rows["label"].to_pylist())


def macro_f1(model: Pipeline, rows: pa.Table) -> tuple[float, list[float]]:
    """On those rows, with its 95 % interval."""
    truth, said = rows["label"].to_pylist(), list(model.predict(rows["text"].to_pylist()))
    found = cells(sorted({*truth, *said}), truth, said)
    whole = float(found.macro_f1(0, found.counts[None])[0])
    return whole, interval(found.macro_f1(0, found.resampled(seed=0)))


def peers(tables: Mapping[str, pa.Table], seed: int) -> dict[str, Peer]:
    """TF-IDF and logistic regression with scikit-learn's C, and with the C that serves the validation rows best."""
    began = process_time()
    tried = {penalty: _fitted(tables["train"], penalty, seed) for penalty in PENALTIES}
    best = max(PENALTIES, key=lambda penalty: macro_f1(tried[penalty], tables["validation"])[0])
    tuned = Peer(tried[best], *macro_f1(tried[best], tables["test"]), process_time() - began)
    began = process_time()
    plain = _fitted(tables["train"], 1.0, seed)
    default = Peer(plain, *macro_f1(plain, tables["test"]), process_time() - began)
    return {
        "TF-IDF, logistic regression, C = 1": default,
        f"the same, C = {best:g} chosen on validation": tuned,
    }


def milliseconds(models: Mapping[str, Predict], inputs: Sequence[Any]) -> dict[str, float]:
    """Median time over one input at a time. The models take turns of TURN inputs: what else runs slows all of them, and
    only the first of a turn finds the caches full of another's weights."""
    taken: dict[str, list[float]] = {name: [] for name in models}
    for predict in models.values():
        predict(inputs[0])
    for start in range(0, len(inputs), TURN):
        for name, predict in models.items():
            for one in inputs[start : start + TURN]:
                began = perf_counter()
                predict(one)
                taken[name].append(1000 * (perf_counter() - began))
    return {name: float(np.median(each)) for name, each in taken.items()}
