"""Refits on *harmful* or *unusual* beside a schedule and none, stream by stream, by the product's own replay.

A refit is a probe of the windows before; every one is promoted. Labels come after a window's decision: *harmful* is
predicted. Windows that ``bench.alarms`` has watched are not computed again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from bench.alarms.streams import STREAMS, Stream, Watch, Window
from bench.alarms.watch import KEPT, kept_chances, kept_watches, watched
from bench.corpora import Corpus
from flows.backtest.replay import ResultCache, Step, Summary, Training, WindowResult, replay_policy, summary
from flows.parameters import Policy, RefitOn
from flows.runs.metrics import DriftVerdict
from flows.windows.ranges import TimeRange

POLICIES: tuple[RefitOn, ...] = ("never", "schedule", "harmful", "unusual", "alarm")
NEAR = 0.01  # of the schedule's accuracy, at half its refits or fewer: what is asked of a policy


class Spent(Exception):
    """The time is."""


@dataclass(frozen=True)
class Probes:
    """A stream's models, by the moment until which they were trained."""

    stream: Stream
    corpus: Corpus
    watches: dict[datetime, Watch]
    windows: dict[TimeRange, Window]
    end: float

    def train(self, until: datetime) -> Training:
        """Nothing is trained before an answer is asked for."""
        return Training(len(self.watches[until].reference), 0.0)

    def evaluate(self, until: datetime, window: TimeRange) -> WindowResult:
        """As it was watched, or watched now."""
        name, found = self.windows[window].name, self._kept(until, window)
        if found is None:
            if time.monotonic() > self.end:
                raise Spent
            own = self.watches[until]
            found = watched(self.stream, self.corpus, Watch(own.name, own.reference, [self.windows[window]]))
        said, arrays = found
        if not arrays:  # the reference has one label, and so no model
            raise Spent
        answers = arrays["classes"][arrays[f"{name}, chances"].argmax(axis=1)].tolist()
        drift = next(one["drift"] for one in said["windows"] if one["name"] == name)
        truth = arrays[f"{name}, labels"].tolist()
        return WindowResult.of(len(truth), truth, answers, DriftVerdict.of(drift, "kept"))

    def _kept(self, until: datetime, window: TimeRange) -> tuple[dict, dict[str, np.ndarray]] | None:
        name = self.windows[window].name
        for kept in kept_watches(self.stream):
            if kept["watch"] == self.watches[until].name and any(one["name"] == name for one in kept["windows"]):
                return kept, kept_chances(kept["file"])
        return None

    def gate(self, champion: datetime, challenger: datetime) -> tuple[bool, str]:
        """Every refit is promoted, so that the policies alone differ."""
        return True, "no gate"


def replayed(stream: Stream, end: float) -> dict[str, Summary]:
    """Each policy over the stream's windows. Spent: the time is; what was computed is kept."""
    corpus = stream.load()
    watches = list(stream.cut(corpus))
    windows = {one.range: one for watch in watches for one in watch.windows if one.range and len(one.rows) >= 100}
    begins = {one.range.since: watch for watch in watches if (one := watch.windows[0]).range}
    models = Probes(stream, corpus, begins, windows, end)
    cache = ResultCache(models, KEPT / "policies" / stream.file)
    cache.folder.mkdir(parents=True, exist_ok=True)
    ranges = sorted(windows, key=lambda one: one.since)
    days = (ranges[0].until - ranges[0].since).total_seconds() / 86_400
    steps: dict[str, Sequence[Step]] = {}
    for on in POLICIES:
        policy = Policy(refit_on=on, every_days=0.9 * days, cooldown_days=0)  # months differ by a tenth
        steps[on] = replay_policy(cache, ranges, policy, "late")
    return {on: summary(Policy(refit_on=on), one, steps["never"]) for on, one in steps.items()}


def replay_all(end: float) -> dict[str, dict[str, Summary]]:
    """Of every dated stream whose windows are all known, or computed before the time is spent."""
    logging.disable(logging.INFO)
    found = {}
    for stream in STREAMS:
        try:
            if any(watch.windows[0].range for watch in stream.cut(stream.load())):
                found[stream.name] = replayed(stream, end)
        except Spent:
            continue
    return found


def table(found: dict[str, dict[str, Summary]]) -> list[str]:
    """A line for each stream: accuracy and refits of each policy."""
    lines = [
        f"| stream | windows | {' | '.join(POLICIES)} | harmful: within 1 point of schedule at half the refits |",
        "|---|---:|" + "---:|" * len(POLICIES) + "---|",
    ]
    for name, policies in found.items():
        cells = " | ".join(f"{policies[on].accuracy:.3f} ({policies[on].refits})" for on in POLICIES)
        lines.append(f"| {name} | {policies['never'].windows} | {cells} | {'yes' if serves(policies) else 'no'} |")
    return lines


def serves(policies: dict[str, Summary]) -> bool:
    """Whether *harmful* is within a point of the schedule at half its refits or fewer."""
    asked, schedule = policies["harmful"], policies["schedule"]
    return asked.accuracy >= schedule.accuracy - NEAR and 2 * asked.refits <= schedule.refits
