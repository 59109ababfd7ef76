"""What flows read of the stages' metrics, of a folder or of any commit, under today's names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from flows.errors import FlowError, GitFailed
from flows.machine.git import git
from flows.runs.renamed import metrics_today
from flows.windows.ranges import UtcMoment
from tasks.core import paths
from tasks.core.files import read_json

Interval = tuple[float, float]


class Part(BaseModel):
    """Base: frozen; what flows do not use is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Metrics(Part):
    """The content of one metrics file."""

    STAGE: ClassVar[str]
    """Whose metrics these are."""

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        """Of a working tree. UserError where the stage did not run."""
        file = folder / paths.metrics(cls.STAGE)
        return cls.of(read_json(file), str(file))

    @classmethod
    def at(cls, repository: Path, commit: str) -> Self | None:
        """Of a commit; None where it has none."""
        place = f"{commit}:./{paths.metrics(cls.STAGE)}"
        try:
            return cls.of(json.loads(git(repository, "show", place)), place)
        except GitFailed:
            return None

    @classmethod
    def of(cls, content: Mapping[str, JsonValue], where: str) -> Self:
        """The content of a metrics file of any release. FlowError where a value is missing."""
        try:
            return cls.model_validate(metrics_today(cls.STAGE, content))
        except ValidationError as error:
            fault = error.errors()[0]
            raise FlowError(f"{where}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None


class Intervals(Part):
    """95 % intervals of an evaluation's figures."""

    macro_f1: Interval | None = None
    accuracy: Interval | None = None
    log_loss: Interval | None = None
    difference: Interval | None = None


class Baseline(Part):
    """The evaluation of a logistic regression on words."""

    macro_f1: float


class Evaluation(Metrics):
    """``metrics/evaluate.json``."""

    STAGE: ClassVar = "evaluate"

    rows: int
    macro_f1: float | None = None
    accuracy: float | None = None
    log_loss: float | None = None
    difference: float | None = None
    """Of macro-F1 to the baseline's."""
    baseline: Baseline | None = None
    intervals: Intervals = Intervals()


class Signal(Part):
    """One drift signal."""

    effect: float | None = None
    """The largest change in a share of rows."""
    significant: bool = False
    alarm: bool = False


class Performance(Part):
    """Accuracy in the current window, estimated without labels."""

    estimated_accuracy: float | None = None
    interval: Interval | None = None
    reference_accuracy: float | None = None
    reference_interval: Interval | None = None
    reference_rows: int = 0


class ReferenceWindow(Part):
    """A past window of the reference."""

    since: UtcMoment = Field(alias="from")
    until: UtcMoment
    rows: int
    labelled: int
    right: int
    """Of the labelled rows, those that the model got right."""
    estimated_accuracy: float | None = None
    distances: dict[str, float]


class Distances(Part):
    """How far windows lie from the reference, by signal."""

    current: dict[str, float] = {}
    past: tuple[ReferenceWindow, ...] = ()


class Segment(Part):
    """A part of the current window: a cluster of the embeddings, a predicted class, or a slice of your own."""

    segment: int
    """Its number in ``reports/drift_segments.parquet``."""
    name: str
    rows: int
    share: float
    reference_share: float
    estimated_accuracy: float | None = None
    estimated_loss: float | None = None
    """Its part in the window's loss of accuracy."""
    estimated_loss_interval: Interval | None = None
    """95 %; None: no loss is known, or an earlier release made it."""
    slice: str | None = None
    """The column whose value it is; None: a cluster or a predicted class."""


class DriftVerdict(Metrics):
    """``metrics/drift.json``."""

    STAGE: ClassVar = "drift"

    drifted: bool | None
    reason: str
    signals: dict[str, Signal] = {}
    performance: Performance = Performance()
    segments: tuple[Segment, ...] = ()
    """None, if an earlier release made it."""
    distances: Distances | None = None
    """None: there is no verdict, or an earlier release made it."""

    @property
    def alarms(self) -> list[str]:
        """The signals that changed."""
        return [name for name, signal in self.signals.items() if signal.alarm]
