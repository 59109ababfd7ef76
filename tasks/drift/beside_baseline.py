"""The model beside the baseline on the current rows that have labels: whether the gap holds as the world moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tasks.dataset import labels
from tasks.drift.estimates import labelled
from tasks.drift.performance import MIN_LABELLED
from tasks.drift.rows import Rows
from tasks.statistics.measures import RESAMPLES, Cells, Counts, Floats, cells, interval

DIGITS = 6


def beside_baseline(current: Rows, baseline: Sequence[str], seed: int) -> dict[str, Any] | None:
    """Accuracy and macro-F1 of both on the labelled rows, and the 95 % interval of the paired difference, model minus
    baseline (bootstrap over rows); None below MIN_LABELLED rows. ``baseline``: its predictions, in the rows' order."""
    known = np.flatnonzero(labelled(current))
    if len(known) < MIN_LABELLED:
        return None
    truth, model = (current.categories[name][known].tolist() for name in ("label", "prediction"))
    beside = [baseline[i] for i in known.tolist()]
    counted: Cells | Sets = (
        Sets(current.cells, truth, model, beside)
        if current.cells.several
        else cells(sorted({*truth, *model, *beside}), truth, model, beside)
    )
    whole, drawn = counted.counts[None], counted.resampled(seed)
    found: dict[str, Any] = {"rows": len(known), "baseline": {}, "difference": {}, "interval": {}}
    for name, measure, options in (
        ("accuracy", counted.accuracy, {}),
        ("macro_f1", counted.macro_f1, {"resample": True}),
    ):
        own, its = (round(float(measure(i, whole)[0]), DIGITS) for i in (0, 1))
        ends = interval(measure(0, drawn, **options) - measure(1, drawn, **options))
        found[name], found["baseline"][name], found["difference"][name] = own, its, round(own - its, DIGITS)
        found["interval"][name] = [round(end, DIGITS) for end in ends]
    return found


class Sets:
    """The same of rows that may have several labels: accuracy of a row's whole set, and macro-F1 over the labels."""

    def __init__(self, written: labels.Cells, truth: list[str], *predictions: list[str]) -> None:
        names = sorted({*written.count(truth), *(label for each in predictions for label in written.count(each))})
        self._truth, *self._given = (written.holds(each, names).astype(np.float64) for each in (truth, *predictions))
        self.counts = np.ones(len(truth), np.int64)

    def resampled(self, seed: int, times: int = RESAMPLES) -> Counts:
        """Bootstrap counts, [times, rows]."""
        rows = len(self.counts)
        return np.random.default_rng(seed).multinomial(rows, self.counts / rows, size=times)

    def accuracy(self, model: int, counts: Counts) -> Floats:
        """Under each row of ``counts`` [n, rows]: [n]."""
        right: Floats = counts @ (self._given[model] == self._truth).all(axis=1) / counts.sum(axis=-1)
        return right

    def macro_f1(self, model: int, counts: Counts, resample: bool = False) -> Floats:
        """Mean over the labels that are true or given of some row, [n]; one that a ``resample`` lacks keeps its F1."""
        scores = self._f1(model, counts)
        if resample:
            scores = np.where(np.isnan(scores), self._f1(model, self.counts[None]), scores)
        mean: Floats = np.nanmean(scores, axis=-1)
        return mean

    def _f1(self, model: int, counts: Counts) -> Floats:
        given, weights = self._given[model], counts.astype(np.float64)
        together = weights @ self._truth + weights @ given
        scores: Floats = 2 * (weights @ (self._truth * given)) / np.where(together == 0, np.nan, together)
        return scores
