"""What every deployed run has in common: a clone at one commit, work that may fail, and a record of how far it came."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.machine.home import Home
from flows.pipeline.stage import Result
from flows.runs import record, workspace
from flows.runs.record import Record
from tasks.core.errors import UserError

log = logging.getLogger(__name__)

COMPLETED = "completed"
Work = Callable[[Path, list[Result]], dict[str, Any]]


@dataclass(frozen=True)
class Attempt:
    """What came of a run."""

    folder: Path
    results: list[Result]
    record: Record
    said: dict[str, Any]
    """What ``reports/run.json`` says."""

    @property
    def outcome(self) -> str:
        """``completed``, or ``failed:`` and why."""
        return str(self.said["outcome"])

    @property
    def completed(self) -> bool:
        return self.outcome == COMPLETED


def attempt(home: Home, name: str, flow: str, commit: str, work: Work, **said: Any) -> Attempt:
    """Clone at the commit, do the work there and save the record; pushing it is the caller's.

    ``work`` gets the folder, which is the current one, and a list to put each stage's result into as it comes; what it
    returns goes into the record beside ``said``.
    """
    folder, started = home.clones / name, record.now()
    log.info(f"{name} runs at commit {commit[:12]} in {folder}")
    workspace.clone(home, commit, folder, workspace.shared_cache(home))
    results: list[Result] = []
    outcome = COMPLETED
    with chdir(folder):
        try:
            said |= work(folder, results)
        except UserError as failure:
            outcome = f"failed: {failure}"
    said |= {"outcome": outcome, "started": started, "ended": record.now(), "repository": str(home.origin)}
    described = record.describe(folder, name, flow, results, **said)
    return Attempt(folder, results, record.save(folder, described), described)
