"""What every deployed run has in common: a clone at one commit, work that may fail, and a record of how far it came."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from prefect import runtime

from flows.errors import FlowError
from flows.machine.home import Home
from flows.pipeline.result import Result
from flows.runs import kept, record, workspace
from flows.runs.names import mark
from flows.runs.record import Experiment, RunInfo
from flows.runs.run_record import COMPLETED, RunRecord, Watched
from tasks.core.errors import UserError
from tasks.core.shown import shown
from tasks.modelling.checkpoints import versions

log = logging.getLogger(__name__)
Stages = Callable[[Path], Iterator[Result]]
Conclude = Callable[[Path], Watched]


@dataclass(frozen=True)
class Attempt:
    """What came of a run."""

    folder: Path
    experiment: Experiment
    run: RunRecord
    error: Exception | None
    """What ended the work early."""

    def raise_error(self) -> None:
        """What ended the work early, once its record has been published. FlowError where it was expected."""
        if isinstance(self.error, UserError):
            raise FlowError(self.run.outcome) from self.error
        if self.error:
            raise self.error

    def completed(self) -> Watched:
        """What monitoring found. Raises what ended it early."""
        self.raise_error()
        assert self.run.watched
        return self.run.watched


def this_run(home: Home, flow: str, revision: str | None = None, because: str | None = None) -> RunInfo:
    """What the running run was started as."""
    run = runtime.flow_run
    due = run.scheduled_start_time
    return RunInfo(str(run.name), flow, home.origin, record.now(), revision, because, due, str(run.id))


def attempt(
    home: Home,
    info: RunInfo,
    commit: str,
    stages: Stages,
    conclude: Conclude | None = None,
    other_versions: Collection[str] = (),
) -> Attempt:
    """Clone at the commit, run there and save the record; pushing it and raising the error are the caller's.

    A retry goes on in the clone of the last try, unless the commit is another one now.

    ``stages`` gives each stage's result as it comes: what was done before a failure belongs to the record. Then
    ``conclude`` says what was found. Both get the clone's folder, which is the current one. Installed versions other
    than the commit's are an error but for the packages in ``other_versions``.
    """
    folder = home.clone_of(info.name)
    cache = workspace.shared_cache(home)
    if workspace.holds(folder, commit, home):
        log.info(f"{info.name} goes on at commit {commit[:12]} in {folder}, where its last try stopped")
    else:
        log.info(f"{info.name} runs at commit {commit[:12]} in {folder}")
        workspace.clone(home, commit, home.clones / info.name, cache)
    results: list[Result] = []
    watched, error = None, None
    with chdir(folder):
        try:
            versions.refuse_differing(folder, other_versions, "limits.other_versions in prefect.yaml")
            for result in stages(folder):
                results.append(result)
            watched = conclude(folder) if conclude else None
        except Exception as failure:  # noqa: BLE001  whatever it is belongs in the record; raise_error raises it again
            error = failure
    kept.keep(home, cache, folder)
    run = record.describe(folder, info, outcome_of(error), results, watched)
    mark(*run.marks)
    return Attempt(folder, record.save(folder, run), run, error)


def outcome_of(error: BaseException | None) -> str:
    """How a record puts it: an error that was expected in its own words, any other with its type."""
    if error is None:
        return COMPLETED
    return shown(f"failed: {error if isinstance(error, UserError) else f'{type(error).__name__}: {error}'}")
