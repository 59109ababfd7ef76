"""A policy replayed over windows: watch, decide, refit, ask the gate. No Prefect, and nothing of any model.

What a model is and does is behind ``Models``; the decision is ``flows.windows.policy``'s, as in ``flows.monitoring``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from flows.parameters import Labels, Policy, Prices
from flows.runs.figures import figures, verdict_on
from flows.runs.metrics import DriftVerdict
from flows.runs.run_record import Measured
from flows.windows.policy import Decision, Facts, decide
from flows.windows.ranges import TimeRange
from flows.windows.verdict import PastWindow, WindowVerdict
from tasks.core.files import read_json, write_json

log = logging.getLogger(__name__)

COVERAGE = 0.95
Z = 1.96
T = TypeVar("T")


@dataclass(frozen=True)
class WindowResult:
    """One model on one window: how right it was, and what monitoring would have said."""

    rows: int
    right: str
    """A sign for each row whose label is known, in the order of the history: 1 where the model was right."""
    macro_f1: float | None
    """None where the window has one class only: then there is accuracy alone."""
    drift: dict[str, Any]
    """Of ``metrics/drift.json``, what flows read."""

    @classmethod
    def of(cls, rows: int, truth: list[str], predictions: list[str], verdict: DriftVerdict) -> WindowResult:
        """From the labels that are known of the window's rows, the model's predictions, and the drift verdict."""
        return cls(
            rows=rows,
            right="".join("1" if label == answer else "0" for label, answer in zip(truth, predictions, strict=True)),
            macro_f1=_macro_f1(truth, predictions),
            drift=verdict.model_dump(mode="json", by_alias=True),
        )

    @cached_property
    def verdict(self) -> DriftVerdict:
        """The stage's."""
        return DriftVerdict.of(self.drift, "the backtest's drift verdict")

    @property
    def measured(self) -> Measured | None:
        """The accuracy as monitoring would record it, once all labels are there."""
        if self.accuracy is None or self.interval is None:
            return None
        rows = len(self.right)
        return Measured(accuracy=self.accuracy, interval=self.interval, rows=rows, of=rows, over="all rows")

    @property
    def accuracy(self) -> float | None:
        """The share of right answers; None without rows."""
        return self.right.count("1") / len(self.right) if self.right else None

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """The accuracy's exact binomial interval (Clopper and Pearson 1934)."""
        if not self.right:
            return None
        from scipy.stats import binomtest

        bounds = binomtest(self.right.count("1"), len(self.right)).proportion_ci(COVERAGE, "exact")
        return float(bounds.low), float(bounds.high)


def _macro_f1(truth: list[str], predictions: list[str]) -> float | None:
    if len(set(truth)) < 2:
        return None
    from sklearn.metrics import f1_score

    return round(float(f1_score(truth, predictions, average="macro")), 6)


@dataclass(frozen=True)
class Training:
    """What a training took."""

    rows: int
    seconds: float
    """Processor time of a probe; of a full training as a clock has it."""


@dataclass(frozen=True)
class Refit:
    """A refit and what the promotion gate said of it."""

    promoted: bool
    reason: str
    rows: int
    seconds: float


class Models(Protocol):
    """Models by the end of what they were trained on."""

    def train(self, until: datetime) -> Training:
        """On all rows before ``until``, as the pipeline splits them."""

    def evaluate(self, until: datetime, window: TimeRange) -> WindowResult:
        """The model trained until then on a later window."""

    def gate(self, champion: datetime, challenger: datetime) -> tuple[bool, str]:
        """Whether the challenger is promoted, and why."""


@dataclass
class ResultCache:
    """Models with their results cached in a folder: what one policy has computed, no other computes again."""

    models: Models
    folder: Path
    computed: int = 0
    """Results that were computed rather than read."""

    def train(self, until: datetime) -> Training:
        """As of Models."""
        return self.cached(Training, f"trained-{_stamp(until)}", lambda: self.models.train(until))

    def evaluate(self, until: datetime, window: TimeRange) -> WindowResult:
        """As of Models."""
        name = f"result-{_stamp(until)}-{_stamp(window.since)}-{_stamp(window.until)}"
        return self.cached(WindowResult, name, lambda: self.models.evaluate(until, window))

    def refit(self, champion: datetime, challenger: datetime) -> Refit:
        """Training and the gate."""
        trained = self.train(challenger)

        def judged() -> Refit:
            return Refit(*self.models.gate(champion, challenger), trained.rows, trained.seconds)

        return self.cached(Refit, f"refit-{_stamp(champion)}-{_stamp(challenger)}", judged)

    def cached(self, kind: Callable[..., T], name: str, make: Callable[[], Any]) -> T:
        """The result of that name, computed unless the folder has it."""
        file = self.folder / f"{name}.json"
        if not file.exists():
            write_json(asdict(make()), file)
            self.computed += 1
        return kind(**read_json(file))


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%S}"


@dataclass(frozen=True)
class Step:
    """One window under one policy."""

    window: TimeRange
    trained_until: datetime
    result: WindowResult
    verdict: WindowVerdict
    decision: Decision
    refit: Refit | None


def replay_policy(cache: ResultCache, windows: Sequence[TimeRange], policy: Policy, labels: Labels) -> list[Step]:
    """The policy over the windows; who is promoted answers the next one.

    After the last window nothing is refitted: there is no row left that the refit could answer.
    """
    active, tried, steps = windows[0].since, None, []
    seen: list[PastWindow] = []
    for window in windows:
        result = cache.evaluate(active, window)
        measured = result.measured if labels == "at_once" else None
        verdict = verdict_on(result.verdict, measured, window, seen, policy)
        decision, refit = decide(policy, facts(result, verdict, window, active, tried, labels)), None
        if decision.refit and window is windows[-1]:
            decision = replace(decision, reasons=[*decision.reasons, "not done after the last window"])
        elif decision.refit:
            tried, refit = window.until, cache.refit(active, window.until)
        steps.append(Step(window, active, result, verdict, decision, refit))
        seen.append(PastWindow(window, figures(result.verdict, result.measured), str(window)))
        log.info(f"{policy.refit_on}, {window}: {_describe(steps[-1])}")
        if refit and refit.promoted:
            active, seen = window.until, []
    return steps


def facts(
    result: WindowResult,
    verdict: WindowVerdict,
    window: TimeRange,
    active: datetime,
    tried: datetime | None,
    labels: Labels,
) -> Facts:
    """What is known when a window has closed, as ``flows.monitoring.watch`` has it."""
    measured = labels == "at_once"
    performance = result.verdict.performance
    now = result.accuracy if measured else performance.estimated_accuracy
    return Facts(
        at=window.until,
        trained_until=active,
        tried_at=tried,
        word=verdict.word,
        alarm=verdict.alarm,
        accuracy_then=performance.reference_accuracy,
        accuracy_now=now,
        accuracy_is=None if now is None else "measured" if measured else "estimated",
        labelled=len(result.right),
    )


def _describe(step: Step) -> str:
    if step.result.accuracy is None:
        return f"no rows; {step.decision}"
    promoted = f", {'promoted' if step.refit.promoted else 'not promoted'}" if step.refit else ""
    return f"accuracy {step.result.accuracy:.3f} on {len(step.result.right)} rows; {step.decision}{promoted}"


@dataclass(frozen=True)
class Summary:
    """A policy over all windows, beside the first policy of the backtest, which saw the same rows."""

    policy: str
    accuracy: float
    """Weighted by rows."""
    interval: tuple[float, float]
    difference: float
    """Of the accuracies, to the first policy's."""
    difference_interval: tuple[float, float]
    """Paired, 95 %, by the normal approximation."""
    rows: int
    """With a label, in all windows."""
    labels: int
    """Of these, in the windows that a refit could learn from."""
    alarms: int
    windows: int
    refits: int
    promoted: int
    trained_rows: int
    seconds: float


def summary(policy: Policy, steps: Sequence[Step], first: Sequence[Step]) -> Summary:
    """The figures of one policy."""
    right, base = (np.concatenate([_bits(step.result.right) for step in one]) for one in (steps, first))
    whole = WindowResult(len(right), "".join(step.result.right for step in steps), None, {})
    difference = right - base
    half = Z * float(difference.std()) / float(np.sqrt(max(len(difference), 1)))
    refits = [step.refit for step in steps if step.refit]
    return Summary(
        policy=policy.refit_on,
        accuracy=float(right.mean()),
        interval=whole.interval or (0.0, 1.0),
        difference=float(difference.mean()),
        difference_interval=(float(difference.mean()) - half, float(difference.mean()) + half),
        rows=len(right),
        labels=_labels(steps),
        alarms=sum(step.verdict.alarm for step in steps),
        windows=len(steps),
        refits=len(refits),
        promoted=sum(one.promoted for one in refits),
        trained_rows=sum(one.rows for one in refits),
        seconds=sum(one.seconds for one in refits),
    )


def _labels(steps: Sequence[Step]) -> int:
    """How many rows have to be labelled: those of all windows up to the last refit."""
    last = max((place for place, step in enumerate(steps, 1) if step.refit), default=0)
    return sum(len(step.result.right) for step in steps[:last])


def cost(one: Summary, prices: Prices) -> float:
    """Of all windows under a policy: wrong answers, labels, training and reviews."""
    wrong = one.rows * (1 - one.accuracy) * prices.wrong_answer
    return wrong + one.labels * prices.label + one.seconds / 3600 * prices.core_hour + one.refits * prices.review


def cost_difference(one: Summary, first: Summary, prices: Prices) -> tuple[float, float, float]:
    """What a policy costs more than the first, and the 95 % interval, of which the wrong answers are the chance."""
    value = cost(one, prices) - cost(first, prices)
    least, most = one.difference_interval
    half = (most - least) / 2 * one.rows * prices.wrong_answer
    return value, value - half, value + half


def _bits(right: str) -> npt.NDArray[np.float64]:
    bits: npt.NDArray[np.float64] = (np.frombuffer(right.encode(), np.uint8) == ord("1")).astype(np.float64)
    return bits


def describe_policy(policy: Policy) -> str:
    """A policy and what it looks at, in words."""
    looked_at = {
        "schedule": f", every {policy.every_days:g} days",
        "estimated_loss": f" of {policy.tolerated_loss:g}",
        **dict.fromkeys(("alarm", "harmful", "unusual"), f", cooldown {policy.cooldown_days:g} days"),
    }
    return policy.refit_on.replace("_", " ") + looked_at.get(policy.refit_on, "")
