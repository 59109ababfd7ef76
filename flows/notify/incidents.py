"""What lasts is told when it begins, again after a day and then each week, and when it is over.

A failure lasts from when a flow fails until it ends well; what begins alike is one incident.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from flows.machine.home import Home
from flows.notify.outbox import tell
from tasks.core.files import private_folder, replacing

REMINDED_AFTER = (timedelta(days=1), timedelta(days=7))
"""Since the beginning, and since the last reminder."""
More = Callable[[], Sequence[str]]
"""The lines after a notification's words, asked for if it is told."""


class Incident(BaseModel):
    """One that lasts, and was told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cause: str
    since: datetime
    told: datetime
    """For the last time."""

    def is_due(self, now: datetime) -> bool:
        """Whether somebody has to be reminded."""
        return now - self.told >= REMINDED_AFTER[self.told > self.since]


def failed(home: Home, flow: str, name: str, words: str, notify: str | None, more: More = list) -> None:
    """Tell of a failed run unless that has been done for this incident.

    The first line of its words tells incidents apart: which stage failed, or what was refused. What follows are a log's
    last lines, which hold times and the run's own folder.
    """
    cause = words.splitlines()[0].replace(name, "…").removeprefix("failed: ")
    lasts(home, flow, cause, notify, f"{name} failed", words, more)


def lasts(home: Home, what: str, cause: str, notify: str | None, subject: str, body: str, more: More = list) -> None:
    """Tell of an incident when it begins, and remind of it."""
    known, now = _known(home, what), datetime.now(UTC)
    begins = known is None or known.cause != cause
    if not notify or not (begins or (known and known.is_due(now))):
        return
    since = now if begins or known is None else known.since
    reminder = "" if begins else f", and has been so since {since:%Y-%m-%d %H:%M} UTC"
    tell(home, notify, f"{home.name}: {subject}{reminder}", body, *more())
    private_folder(_file(home, what).parent)
    with replacing(_file(home, what)) as part:
        part.write_text(Incident(cause=cause, since=since, told=now).model_dump_json(), encoding="utf-8")


def over(home: Home, what: str, notify: str | None, subject: str, words: str) -> None:
    """Tell, once, that an incident which was told is over; the next one is another."""
    if known := _known(home, what):
        forget(home, what)
        body = f"{words}\nsince {known.since:%Y-%m-%d %H:%M} UTC: {known.cause}"
        tell(home, notify, f"{home.name}: {subject}", body)


def is_open(home: Home, what: str) -> bool:
    """Whether one was told and is not over."""
    return _known(home, what) is not None


def forget(home: Home, what: str) -> None:
    """Let what comes next be another incident."""
    _file(home, what).unlink(missing_ok=True)


def _known(home: Home, what: str) -> Incident | None:
    file = _file(home, what)
    return Incident.model_validate_json(file.read_text(encoding="utf-8")) if file.exists() else None


def _file(home: Home, what: str) -> Path:
    return home.folder / "incidents" / f"{what}.json"
