"""Every measure under weights of the rows, equal to scikit-learn's with that ``sample_weight``.

All but the areas depend on the rows only through sums over them: of counts by truth and answer, of losses, and of gaps
by bin. The areas need the rows in order of score, and then only what stands above each row of the class; ties are taken
as one step, as scikit-learn does. One weighting is worked on at a time, so that it stays in the processor's cache.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.statistics.calibration import bin_numbers, calibration_error
from tasks.statistics.measures import Counts, Floats

OVERALL = ("accuracy", "macro_f1", "log_loss", "roc_auc", "pr_auc", "calibration_error")
PER_CLASS = ("precision", "recall", "f1")


@dataclass(frozen=True)
class Predictions:
    """What one model predicted of some rows; a number is a position among the labels."""

    truth: Counts
    """[rows]"""
    predicted: Counts
    """[rows]"""
    probability: Floats
    """[rows, classes]"""


class Measures:
    """The measures of one model's predictions, what does not depend on the weights worked out beforehand.

    The bins of the calibration error are those of the unweighted rows.
    """

    def __init__(self, predictions: Predictions, bins: int) -> None:
        rows, probability = np.arange(len(predictions.truth)), predictions.probability
        self._classes = probability.shape[1]
        self._cell = predictions.truth * self._classes + predictions.predicted
        self._loss = -np.log(np.maximum(probability[rows, predictions.truth], np.finfo(np.float64).eps))
        self._hit = (predictions.truth == predictions.predicted).astype(np.float64)
        self._gap = probability.max(axis=1) - (probability.argmax(axis=1) == predictions.truth)
        self._bin = bin_numbers(probability.max(axis=1), bins)
        self._ranked = [Ranked(predictions.truth == k, probability[:, k]) for k in range(self._classes)]
        self._whole = self._by_class(np.ones(len(rows), np.int64))

    def weighted(self, weights: Counts) -> dict[str, Floats]:
        """OVERALL [] and PER_CLASS [classes] under ``weights`` [rows], which are whole numbers.

        An area is NaN where no class has rows of both kinds; precision and recall are 0 where they are undefined.
        """
        return self._measures(weights, self._by_class(weights))

    def resampled(self, weights: Counts) -> dict[str, Floats]:
        """The same for a resample. One that lacks a class says nothing of it: there the class keeps what it has on all
        rows, and a mean over the classes is always over the same ones."""
        drawn = self._by_class(weights)
        kept = {name: np.where(np.isnan(values), self._whole[name], values) for name, values in drawn.items()}
        return self._measures(weights, kept)

    def _by_class(self, weights: Counts) -> dict[str, Floats]:
        """PER_CLASS and both areas [classes]; NaN where undefined."""
        cells: Floats = np.bincount(self._cell, weights.astype(np.float64), self._classes**2).astype(np.float64)
        counts = cells.reshape(self._classes, -1)
        hit, true, predicted = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
        roc, pr = np.array([ranked.areas(weights) for ranked in self._ranked]).T
        found = {"precision": (hit, predicted), "recall": (hit, true), "f1": (2 * hit, true + predicted)}
        return {name: _share(*parts) for name, parts in found.items()} | {"roc_auc": roc, "pr_auc": pr}

    def _measures(self, weights: Counts, by_class: dict[str, Floats]) -> dict[str, Floats]:
        total, weighted = weights.sum(), weights.astype(np.float64)
        f1 = by_class["f1"]
        return {
            "accuracy": weighted @ self._hit / total,
            "macro_f1": np.nansum(f1) / np.count_nonzero(~np.isnan(f1)),
            "log_loss": weighted @ self._loss / total,
            "roc_auc": _mean(by_class["roc_auc"]),
            "pr_auc": _mean(by_class["pr_auc"]),
            "calibration_error": np.array(calibration_error(self._gap, self._bin, weighted)),
            **{name: np.nan_to_num(by_class[name]) for name in PER_CLASS},
        }


def _share(part: Floats, whole: Floats) -> Floats:
    shares: Floats = part / np.where(whole == 0, np.nan, whole)
    return shares


def _mean(areas: Floats) -> Floats:
    """Over the classes that have rows of both kinds."""
    defined = areas[~np.isnan(areas)]
    return np.array(defined.mean() if len(defined) else np.nan)


class Ranked:
    """Rows in order of falling score, one class against the rest."""

    def __init__(self, positive: npt.NDArray[np.bool_], score: Floats) -> None:
        order = np.argsort(-score, kind="stable")
        first = np.diff(score[order], prepend=np.nan) != 0  # of each step of the curve: rows of one score
        starts = np.append(np.flatnonzero(first), len(order))
        places = np.flatnonzero(positive[order])
        step = np.cumsum(first)[places] - 1
        begins, ends = starts[step], starts[step + 1]
        self._order, self._places = order.astype(np.int32), places
        self._begins, self._ends = (begins, np.searchsorted(places, begins)), (ends, np.searchsorted(places, ends))
        self._tied = bool((ends - begins > 1).any())

    def areas(self, weights: Counts) -> tuple[float, float]:
        """Areas under the ROC curve and (as average precision) the precision-recall curve under ``weights`` [rows]:
        NaN where the positive or the negative rows weigh nothing."""
        ranked = weights.astype(np.int32).take(self._order)
        gained = ranked.take(self._places)
        above, hits = _before(ranked), _before(gained)
        of, others = int(hits[-1]), int(above[-1] - hits[-1])
        if of == 0 or others == 0:
            return np.nan, np.nan
        reached, right = above.take(self._ends[0]), hits.take(self._ends[1]) if self._tied else hits[1:]
        wrong = reached - right
        if self._tied:  # half of the step counts
            wrong = (wrong + above.take(self._begins[0]) - hits.take(self._begins[1])) / 2
        roc = 1 - float(gained @ wrong.astype(np.float64)) / (of * others)
        return roc, float(gained @ (right / np.maximum(reached, 1))) / of


def _before(counts: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """What stands before each place and, last, all of it: [len + 1]."""
    sums = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=sums[1:])
    return sums
