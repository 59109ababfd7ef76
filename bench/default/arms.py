"""What could ship as the default, each fitted on a split's train and chosen by its validation rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from time import process_time
from typing import Protocol

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, log_loss

from bench.default import mean_layer
from bench.default.rows import LABELS, labels, rows
from bench.default.states import States, states
from tasks.baseline import Params as Baseline
from tasks.baseline.__main__ import labelled
from tasks.modelling.linear.fitting import fit as fit_linear

PENALTIES = (0.1, 1.0, 10.0, 100.0)
Split = Mapping[str, np.ndarray]
pass_of: Callable[[int], States] = lru_cache(3)(states)


@dataclass(frozen=True)
class Fitted:
    """A fitted classifier."""

    predict: Callable[[np.ndarray], list[int]]
    """Row numbers to the numbers of labels."""
    seconds: float
    """Of processor time with one thread: the fit, and the frozen layers' pass over train and validation."""
    chosen: str = ""
    head: tuple[np.ndarray, np.ndarray] | None = None
    """Of the mean alone: weights [labels, hidden] and biases [labels] of the last layer."""


class Arm(Protocol):
    """A way to make a classifier."""

    def fit(self, split: Split, seed: int) -> Fitted:
        """Fitted on the split's train rows."""
        ...


@dataclass(frozen=True)
class Tuned:
    """The stage `baseline`, which `model.family: linear` ships."""

    def fit(self, split: Split, seed: int) -> Fitted:
        """Features, estimator and penalty by validation."""
        train, validation = (labelled(rows().take(split[name]), LABELS) for name in ("train", "validation"))
        began = process_time()
        model = fit_linear(train, validation, LABELS, Baseline(), seed)
        spent, how = process_time() - began, model.chosen

        def predict(numbers: np.ndarray) -> list[int]:
            return model.logits(rows()["text"].take(numbers).to_pylist()).argmax(1).tolist()

        return Fitted(predict, spent, f"{how['features']}, {how['estimator']}, C = {how['penalty']:g}")


@dataclass(frozen=True)
class Mean:
    """Frozen layers, the mean over the tokens, and a logistic regression as the last layer."""

    length: int
    layer: int

    def fit(self, split: Split, seed: int) -> Fitted:
        """The penalty by validation: macro-F1, then log loss."""
        given = _features(self.length, self.layer)
        train, held_out = split["train"], split["validation"]
        began, best = process_time(), None
        for penalty in PENALTIES:
            model = LogisticRegression(C=penalty, solver="newton-cholesky").fit(given[train], labels()[train])
            rank = (
                round(f1_score(labels()[held_out], model.predict(given[held_out]), average="macro"), 6),
                -log_loss(labels()[held_out], model.predict_proba(given[held_out]), labels=[0, 1]),
            )
            if best is None or rank > best[0]:
                best = rank, penalty, model
        assert best is not None
        _, penalty, model = best
        spent = process_time() - began + pass_seconds(pass_of(self.length), split, self.layer)
        head = np.concatenate([-model.coef_, model.coef_]) / 2, np.r_[-model.intercept_, model.intercept_] / 2
        return Fitted(lambda numbers: model.predict(given[numbers]).tolist(), spent, f"C = {penalty:g}", head)


def pass_seconds(below: States, split: Split, layers: int) -> float:
    """The share of the pass that a training on this split needs: of its rows, and of the layers."""
    needed = sum(int(below.tokens.lengths[split[name]].sum()) for name in ("train", "validation"))
    return below.seconds * needed / int(below.tokens.starts[-1]) * layers / len(below.means)


@lru_cache(16)
def _features(length: int, layer: int) -> np.ndarray:
    found = pass_of(length)
    return mean_layer.features(found.means[layer - 1], found.firsts[layer - 1])
