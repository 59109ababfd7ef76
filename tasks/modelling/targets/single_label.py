"""``task: single_label``: each row has one label. Softmax and cross-entropy; the prediction is the likeliest label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.core.errors import UserError
from tasks.core.task import Task
from tasks.modelling.decision import Rule, choose_thresholds, decide, softmax
from tasks.modelling.targets.target import Array, Calibration, Decision, Floats, Target
from tasks.modelling.temperature import cross_entropy, fit_temperature


@dataclass(frozen=True)
class SingleLabel(Target):
    """Truth: the number of each row's label, int64 [rows]."""

    task: ClassVar[Task] = "single_label"
    problem_type: ClassVar[str] = "single_label_classification"

    def read(self, column: pa.ChunkedArray, labels: int) -> Array:
        """The numbers as they are."""
        numbers: Array = column.to_numpy()
        return numbers

    def refuse_unlearnable(self, truth: Array) -> None:
        """UserError for rows of one label."""
        if len(np.unique(truth)) < 2:
            raise UserError("the training rows have one label: a classifier needs two")

    def probabilities(self, logits: Array) -> Floats:
        """Softmax: each row sums to 1."""
        return softmax(logits)

    def answers(self, probability: Floats, labels: Sequence[str], decision: Decision | None) -> list[str]:
        """The most probable label."""
        return [labels[i] for i in probability.argmax(axis=1)]

    def decisions(self, probability: Floats, labels: Sequence[str], decision: Decision | None) -> list[str | None]:
        """By ``finetune.decision``."""
        return decide(probability, labels, decision)

    def confidence(self, probability: Floats, labels: Sequence[str], decision: Decision | None) -> Floats:
        """The largest probability."""
        largest: Floats = probability.max(axis=1)
        return largest

    def linear(
        self, estimator: Callable[[], Any], values: Any, truth: Array, labels: int
    ) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
        """One classifier of all labels that occur; of two, scikit-learn gives the difference alone."""
        model = estimator().fit(values, truth)
        weights, biases = model.coef_, np.broadcast_to(model.intercept_, len(model.coef_))
        if len(weights) == 1:
            weights, biases = np.concatenate([-weights, weights]) / 2, np.concatenate([-biases, biases]) / 2
        return weights, biases, model.classes_

    def calibrate(self, logits: Array, truth: Array, *, shift: bool = True) -> Calibration:
        """One temperature (Guo et al. 2017)."""
        return Calibration(fit_temperature(logits, truth))

    def loss(self, logits: Array, truth: Array) -> float:
        """Cross-entropy."""
        return cross_entropy(logits, truth)

    def accuracy(self, logits: Array, truth: Array) -> float:
        """The share of rows whose likeliest label is theirs."""
        return float(np.mean(logits.argmax(1) == truth))

    def macro_f1(self, logits: Array, truth: Array, calibration: Calibration) -> float:
        """Of the likeliest labels, which a temperature leaves as they are."""
        from sklearn.metrics import f1_score

        return float(f1_score(truth, logits.argmax(1), average="macro"))

    def choose(self, probability: Floats, truth: Array, labels: Sequence[str], rule: Rule) -> Decision | None:
        """Thresholds by ``finetune.decision``."""
        return choose_thresholds(probability, truth, labels, rule)


SINGLE_LABEL = SingleLabel()
