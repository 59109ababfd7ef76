"""The flow that watches the champion on new data: ``driftline monitor``.

Runs the current branch of the pipeline in a clone at the champion's commit; this working tree is not touched. Unless
``policy.action`` says so, nothing is trained or promoted. Every decision is recorded with its reasons:
docs/monitoring.md.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from prefect import runtime
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.errors import FlowError
from flows.machine.home import Home
from flows.machine.liveness import liveness_lock
from flows.monitoring import watch
from flows.monitoring.backlog import catch_up
from flows.monitoring.drift_pages import Pages
from flows.notify import incidents, notifications, pointers
from flows.notify.artifacts import links
from flows.notify.artifacts import publish as show
from flows.parameters import LIMITS, POLICY, PUBLISH, WINDOW, Limits, Policy, Publish, Window, Word
from flows.retraining import refit
from flows.runs import ending, prune
from flows.runs.attempt import Attempt, attempt, this_run
from flows.runs.metrics import DriftVerdict
from flows.runs.names import mark, renamed, run_name
from flows.runs.publish import publish_record, refuse_secrets
from flows.runs.record import now
from flows.runs.renamed import KINDS
from flows.runs.run_record import Watched
from flows.scheduled_training import exclusive
from flows.windows.ranges import TimeRange, as_text
from tasks.drift import DRIFT_SNAPSHOT

log = logging.getLogger(__name__)

TO_LABEL = 200
DRIFT, NO_ROWS = "drift", "no-rows"
"""The incidents of windows."""
EMPTY = "No rows"
WORST: tuple[Word, ...] = ("harmful", "unusual", "changed")


def _watched_now(parameters: Mapping[str, Any]) -> TimeRange | None:
    """The window that a run with these parameters would watch now; None where none has closed, or each is asked for."""
    if parameters["window"].each:
        return None
    return _closed(_plan(Home.of(parameters.get("repository")), parameters["window"]))


def _plan(home: Home, window: Window) -> watch.Plan:
    return watch.plan(home, window.since, window.until, window.days, str(runtime.flow_run.id))


def _closed(planned: watch.Plan) -> TimeRange | None:
    return planned.window if planned.window and planned.window.until <= datetime.now(UTC) else None


@ending.deployed(watch.FLOW, _watched_now)
def monitoring(
    repository: str | None = None,
    window: Window = WINDOW,
    policy: Policy = POLICY,
    to_label: Annotated[int, Field(ge=0)] = TO_LABEL,
    limits: Limits = LIMITS,
    publish: Publish = PUBLISH,
) -> State[Any]:
    """Watch the champion on the next window that has closed, or on the one named.

    Args:
        repository: The repository's folder. Default: the one this code lies in.
        window: Which window. Default: the next one that has closed.
        policy: When the champion is refitted, and how far that goes.
        to_label: How many rows of the window are offered for labelling.
        limits: What the run may use of its machine.
        publish: Who else hears of the run.
    """
    home = Home.of(repository)
    if well := ending.ended_well():
        return well
    refuse_secrets(home, publish.upstream, publish.mlflow)
    if window.each:
        return _each(home, window, {"policy": policy, "to_label": to_label, "limits": limits, "publish": publish})
    info = this_run(home, watch.FLOW)
    with liveness_lock(home):
        with exclusive(home, info.name, limits.overlap):
            planned = _plan(home, window)
            if planned.window and not _closed(planned):
                words = f"skipped: the next window, {planned.window}, is still open"
                return Completed(name=ending.SKIPPED, message=words)

            name = renamed(run_name(KINDS[watch.FLOW], planned.window))
            done = attempt(
                home,
                replace(info, name=name),
                planned.champion.commit,
                lambda folder: watch.run_branch(home, planned, folder, policy.revision, limits.stage_minutes),
                lambda folder: watch.conclude(home, planned, folder, policy, to_label),
                limits.other_versions,
            )
            show(done.run.stages, done.folder)
            publish_record(home, done.folder, done.experiment, publish.upstream, publish.mlflow)
            _add_to_pages(home, name, done.folder)
            prune.clones(home, limits.keep_clones)
        watched = done.completed()
        refits = policy.action != "nothing" and watched.decision.refit and watched.window
        after = refit(home, policy, limits, publish, watched, name) if refits else ""
    after = "\n".join(filter(None, (after, catch_up(home, window))))
    if watched.no_rows:
        return _notify_empty(home, done, watched, after, publish.notify)
    return _notify(home, done, watched, planned.judged, after, publish.notify)


def _each(home: Home, window: Window, how: Mapping[str, Any]) -> State[Any]:
    """A run for each window, one after another. FlowError at the first that fails; a retry goes on there."""
    with liveness_lock(home):
        windows = watch.unwatched(home, window.since, window.until, window.days)
        ended: dict[str, list[str]] = {}
        for number, one in enumerate(windows):
            log.info(f"window {number + 1} of {len(windows)}: {one}")
            asked = Window(since=as_text(one.since), until=as_text(one.until))
            state = monitoring(repository=str(home.origin), window=asked, **how, return_state=True)
            if not state.is_completed():
                raise FlowError(
                    f"{state.message}\nthis was {one}, window {number + 1} of {len(windows)}: retry to go on"
                )
            ended.setdefault(str(state.name), []).append(str(one))
    if not windows:
        return Completed(name=ending.SKIPPED, message="skipped: no window has closed that this champion has not seen")
    words = [f"{len(of)} of {len(windows)} windows: {how.lower()}: {', '.join(of)}" for how, of in ended.items()]
    worst = next((name for one in WORST if (name := state_name(one)) in ended), "Caught up")
    mark(*([worst.lower()] if worst != "Caught up" else []))
    return Completed(name=worst, message="\n".join(words))


def state_name(word: Word) -> str:
    """Of a run that ended well: Prefect's list shows the verdict."""
    return word.capitalize()


def _add_to_pages(home: Home, name: str, folder: Path) -> None:
    """Evidently's pages are for looking: whatever keeps the window off them, the alarm and the record still count."""
    try:
        Pages.of(home).add(folder / DRIFT_SNAPSHOT, name, now().isoformat())
    except Exception as failure:  # noqa: BLE001 - whatever it is, it is said, and costs no more than a page
        log.warning(f"the window is not on the drift pages: {failure}; driftline drift-pages --rebuild adds it")


def _notify(
    home: Home, done: Attempt, watched: Watched, before: Watched | None, after: str, notify: str | None
) -> State[Any]:
    """Artifact, event and, where this window begins an incident, the notification."""
    if before is None or watch.is_later(watched, before):
        arrived = f"{watched.window}: {watched.rows} rows"
        incidents.over(home, NO_ROWS, notify, f"rows arrive again: {watched.window}", arrived)
    drift = DriftVerdict.in_folder(done.folder)
    subject, body = watched.title, notifications.describe(watched, drift)
    notifications.show(watched, drift, after, links(done.folder))
    alarm, word = watched.verdict.alarm, watched.verdict.word
    if alarm:
        notifications.emit(home, done.run.name, watched, drift)
        if not watch.continues(home, watched, before):
            incidents.forget(home, DRIFT)
    if alarm or (word in watched.policy.alarm_on and incidents.is_open(home, DRIFT)):  # what stays is reminded of
        run, words = (done.run.name, runtime.flow_run.id), "\n".join([body, after]).strip()
        incidents.lasts(home, DRIFT, DRIFT, notify, subject, words, lambda: pointers.after_drift(home, watched, *run))
    elif word == "as before" and watch.is_later(watched, before):
        incidents.over(home, DRIFT, notify, f"{subject} again", body)
    tries = [done.run.in_words()] if done.run.earlier else []
    lines = [subject, *tries, body, after]
    return Completed(name=state_name(word), message="\n".join(lines).strip())


def _notify_empty(home: Home, done: Attempt, watched: Watched, after: str, notify: str | None) -> State[Any]:
    """Of a window in which nothing arrived: told when it begins to be so, as a failure is, and no failure."""
    subject = watched.title
    body = "nothing that arrived falls into it, so it was not watched; it is, once rows have come"
    name, run = done.run.name, runtime.flow_run.id
    more = lambda: [*pointers.late(home, name), *pointers.page(run)]  # noqa: E731
    incidents.lasts(home, NO_ROWS, NO_ROWS, notify, subject, body, more)
    tries = [done.run.in_words()] if done.run.earlier else []
    return Completed(name=EMPTY, message="\n".join(filter(None, [subject, *tries, body, after])))
