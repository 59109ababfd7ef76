"""What is known of a deployed repository at one moment, as one frozen value."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from flows.runs.run_record import Frozen
from flows.windows.ranges import TimeRange

Outcome = Literal["completed", "failed", "cancelled"]


class Server(Frozen):
    """Prefect's."""

    api: str
    named_by: str
    problem: str | None
    """Why it cannot be asked; None: it answers."""


class Runner(Frozen):
    """What starts runs when they are due."""

    alive: bool
    about: str


class Run(Frozen):
    """One on the server."""

    name: str
    flow: str
    state: str
    at: datetime
    """When it began; of a scheduled one, when it is due."""


class Runs(Frozen):
    """Of this checkout, on the server."""

    running: tuple[Run, ...]
    scheduled: tuple[Run, ...]
    """The next of each deployment."""
    overdue: tuple[Run, ...]


class Windows(Frozen):
    """What monitoring has watched, and what has closed since."""

    watched_until: datetime | None
    next: TimeRange | None
    """None: undated data."""
    waiting: int
    """How many have closed and were not watched; at most 1000 are counted."""
    oldest_closed: datetime | None
    """When the first of them closed."""
    without_rows: int = 0
    """Of those before: in how many of the newest 60 nothing had arrived when they were looked at."""


class Champion(Frozen):
    """The model in production."""

    version: str
    commit: str
    trained_until: datetime | None
    """The end of what it was trained on."""
    release: str | None
    """Of Driftline, whose code watches: that of ``commit``."""
    committed: datetime
    changed: int
    """Files of code and parameters that are others on the branch that is checked out."""


class Labels(Frozen):
    """Rows that were offered for labelling and have none yet."""

    windows: int
    rows: int


class LastRun(Frozen):
    """The newest record of a flow that ended so."""

    flow: str
    outcome: Outcome
    name: str
    ended: datetime


class Status(Frozen):
    """All of it, at one moment."""

    repository: str
    checkout: str
    folder: str
    at: datetime
    server: Server
    runner: Runner
    runs: Runs | None
    """None: the server cannot be asked."""
    windows: Windows | None
    """None: there is no champion, or no next window."""
    champion: Champion | None
    labels: Labels
    last_runs: tuple[LastRun, ...]
    notifications_waiting: int
    """That could not be sent yet."""
    disk_free_bytes: int
    problems: tuple[str, ...]
    """What a person has to see to; a repository without any is well."""
