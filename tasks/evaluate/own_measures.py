"""Your own measures: the functions of ``measures.py`` that ``evaluate.measures`` names.

A measure takes the true labels [rows], the predicted labels [rows], the probabilities [rows, labels] and the labels,
and returns a number. It is called for the test rows, and for every bootstrap resample of them.
"""

from __future__ import annotations

import math
import runpy
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tasks.core.errors import UserError
from tasks.evaluate import MEASURES
from tasks.evaluate.weighted import OVERALL, Predictions
from tasks.statistics.measures import Counts, Floats

Labels = npt.NDArray[np.object_]
Measure = Callable[[Labels, Labels, Floats, list[str]], float]

TAKEN = (
    *OVERALL,
    *("rows", "baseline", "difference", "differences", "intervals", "resampled", "reliability", "slices", "behaviour"),
    *("decisions", "classes", "confusion", "labels_not_in_train"),
)
"""The keys of ``metrics/evaluate.json``."""


def load_measures(names: Sequence[str], file: Path = MEASURES, taken: Collection[str] = TAKEN) -> dict[str, Measure]:
    """The functions of these names. UserError where there is no such function, or the name is taken."""
    if not names:
        return {}
    if not file.exists():
        raise UserError(f"evaluate.measures: {file} does not exist: define {', '.join(names)} in it")
    found = runpy.run_path(str(file))
    for name in names:
        if name in taken:
            raise UserError(f"evaluate.measures: metrics/evaluate.json has a key {name!r} already: rename the function")
        if not callable(found.get(name)):
            raise UserError(f"evaluate.measures: {file} defines no function {name!r}")
    return {name: found[name] for name in names}


class Further(Protocol):
    """Measures beside the built-in ones, of one model's predictions."""

    def figures(self) -> dict[str, float]:
        """On the rows as they are."""

    def weighted(self, weights: Counts) -> dict[str, Floats]:
        """Under weights of the rows, [rows]; NaN where a measure is undefined."""


@dataclass(frozen=True)
class Together:
    """Several of them as one."""

    parts: Sequence[Further]

    def figures(self) -> dict[str, float]:
        """Of all, in their order."""
        return {name: value for part in self.parts for name, value in part.figures().items()}

    def weighted(self, weights: Counts) -> dict[str, Floats]:
        """Likewise."""
        return {name: value for part in self.parts for name, value in part.weighted(weights).items()}


class OwnMeasures:
    """Your measures of one model's predictions."""

    def __init__(self, measures: Mapping[str, Measure], predictions: Predictions, labels: list[str]) -> None:
        names = np.array(labels, object)
        self._measures, self._labels = measures, labels
        self._truth, self._predicted = names[predictions.truth], names[predictions.predicted]
        self._probability = predictions.probability

    def figures(self) -> dict[str, float]:
        """On the rows as they are. UserError where a measure is not a finite number."""
        found = self._of(np.arange(len(self._truth)))
        for name, value in found.items():
            if not math.isfinite(value):
                raise UserError(f"{MEASURES}: {name} is {value} on the test rows: return a finite number")
        return found

    def weighted(self, weights: Counts) -> dict[str, Floats]:
        """With each row repeated as often as ``weights`` [rows] says; NaN where a measure is not a finite number."""
        found = self._of(np.repeat(np.arange(len(weights)), weights))
        return {name: np.array(value if math.isfinite(value) else np.nan) for name, value in found.items()}

    def _of(self, rows: Counts) -> dict[str, float]:
        columns = self._truth[rows], self._predicted[rows], self._probability[rows], self._labels
        return {name: float(measure(*columns)) for name, measure in self._measures.items()}
