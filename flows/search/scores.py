"""What a trial reaches on the validation rows, and how much of the best one's score is luck.

The best of many trials on the same rows looks better than it is. The expected score of a model chosen so is that of
BBC (Tsamardinos, Greasidou and Borboudakis 2018, "Bootstrapping the out-of-sample predictions for efficient and
accurate cross-validation", Machine Learning 107): choose on a bootstrap resample of the rows, score on the rows that it
left out, and average. What trainings themselves choose on these rows, the temperature and early stopping, is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flows.search.space import Measure
from tasks.core.files import replacing
from tasks.core.tables import read_table
from tasks.dataset import layout
from tasks.statistics.measures import Cells, Counts, Floats, interval

RESAMPLES = 500


@dataclass(frozen=True)
class Predictions:
    """Of one trial, on the validation rows."""

    probability: Floats
    """[rows, labels]"""
    truth: Counts
    """Label numbers, [rows]."""

    @classmethod
    def read(cls, file: Path) -> Predictions:
        """Those of an earlier trial."""
        with np.load(file) as found:
            return cls(found["probability"], found["truth"])

    def write(self, file: Path) -> None:
        """Whole or not at all."""
        with replacing(file) as part, part.open("wb") as opened:
            np.savez(opened, probability=self.probability, truth=self.truth)

    def measures(self) -> dict[Measure, float]:
        """Each measure on all rows."""
        everything = np.ones((1, len(self.truth)), np.int64)
        names: tuple[Measure, ...] = ("log_loss", "accuracy", "macro_f1")
        return {name: float(_scores([self], name, everything)[0, 0]) for name in names}


def predictions() -> Predictions:
    """Of ``models/classifier`` on the validation rows, in the current folder: the only rows that are read."""
    from tasks.core import params, paths
    from tasks.modelling.checkpoints import checkpoint
    from tasks.score import Params
    from tasks.score.predict import predict

    column = checkpoint.modality_of(paths.CLASSIFIER)
    table = read_table(layout.split("validation"), [column, "label"])
    found = predict(table[column].to_pylist(), paths.CLASSIFIER, params.load(Params, "score"))
    number = {label: i for i, label in enumerate(found.labels)}
    return Predictions(found.probabilities, np.array([number[label] for label in table["label"].to_pylist()], np.int64))


@dataclass(frozen=True)
class Optimism:
    """What choosing the best on the same rows costs."""

    expected: float
    """Score of a model that is chosen so, on rows that did not choose it."""
    interval: list[float]
    """95 %, of the resamples."""
    difference: float
    """How much better the best one looks; negative where the resamples say the contrary."""
    rows: int


def optimism(of: Mapping[str, Predictions], measure: Measure, seed: int, times: int = RESAMPLES) -> Optimism:
    """Of the choice among these trials."""
    tried = list(of.values())
    rows, sign = len(tried[0].truth), -1.0 if measure == "log_loss" else 1.0
    drawn = np.random.default_rng(seed).multinomial(rows, np.full(rows, 1 / rows), size=times)
    drawn = drawn[(drawn == 0).any(axis=1)]
    chosen = (sign * _scores(tried, measure, drawn)).argmax(axis=0)
    left_out = _scores(tried, measure, (drawn == 0).astype(np.int64))[chosen, np.arange(len(drawn))]
    best = (sign * _scores(tried, measure, np.ones((1, rows), np.int64))).max()
    expected = float(left_out.mean())
    return Optimism(expected, interval(left_out), float(best - sign * expected), rows)


def _scores(tried: list[Predictions], measure: Measure, weights: Counts) -> Floats:
    """Of each trial under each weighting of the rows, ``weights`` [n, rows]: [trials, n]."""
    if measure == "log_loss":
        losses = np.stack([_losses(one) for one in tried])
        found: Floats = losses @ weights.T / weights.sum(axis=1)
        return found
    truth, answers = tried[0].truth, np.stack([one.probability.argmax(axis=1) for one in tried])
    cells = Cells(truth, answers, np.ones(len(truth), np.int64), tried[0].probability.shape[1])
    if measure == "accuracy":
        return np.stack([cells.accuracy(i, weights) for i in range(len(tried))])
    return np.stack([cells.macro_f1(i, weights, resample=True) for i in range(len(tried))])


def _losses(one: Predictions) -> npt.NDArray[np.float64]:
    likely = one.probability[np.arange(len(one.truth)), one.truth]
    return -np.log(np.maximum(likely, np.finfo(np.float64).eps))
