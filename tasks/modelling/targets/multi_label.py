"""``task: multi_label``: each row has any number of labels, none included.

Each label is a yes or no of its own: a sigmoid, and the mean binary cross-entropy over rows and labels. Held-out rows
calibrate each label's logit (Platt 1999, with a prior that nothing need be changed), and choose the probability from
which on a row is given it, so that its F1 is largest. A prediction is the set of these labels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.core.errors import UserError
from tasks.core.task import Task
from tasks.modelling.decision import Rule
from tasks.modelling.targets.target import DIGITS, Array, Calibration, Decision, Floats, Target

MIN_POSITIVE = 5  # held-out rows with a label below which its threshold is not chosen on them
MIDDLE = 0.5  # the threshold of such a label
MIN_SLOPE = float(np.exp(-3.0))  # of a calibrated logit: as far as a temperature goes
IDENTITY = np.array([1.0, 0.0])  # the slope and shift that change nothing
NEWTON_STEPS = 50
CLOSE = 1e-10


@dataclass(frozen=True)
class MultiLabel(Target):
    """Truth: whether each row has each label, float32 [rows, labels] of 0 and 1."""

    task: ClassVar[Task] = "multi_label"
    problem_type: ClassVar[str] = "multi_label_classification"

    def read(self, column: pa.ChunkedArray, labels: int) -> Array:
        """One at the numbers of each row."""
        truth = np.zeros((len(column), labels), np.float32)
        for i, numbers in enumerate(column.to_pylist()):
            truth[i, numbers] = 1
        return truth

    def refuse_unlearnable(self, truth: Array) -> None:
        """UserError where every label is on all rows or on none."""
        if not _both_kinds(truth).any():
            raise UserError("every label is on all training rows or on none: a classifier needs rows of both kinds")

    def probabilities(self, logits: Array) -> Floats:
        """The sigmoid of each."""
        return sigmoid(logits.astype(np.float64))

    def answers(self, probability: Floats, labels: Sequence[str], decision: Decision | None) -> list[str]:
        """The labels whose probability reaches their threshold, as a JSON list."""
        given = probability >= _thresholds(labels, decision)
        order = sorted(range(len(labels)), key=lambda k: labels[k])
        return [json.dumps([labels[k] for k in order if row[k]], ensure_ascii=False) for row in given]

    def decisions(self, probability: Floats, labels: Sequence[str], decision: Decision | None) -> list[str | None]:
        """The predictions: no row is abstained from."""
        return [*self.answers(probability, labels, decision)]

    def confidence(self, probability: Floats, labels: Sequence[str], decision: Decision | None) -> Floats:
        """The probability that all labels are as predicted, if each were right or wrong by itself: their product."""
        given = probability >= _thresholds(labels, decision)
        product: Floats = np.where(given, probability, 1 - probability).prod(axis=1)
        return product

    def linear(
        self, estimator: Callable[[], Any], values: Any, truth: Array, labels: int
    ) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
        """One classifier for each label against the rest; one that all rows have, or none, has its bias alone."""
        weights, biases, both = np.zeros((labels, values.shape[1])), np.empty(labels), _both_kinds(truth)
        for k in range(labels):
            if both[k]:
                model = estimator().fit(values, truth[:, k].astype(np.int64))
                weights[k], biases[k] = model.coef_[0], float(np.ravel(model.intercept_)[0])
            else:
                share = (truth[:, k].sum() + 0.5) / (len(truth) + 1)
                biases[k] = np.log(share / (1 - share))
        return weights, biases, np.arange(labels)

    def calibrate(self, logits: Array, truth: Array, *, shift: bool = True) -> Calibration:
        """A slope and a shift for each label."""
        found = [_platt(logits[:, k].astype(np.float64), truth[:, k], shift) for k in range(logits.shape[1])]
        slopes, shifts = np.array(found).T.reshape(2, -1)
        return Calibration(1 / slopes, shifts)

    def loss(self, logits: Array, truth: Array) -> float:
        """Mean binary cross-entropy over rows and labels."""
        values = logits.astype(np.float64)
        return float(np.mean(np.logaddexp(0, values) - truth * values))

    def accuracy(self, logits: Array, truth: Array) -> float:
        """The share of rows all of whose labels are on the right side of one half."""
        return float(np.mean(((logits > 0) == (truth > 0)).all(axis=1)))

    def macro_f1(self, logits: Array, truth: Array, calibration: Calibration) -> float:
        """Of the calibrated probabilities under thresholds chosen on the same rows."""
        probability = self.probabilities(calibration.apply(logits))
        cuts = [threshold(probability[:, k], truth[:, k] > 0) for k in range(truth.shape[1])]
        return float(np.mean(_f1(probability >= np.array(cuts), truth > 0)))

    def choose(self, probability: Floats, truth: Array, labels: Sequence[str], rule: Rule) -> Decision | None:
        """The threshold of each label."""
        cuts = [threshold(probability[:, k], truth[:, k] > 0) for k in range(len(labels))]
        return {"thresholds": dict(zip(labels, cuts, strict=True))}


MULTI_LABEL = MultiLabel()


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-logits)), without overflow."""
    exponential = np.exp(-np.abs(logits))
    shares: Floats = np.where(logits >= 0, 1, exponential) / (1 + exponential)
    return shares


def threshold(probability: Floats, truth: npt.NDArray[np.bool_]) -> float:
    """The probability [rows] from which on F1 is largest, between two of the rows'; of several the nearest to one half.

    MIDDLE where fewer than MIN_POSITIVE rows have the label: so few would choose it by chance.
    """
    if truth.sum() < MIN_POSITIVE:
        return MIDDLE
    order = np.argsort(-probability, kind="stable")
    shares, hits = probability[order], np.cumsum(truth[order])
    ends = np.flatnonzero(np.append(np.diff(shares) < 0, True))  # a cut lies between two different probabilities
    f1 = 2 * hits[ends] / (ends + 1 + truth.sum())
    below = np.append(shares[ends[:-1] + 1], 0.0)
    cuts = np.round((shares[ends] + below) / 2, DIGITS)
    best = cuts[f1 >= f1.max() - CLOSE]
    return float(best[np.argmin(abs(best - MIDDLE))])


def _thresholds(labels: Sequence[str], decision: Decision | None) -> Floats:
    if decision is None:
        return np.full(len(labels), MIDDLE)
    return np.array([decision["thresholds"][label] for label in labels], np.float64)


def _both_kinds(truth: Array) -> npt.NDArray[np.bool_]:
    """Whether some rows have each label and some have it not, [labels]."""
    rows = truth.sum(axis=0)
    both: npt.NDArray[np.bool_] = (rows > 0) & (rows < len(truth))
    return both


def _f1(given: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> Floats:
    """Of each label that is true or given of a row, [≤ labels]; [0] where none is."""
    together = given.sum(axis=0) + truth.sum(axis=0)
    found: Floats = (2 * (given & truth).sum(axis=0))[together > 0] / together[together > 0]
    return found if len(found) else np.zeros(1)


def _platt(logits: Floats, truth: Array, shift: bool) -> tuple[float, float]:
    """Slope and shift of the likeliest logistic regression on ``logits`` [rows], with standard normal priors around
    one and zero, which weigh less than a row. Held-out rows that contradict the model do not turn its order round."""
    design = np.column_stack([logits, np.ones(len(logits))])
    weights = _newton(design, truth, np.array([1.0, 0.0]), np.array([True, shift]))
    if weights[0] < MIN_SLOPE:
        weights = _newton(design, truth, np.array([MIN_SLOPE, 0.0]), np.array([False, shift]))
    return float(weights[0]), float(weights[1])


def _newton(design: Floats, truth: Array, start: Floats, free: npt.NDArray[np.bool_]) -> Floats:
    """The weights [2] of least cost, of which those that are ``free`` move; the cost is convex."""
    weights = start.copy()
    for _ in range(NEWTON_STEPS if free.any() else 0):
        chance = sigmoid(design @ weights)
        slope = (design.T @ (truth - chance) - (weights - IDENTITY))[free]
        curve = ((design * (chance * (1 - chance))[:, None]).T @ design + np.eye(2))[np.ix_(free, free)]
        step = np.zeros(2)
        step[free] = np.linalg.solve(curve, slope)
        before = _cost(design, truth, weights)
        while _cost(design, truth, weights + step) > before and np.abs(step).max() > CLOSE:
            step /= 2
        weights = weights + step
        if np.abs(step).max() <= CLOSE:
            break
    return weights


def _cost(design: Floats, truth: Array, weights: Floats) -> float:
    values = design @ weights
    prior = ((weights - IDENTITY) ** 2).sum() / 2
    return float(np.sum(np.logaddexp(0, values) - truth * values) + prior)
