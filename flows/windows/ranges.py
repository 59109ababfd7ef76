"""Ranges of time as ``params.yaml`` has them: which comes next, and the reference moved forward. No Prefect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer
from ruamel.yaml import YAML

from flows.parameters import WindowSettings
from tasks.core.errors import UserError
from tasks.core.files import replacing
from tasks.dataset.windows import WindowRange, Windows, load
from tasks.preset import lay_over


def as_text(moment: datetime | None) -> str | None:
    """As ``params.yaml`` has it: a date where it is midnight."""
    if moment is None:
        return None
    midnight = moment == moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return f"{moment:%Y-%m-%d}" if midnight else moment.isoformat()


def as_utc(text: str) -> datetime:
    """A date or time as a person writes it, UTC unless it says otherwise. UserError: anything else."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{text!r} is no date: write 2002-09-01 or 2002-09-01T12:00:00+00:00") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


UtcMoment = Annotated[
    datetime,
    BeforeValidator(lambda value: as_utc(value) if isinstance(value, str) else value),
    PlainSerializer(as_text, return_type=str, when_used="json"),
]
"""A moment that JSON holds as ``params.yaml`` would."""


@dataclass(frozen=True)
class TimeRange:
    """A half-open range of time [since, until), UTC."""

    since: UtcMoment
    until: UtcMoment

    def __str__(self) -> str:
        return f"{as_text(self.since)} to {as_text(self.until)}"

    @property
    def months(self) -> int:
        """How many whole calendar months this is; 0 when it is none."""
        firsts = all(
            at == at.replace(day=1, hour=0, minute=0, second=0, microsecond=0) for at in (self.since, self.until)
        )
        return 12 * (self.until.year - self.since.year) + self.until.month - self.since.month if firsts else 0

    def same_length_from(self, since: datetime) -> TimeRange:
        """A range as long as this one: as many calendar months where it is whole months and so begins."""
        if self.months and since == since.replace(day=1, hour=0, minute=0, second=0, microsecond=0):
            month = since.month - 1 + self.months
            return TimeRange(since, since.replace(year=since.year + month // 12, month=month % 12 + 1))
        return TimeRange(since, since + (self.until - self.since))

    @classmethod
    def of(cls, window: WindowRange) -> TimeRange | None:
        """A window's range; None where an end is open."""
        return cls(window.from_, window.until) if window.from_ and window.until else None


def next_window(windows: Windows, seen_until: datetime | None, days: float | None = None) -> TimeRange | None:
    """The window after the last one seen, or else the one that ``windows.current`` names; None where it is undated.

    As long as ``windows.current``, or so many ``days``. It never reaches into the reference.
    """
    current, reference = TimeRange.of(windows.current), windows.reference.until
    since = seen_until or windows.current.from_
    if since is None and windows.current.until is None:
        return None
    if since is None or (current is None and days is None):
        raise UserError(
            "windows.current is open at one end, so there is no next window: name --since and --until, or --days"
        )
    since = max(since, reference) if reference else since
    if current is None or days is not None:
        return TimeRange(since, since + timedelta(days=days or 0))
    return current.same_length_from(since)


def reference_start(reference: WindowRange, until: datetime) -> datetime | None:
    """Where the reference begins when it reaches to ``until``, keeping its length where it has one."""
    if reference.from_ and reference.until:
        return reference.from_ + (until - reference.until)
    return reference.from_


def windows_for_refit(windows: Windows, seen: TimeRange) -> WindowSettings:
    """``windows`` for a refit: the reference reaches over what was seen."""
    following = seen.same_length_from(seen.until)
    return {
        "reference": {"from": as_text(reference_start(windows.reference, seen.until)), "until": as_text(seen.until)},
        "current": {"from": as_text(following.since), "until": as_text(following.until)},
    }


def set_windows(file: Path, windows: WindowSettings) -> list[str]:
    """Write ``windows.*`` into ``params.yaml``, all else and its comments as they were: the changes in words."""
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 120, True
    values = yaml.load(file.read_text(encoding="utf-8"))
    changes = lay_over(values, {"windows": dict(windows)})
    text = StringIO()
    yaml.dump(values, text)
    with replacing(file) as part:
        part.write_text(text.getvalue(), encoding="utf-8")
    load(file)  # a range that overlaps or ends before it begins is refused here, by name
    return changes
