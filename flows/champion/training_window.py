"""Which rows a training learns from, and which model has seen the newest: the one place that says so.

A refit moves the reference window forward in its own clone. A later training that took the window of ``params.yaml``
would learn from less than the champion did, so it takes the champion's where that reaches further.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from flows.champion import registry
from flows.machine.home import Home
from flows.parameters import WindowSettings
from flows.runs import record
from flows.runs.old_params import windows_at
from flows.runs.record import Experiment
from flows.runs.renamed import SCHEDULED_TRAINING
from flows.runs.run_record import Version
from flows.windows.ranges import as_text
from tasks.dataset.windows import WindowRange

OPEN = datetime.max.replace(tzinfo=UTC)  # a window without an end holds every row


@dataclass(frozen=True)
class Trained:
    """What a commit's model has learnt from."""

    window: WindowRange

    @classmethod
    def at(cls, home: Home, commit: str) -> Trained:
        """By the ``params.yaml`` of the commit."""
        return cls(windows_at(home, commit).reference)

    @property
    def end(self) -> datetime:
        """Of its newest row, at most."""
        return self.window.until or OPEN

    def age_days(self, now: datetime) -> float | None:
        """Since its newest row; None where the window has no end."""
        return (now - self.window.until).total_seconds() / 86400 if self.window.until else None

    def __str__(self) -> str:
        if self.window.from_ is None and self.window.until is None:
            return "all rows"
        since = f"from {as_text(self.window.from_)} " if self.window.from_ else ""
        return f"rows {since}until {as_text(self.window.until) or 'the newest'}"


def windows_to_train(home: Home, commit: str) -> WindowSettings | None:
    """The champion's windows where its reference reaches further than the commit's; None: as ``params.yaml`` says."""
    champion = registry.champion(home.origin)
    if champion is None or Trained.at(home, champion.commit).end <= Trained.at(home, commit).end:
        return None
    return windows_trained_on(home, champion.commit)


def windows_trained_on(home: Home, commit: str) -> WindowSettings:
    """The windows of a commit, as they are laid over those of another ``params.yaml``."""
    windows = windows_at(home, commit)
    return {
        "reference": {"from": as_text(windows.reference.from_), "until": as_text(windows.reference.until)},
        "current": {"from": as_text(windows.current.from_), "until": as_text(windows.current.until)},
    }


def newest_training(home: Home) -> Experiment | None:
    """The training that ended well and learnt from the newest rows; of equal ones the last."""
    newest: tuple[datetime, Experiment] | None = None
    for experiment in record.records(home.origin):  # the newest first
        run = record.read_record(home.origin, experiment)
        if not run.completed or run.flow != SCHEDULED_TRAINING:
            continue
        end = Trained.at(home, experiment.commit).end
        if newest is None or end > newest[0]:
            newest = end, experiment
    return newest[1] if newest else None


def staler(home: Home, commit: str, champion: Version | None) -> str | None:
    """That the commit's model has seen less than the champion, in words; None where it has not."""
    if champion is None:
        return None
    ours, theirs = Trained.at(home, commit), Trained.at(home, champion.commit)
    if ours.end >= theirs.end:
        return None
    return f"it was trained on {ours}, the champion {champion} on {theirs}: --force promotes it all the same"
