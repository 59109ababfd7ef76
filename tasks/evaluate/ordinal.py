"""The measures that ``task: ordinal`` has beside those of one label: how far off the predictions are, in steps.

A step is from one label to the next. ``mean_absolute_error`` is the mean distance of prediction and label;
``quadratic_kappa`` (Cohen 1968) counts a distance by its square, and is 1 where all predictions are right and 0 where
they are as far off as if drawn by their shares; ``within_one_step`` is the share of rows that are at most a step off.
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics import cohen_kappa_score, mean_absolute_error

from tasks.evaluate.weighted import Predictions
from tasks.statistics.measures import Counts, Floats

OVERALL = ("mean_absolute_error", "quadratic_kappa", "within_one_step")
OF_SUMMARY = OVERALL[:2]


class Measures:
    """OVERALL of one model's predictions; ``steps`` [classes]: where each label stands on the scale."""

    def __init__(self, predictions: Predictions, steps: Counts) -> None:
        self._truth, self._predicted = steps[predictions.truth], steps[predictions.predicted]
        self._scale = int(steps.max()) + 1
        self._cell = self._truth * self._scale + self._predicted
        along = np.arange(self._scale)
        self._apart: Floats = abs(along[:, None] - along).astype(np.float64)

    def figures(self) -> dict[str, float]:
        """On the rows as they are; kappa is left out where all labels and predictions are one label."""
        truth, predicted, found = self._truth, self._predicted, {}
        if len(np.unique([truth, predicted])) > 1:
            found["quadratic_kappa"] = cohen_kappa_score(
                truth, predicted, labels=range(self._scale), weights="quadratic"
            )
        found["mean_absolute_error"] = mean_absolute_error(truth, predicted)
        found["within_one_step"] = np.mean(abs(truth - predicted) <= 1)
        return {name: float(found[name]) for name in OVERALL if name in found}

    def weighted(self, weights: Counts) -> dict[str, Floats]:
        """Under ``weights`` [rows], from the counts by label and prediction alone; kappa is NaN likewise."""
        cells = np.bincount(self._cell, weights.astype(np.float64), self._scale**2).reshape(self._scale, -1)
        shares, squares = cells / cells.sum(), self._apart**2
        chance = float((squares * np.outer(shares.sum(axis=1), shares.sum(axis=0))).sum())
        return {
            "mean_absolute_error": (self._apart * shares).sum(),
            "quadratic_kappa": np.array(1 - (squares * shares).sum() / chance if chance else np.nan),
            "within_one_step": shares[self._apart <= 1].sum(),
        }
