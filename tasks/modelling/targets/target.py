"""What every stage that holds a model asks of a task: the head, the loss, the calibration, and what a prediction is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.core.task import Task
from tasks.modelling.decision import Rule

Floats = npt.NDArray[np.float64]
Array = npt.NDArray[Any]
Decision = Mapping[str, Mapping[str, float | None]]
"""``decision`` of config.json: what turns probabilities into answers."""
DIGITS = 6


@dataclass(frozen=True)
class Calibration:
    """What turns logits into calibrated ones, folded into the last layer: logits / ``divisor`` + ``shift``."""

    divisor: float | Floats
    """Of all logits, or of each label's [labels]."""
    shift: Floats | None = None
    """Of each label's [labels]; None: none."""

    def apply(self, logits: Array) -> Array:
        """The calibrated logits, [rows, labels]."""
        scaled = logits / self.divisor
        return scaled if self.shift is None else scaled + self.shift

    def figures(self, labels: Sequence[str]) -> dict[str, Any]:
        """For the metrics."""
        if self.shift is None or not isinstance(self.divisor, np.ndarray):
            return {"temperature": round(float(self.divisor), DIGITS)}
        pairs = zip(labels, self.divisor.tolist(), self.shift.tolist(), strict=True)
        named = {label: {"temperature": round(a, DIGITS), "shift": round(b, DIGITS)} for label, a, b in pairs}
        return {"temperature": None, "calibration": named}


class Target(ABC):
    """A task. ``truth`` below is what ``read`` gives; logits and probabilities are [rows, labels]."""

    task: ClassVar[Task]
    problem_type: ClassVar[str]
    """As transformers calls it, in config.json: what a pipeline turns logits into probabilities by."""

    @abstractmethod
    def read(self, column: pa.ChunkedArray, labels: int) -> Array:
        """The truth of each row, from the numbers that ``tokenize`` wrote for so many labels."""

    @abstractmethod
    def refuse_unlearnable(self, truth: Array) -> None:
        """UserError for training rows that have nothing to tell apart."""

    @abstractmethod
    def probabilities(self, logits: Array) -> Floats:
        """Of each label."""

    @abstractmethod
    def answers(self, probability: Floats, labels: Sequence[str], decision: Decision | None) -> list[str]:
        """The prediction of each row, as the column ``prediction`` has it."""

    @abstractmethod
    def decisions(self, probability: Floats, labels: Sequence[str], decision: Decision | None) -> list[str | None]:
        """The prediction to act on; None: abstain."""

    @abstractmethod
    def confidence(self, probability: Floats, labels: Sequence[str], decision: Decision | None) -> Floats:
        """How probable the prediction is, [rows]."""

    @abstractmethod
    def linear(
        self, estimator: Callable[[], Any], values: Any, truth: Array, labels: int
    ) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
        """Weights [fitted, features] and biases [fitted] of a linear classifier of scikit-learn's, and the numbers of
        the labels that were fitted, [fitted]."""

    @abstractmethod
    def calibrate(self, logits: Array, truth: Array, *, shift: bool = True) -> Calibration:
        """From held-out rows. ``shift``: whether the last layer has biases to fold a shift into."""

    @abstractmethod
    def loss(self, logits: Array, truth: Array) -> float:
        """Mean loss, in nats, in float64."""

    @abstractmethod
    def accuracy(self, logits: Array, truth: Array) -> float:
        """The share of rows whose most probable answer is right in full."""

    @abstractmethod
    def macro_f1(self, logits: Array, truth: Array, calibration: Calibration) -> float:
        """Of the answers to held-out rows, by which a linear model is chosen."""

    @abstractmethod
    def choose(self, probability: Floats, truth: Array, labels: Sequence[str], rule: Rule) -> Decision | None:
        """From held-out rows what turns probabilities into answers; None: nothing but the probabilities."""
