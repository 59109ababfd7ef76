"""Every window that was watched: whether it was harmed, and which arms raise an alarm on it without its labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np

from bench.alarms.peers import EVIDENTLY, alibi_alarms, evidently_said, nanny_alerts
from bench.alarms.streams import Stream
from bench.alarms.watch import kept_chances, kept_watches
from flows.parameters import Policy
from flows.runs.figures import figures, verdict_on
from flows.runs.metrics import DriftVerdict
from flows.runs.run_record import Measured
from flows.windows.ranges import TimeRange
from flows.windows.verdict import Loss, PastWindow, WindowVerdict, corrected

HARM = 0.02
"""The loss of accuracy that harms, as ``tolerated_loss`` by default."""
Truth = Literal["harmed", "unharmed", "undecidable"]


@dataclass(frozen=True)
class Others:
    """What others said of windows, as far as they were asked."""

    evidently: Mapping[str, Mapping[str, bool]]
    nanny: Mapping[str, Mapping[str, float]]
    alibi: Mapping[str, Mapping[str, bool]]

    def of(self, watch: str, window: str) -> dict[str, bool | None]:
        """By arm."""
        said, alert = self.evidently.get(f"{watch}/{window}", {}), self.nanny.get(watch, {}).get(window)
        return {
            **{name: said.get(name) for name in EVIDENTLY},
            "NannyML CBPE: any chunk": None if alert is None else alert > 0,
            "NannyML CBPE: half the chunks": None if alert is None else alert >= 0.5,
            "alibi-detect: TabularDrift": self.alibi.get(watch, {}).get(window),
        }


@dataclass(frozen=True)
class Case:
    """One window under one model."""

    stream: str
    watch: str
    window: str
    step: int
    """Which window of the watch this is: 0 is the first after the reference."""
    rows: int
    fall: Loss
    estimates: Mapping[str, float | None]
    """Predicted loss of accuracy, by the estimate's name; None where there is none."""
    alarms: Mapping[str, bool | None]
    """By arm; None: not measured."""

    @property
    def truth(self) -> Truth:
        """Of the window's labels: the issue's rule."""
        if self.fall.low > 0 and self.fall.value >= HARM:
            return "harmed"
        return "unharmed" if self.fall.high < HARM else "undecidable"


def cases(stream: Stream) -> list[Case]:
    """Of all watches of a stream that are known."""
    watches = kept_watches(stream)
    others = Others(evidently_said(), nanny_alerts(), alibi_alarms())
    found = []
    for kept in watches:
        found += list(_watch(stream, kept, watches, others))
    return found


def _watch(
    stream: Stream,
    kept: dict[str, Any],
    watches: Sequence[dict[str, Any]],
    others: Others,
) -> Iterator[Case]:
    past: list[PastWindow] = []
    last: float | None = None  # measured loss
    name = f"{stream.file}/{kept['watch']}"
    for step, one in enumerate(kept["windows"]):
        drift = DriftVerdict.of(one["drift"], "kept")
        window = TimeRange(*(datetime.fromisoformat(at) for at in one["range"])) if one["range"] else None
        verdict = verdict_on(drift, None, window, past, Policy())
        now, low, high = one["now"]
        measured = Measured(accuracy=now, interval=(low, high), rows=one["rows"], of=one["rows"], over="all rows")
        known = figures(drift, measured)
        assert known.measured and known.predicted
        settled, _ = corrected(known.predicted, past)
        estimates = {
            "CBPE": known.predicted.value,
            "last measured": last,
            "corrected": settled.value,
            "newer model": _newer(kept, one, watches) if step else None,
        }
        yield Case(
            stream.name,
            kept["watch"],
            one["name"],
            step,
            one["rows"],
            known.measured,
            estimates,
            {
                **_rings(verdict, drift, others.of(name, one["name"]), estimates),
                "CBPE ≥ 2 points, above 0": _surely(known.predicted),
                "corrected ≥ 2 points, above 0": _surely(settled),
            },
        )
        last = known.measured.value
        if window:
            past.append(PastWindow(window, known, f"{kept['watch']}-{step}"))


def _surely(loss: Loss) -> bool:
    """The truth's own rule on a prediction: 2 points, and a 95 % interval above 0."""
    return loss.value >= HARM and loss.low > 0


def _newer(kept: dict[str, Any], one: dict[str, Any], watches: Sequence[dict[str, Any]]) -> float | None:
    """The loss by the answers' chances under the model whose reference ends where this window begins."""
    other = next((each for each in watches if each["watch"] == one["name"]), None)
    if other is None or one["range"] is None or not other["windows"] or other["windows"][0]["name"] != one["name"]:
        return None
    mine, theirs, name = kept_chances(kept["file"]), kept_chances(other["file"]), one["name"]
    rows, their_rows = mine[f"{name}, rows"], theirs[f"{name}, rows"]
    _, at, their_at = np.intersect1d(rows, their_rows, return_indices=True)
    answers = mine["classes"][mine[f"{name}, chances"][at].argmax(axis=1)]
    chances = _calibrated(theirs)(theirs[f"{name}, chances"][their_at])
    column = {label: i for i, label in enumerate(theirs["classes"].tolist())}
    right = [chances[i, column[answer]] if answer in column else 0.0 for i, answer in enumerate(answers.tolist())]
    return float(one["before"][0] - np.mean(right))


def _calibrated(kept: Mapping[str, np.ndarray]) -> Any:
    """Chances at the temperature that fits the held-out reference rows best (Guo et al. 2017)."""
    held, labels = kept["reference, chances"], kept["reference, labels"]
    column = {label: i for i, label in enumerate(kept["classes"].tolist())}
    rows = [(i, column[label]) for i, label in enumerate(labels.tolist()) if label in column]
    place, truth = np.array(rows).T

    def at(temperature: float, chances: np.ndarray) -> np.ndarray:
        scaled = np.maximum(chances.astype(np.float64), 1e-9) ** (1 / temperature)
        return scaled / scaled.sum(axis=1, keepdims=True)

    grid = np.exp(np.linspace(math.log(0.25), math.log(4), 33))
    best = min(grid, key=lambda one: -np.log(at(one, held[place])[np.arange(len(place)), truth]).mean())
    return lambda chances: at(best, chances)


def _rings(
    verdict: WindowVerdict,
    drift: DriftVerdict,
    others: Mapping[str, bool | None],
    estimates: Mapping[str, float | None],
) -> dict[str, bool | None]:
    return {
        "always": True,
        "never": False,
        "changed alone (the gate)": bool(drift.drifted),
        "word harmful": verdict.word == "harmful",
        "alarm: harmful or unusual": verdict.alarm,
        **others,
        **{f"{name} ≥ 2 points": _at_least(value, estimates["CBPE"]) for name, value in estimates.items()},
    }


def _at_least(value: float | None, otherwise: float | None) -> bool:
    """Whether the predicted loss harms; where an estimate needs what is not known yet, CBPE's."""
    return (otherwise or 0.0) >= HARM if value is None else value >= HARM
