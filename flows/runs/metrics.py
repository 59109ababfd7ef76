"""What flows read of the stages' metrics, of a folder or of any commit, under today's names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from flows.errors import FlowError, GitFailed
from flows.machine.git import git
from flows.runs.renamed import metrics_today
from tasks.core import paths
from tasks.core.files import read_json

Interval = tuple[float, float]


class Metrics(BaseModel):
    """Base: frozen; what flows do not use is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def stage(cls) -> str:
        """Whose metrics these are."""
        raise NotImplementedError

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        """Of a working tree. UserError where the stage did not run."""
        file = folder / paths.metrics(cls.stage())
        return cls.of(read_json(file), str(file))

    @classmethod
    def at(cls, repository: Path, commit: str) -> Self | None:
        """Of a commit; None where it has none."""
        place = f"{commit}:{paths.metrics(cls.stage())}"
        try:
            return cls.of(json.loads(git(repository, "show", place)), place)
        except GitFailed:
            return None

    @classmethod
    def of(cls, content: dict[str, Any], where: str) -> Self:
        """The content of a metrics file of any release. FlowError where a value is missing."""
        try:
            return cls.model_validate(metrics_today(cls.stage(), content))
        except ValidationError as error:
            fault = error.errors()[0]
            raise FlowError(f"{where}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None


class Intervals(BaseModel):
    """95 % intervals of an evaluation's figures."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    macro_f1: Interval | None = None
    accuracy: Interval | None = None
    log_loss: Interval | None = None
    difference: Interval | None = None


class Baseline(BaseModel):
    """The evaluation of a logistic regression on words."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    macro_f1: float


class Evaluation(Metrics):
    """``metrics/evaluate.json``."""

    rows: int
    macro_f1: float | None = None
    accuracy: float | None = None
    log_loss: float | None = None
    difference: float | None = None
    """Of macro-F1 to the baseline's."""
    baseline: Baseline | None = None
    intervals: Intervals = Intervals()

    @classmethod
    def stage(cls) -> str:
        return "evaluate"


class Signal(BaseModel):
    """One drift signal."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    effect: float | None = None
    """The largest change in a share of rows."""
    significant: bool = False
    alarm: bool = False


class Performance(BaseModel):
    """Accuracy in the current window, estimated without labels."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    estimated_accuracy: float | None = None
    reference_accuracy: float | None = None


class DriftVerdict(Metrics):
    """``metrics/drift.json``."""

    drifted: bool | None
    reason: str
    signals: dict[str, Signal] = {}
    performance: Performance = Performance()

    @classmethod
    def stage(cls) -> str:
        return "drift"

    @property
    def alarms(self) -> list[str]:
        """The signals that call for an alarm."""
        return [name for name, signal in self.signals.items() if signal.alarm]

    @property
    def effects(self) -> dict[str, float]:
        """How much each signal changed, where it was measured."""
        return {name: signal.effect for name, signal in self.signals.items() if signal.effect is not None}

    def __str__(self) -> str:
        return {True: "drift", False: "no drift", None: "no verdict on drift"}[self.drifted]
