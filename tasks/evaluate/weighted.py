"""Every measure under many weightings of the rows at once, each equal to scikit-learn's with that ``sample_weight``.

All but the areas depend on the rows only through sums over them, so one matrix product yields those of all weightings.
The areas need the rows in order of score; ties are taken as one step, as scikit-learn does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.evaluate.probabilities import equal_bins
from tasks.measures import Counts, Floats

OVERALL = ("accuracy", "macro_f1", "log_loss", "roc_auc", "pr_auc", "calibration_error")
PER_CLASS = ("precision", "recall", "f1")


@dataclass(frozen=True)
class Answers:
    """What one model said of some rows; a number is a position among the labels."""

    truth: Counts
    """[rows]"""
    said: Counts
    """[rows]"""
    probability: Floats
    """[rows, classes]"""


class Measures:
    """The measures of one model's answers, what does not depend on the weights worked out beforehand.

    The bins of the calibration error are those of the unweighted rows.
    """

    def __init__(self, answers: Answers, bins: int) -> None:
        self._classes = answers.probability.shape[1]
        self._columns = np.column_stack(list(_columns(answers, bins)))
        self._ranked = [Ranked(answers.truth == k, answers.probability[:, k]) for k in range(self._classes)]

    def under(self, weights: Counts) -> dict[str, Floats]:
        """OVERALL [n] and PER_CLASS [n, classes] under each row of ``weights`` [n, rows], which are whole numbers.

        An area is NaN where no class has rows of both kinds; precision and recall are 0 where they are undefined.
        """
        total, weighted = weights.sum(axis=1), weights.astype(np.float64)
        ends = np.cumsum([1, 1, *[self._classes] * 3])
        right, loss, hit, true, said, gaps = np.split(weighted @ self._columns, ends, axis=1)
        f1, present = _share(2 * hit, true + said), true + said > 0
        roc, pr = _means([ranked.areas(weighted) for ranked in self._ranked])
        return {
            "accuracy": right[:, 0] / total,
            "macro_f1": f1.sum(axis=1) / present.sum(axis=1),
            "log_loss": loss[:, 0] / total,
            "roc_auc": roc,
            "pr_auc": pr,
            "calibration_error": np.abs(gaps).sum(axis=1) / total,
            "precision": _share(hit, said),
            "recall": _share(hit, true),
            "f1": f1,
        }


def _columns(answers: Answers, bins: int) -> Iterator[Floats]:
    """What is summed: right, loss, hits, truths and claims by class, confidence minus rightness by bin."""
    rows, probability = np.arange(len(answers.truth)), answers.probability
    classes = np.eye(probability.shape[1])
    yield (answers.said == answers.truth).astype(np.float64)
    yield -np.log(np.maximum(probability[rows, answers.truth], np.finfo(np.float64).eps))
    yield classes[answers.truth] * classes[answers.said]
    yield classes[answers.truth]
    yield classes[answers.said]
    gap = probability.max(axis=1) - (probability.argmax(axis=1) == answers.truth)
    for part in equal_bins(probability.max(axis=1), bins):
        yield np.where(np.isin(rows, part), gap, 0.0)


def _share(part: Floats, whole: Floats) -> Floats:
    shares: Floats = part / np.where(whole == 0, 1, whole)
    return shares


def _means(areas: list[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """Means over the classes that have rows of both kinds."""
    roc, pr = (np.array(each) for each in zip(*areas, strict=True))
    defined = ~np.isnan(roc)
    count = np.where(defined.any(axis=0), defined.sum(axis=0), np.nan)
    return np.where(defined, roc, 0).sum(axis=0) / count, np.where(defined, pr, 0).sum(axis=0) / count


class Ranked:
    """Rows in order of falling score, one class against the rest."""

    def __init__(self, positive: npt.NDArray[np.bool_], score: Floats) -> None:
        self._order = np.argsort(-score, kind="stable")
        self._positive = positive[self._order].astype(np.float64)
        self._starts = np.flatnonzero(np.diff(score[self._order], prepend=np.nan) != 0)
        self._rising = np.flatnonzero(np.add.reduceat(self._positive, self._starts))

    def areas(self, weights: Floats) -> tuple[Floats, Floats]:
        """Areas under the ROC curve and (as average precision) the precision-recall curve, under each row of
        ``weights`` [n, rows]: both [n], NaN where the positive or the negative rows weigh nothing."""
        steps = np.take(weights, self._order, axis=1)
        gained = steps * self._positive
        if len(self._starts) < len(self._order):
            steps, gained = (np.add.reduceat(each, self._starts, axis=1) for each in (steps, gained))
        above, hits = np.cumsum(steps, axis=1), np.cumsum(gained, axis=1)
        of, total = hits[:, -1], above[:, -1]
        undefined = (of == 0) | (of == total)
        pairs = np.einsum("ij,ij->i", steps - gained, hits - gained / 2)
        precision = _share(hits[:, self._rising], above[:, self._rising])
        roc = pairs / np.maximum(of * (total - of), 1)
        pr = np.einsum("ij,ij->i", gained[:, self._rising], precision) / np.maximum(of, 1)
        return np.where(undefined, np.nan, roc), np.where(undefined, np.nan, pr)
