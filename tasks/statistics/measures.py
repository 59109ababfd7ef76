"""Measures of predictions and their bootstrap intervals, from counts of the rows.

Accuracy and F1 depend on a row only through its cell: its truth and what each model predicts. Resampling the counts
of the cells is therefore the bootstrap over rows (Efron 1979), exactly, at a cost that does not grow with the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

RESAMPLES = 2000
COVERAGE = 0.95


@dataclass(frozen=True)
class Cells:
    """The distinct (truth, prediction of each model) of some rows, and how often each occurs."""

    truth: Counts
    """Label numbers, [cells]."""
    predictions: Counts
    """Label numbers, [models, cells]."""
    counts: Counts
    """Rows in each, [cells]."""
    classes: int
    holds: Floats | None = None
    """With several labels to a row a number is of a set: which labels each holds, 0 or 1, [numbers, labels]."""

    def resampled(self, seed: int | np.random.Generator, times: int = RESAMPLES) -> Counts:
        """Bootstrap counts, [times, cells]."""
        total = int(self.counts.sum())
        return np.random.default_rng(seed).multinomial(total, self.counts / total, size=times)

    def accuracy(self, model: int, counts: Counts) -> Floats:
        """Accuracy of one model under each row of ``counts`` [n, cells]: [n]."""
        right: Floats = counts @ (self.predictions[model] == self.truth) / counts.sum(axis=-1)
        return right

    def f1(self, model: int, counts: Counts) -> Floats:
        """F1 of each class under each row of ``counts`` [n, cells]: [n, classes]; NaN where it has no row at all."""
        holds = np.eye(self.classes) if self.holds is None else self.holds
        truth, predicted = holds[self.truth], holds[self.predictions[model]]
        together = counts @ truth + counts @ predicted
        scores: Floats = 2 * (counts @ (truth * predicted)) / np.where(together == 0, np.nan, together)
        return scores

    def macro_f1(self, model: int, counts: Counts, resample: bool = False) -> Floats:
        """Mean of F1 over the classes that are true or predicted of some row, under each row of ``counts``: [n].

        A ``resample`` that lacks a class says nothing of it: there the class keeps its F1 on all rows.
        """
        scores = self.f1(model, counts)
        if resample:
            scores = np.where(np.isnan(scores), self.f1(model, self.counts[None]), scores)
        mean: Floats = np.nanmean(scores, axis=-1)
        return mean


def cells(
    labels: Sequence[str], truth: Sequence[str], *predictions: Sequence[str], holds: Floats | None = None
) -> Cells:
    """Count rows by truth and by what each model predicts; all of them out of ``labels``, or sets of which ``holds``
    says what each has."""
    number = {label: i for i, label in enumerate(labels)}
    rows = np.array([[number[label] for label in column] for column in (truth, *predictions)], np.int64)
    distinct, counts = np.unique(rows, axis=1, return_counts=True)
    return Cells(distinct[0], distinct[1:], counts, len(labels), holds)


def group_numbers(values: Sequence[object]) -> Counts:
    """The number of each row's group, from 0 [rows]: rows of one value share it; a row without a value has its own."""
    number: dict[object, int] = {}
    keys = [("row", i) if value is None else value for i, value in enumerate(values)]
    return np.array([number.setdefault(key, len(number)) for key in keys], np.int64)


def interval(draws: Floats, coverage: float = COVERAGE) -> list[float]:
    """The percentile interval of bootstrap draws [n], as [low, high]."""
    tail = (1 - coverage) / 2
    return [float(value) for value in np.quantile(draws, [tail, 1 - tail])]
