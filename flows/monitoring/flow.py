"""The flow that watches the champion on new data: ``driftline monitor``.

Runs the current branch of the pipeline in a clone at the champion's commit; this working tree is not touched. Unless
``policy.action`` says so, nothing is trained or promoted. Every decision is recorded with its reasons:
docs/monitoring.md.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.errors import Busy
from flows.machine.home import Home
from flows.machine.liveness import alive
from flows.monitoring import watch
from flows.monitoring.drift_pages import Pages
from flows.notify import incidents, notifications
from flows.notify.artifacts import publish as show
from flows.parameters import LIMITS, POLICY, PUBLISH, WINDOW, Limits, Policy, Publish, Window
from flows.pipeline.stage import Result
from flows.retraining import refit
from flows.runs import prune
from flows.runs.attempt import Attempt, attempt
from flows.runs.names import run_name
from flows.runs.publish import publish_record, refuse_secrets
from flows.runs.record import now
from flows.scheduled_training import alone
from tasks.core.errors import UserError
from tasks.drift import DRIFT_SNAPSHOT

log = logging.getLogger(__name__)

TO_LABEL = 200


@flow(name=watch.FLOW, flow_run_name=lambda: run_name("monitoring"), persist_result=False)
def monitoring(
    repository: str | None = None,
    window: Window = WINDOW,
    policy: Policy = POLICY,
    to_label: int = TO_LABEL,
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
    name = run_name("monitoring")
    try:
        home = Home.of(repository)
    except UserError as failure:
        return Failed(message=str(failure))
    try:
        refuse_secrets(home, publish.upstream)
        with alive(home, str(runtime.flow_run.id)):
            with alone(home, name, limits.overlap):
                watched = watch.plan(home, window.since, window.until, window.days)
                if watched.span and watched.span.until > datetime.now(UTC):
                    return Completed(name="Skipped", message=f"skipped: the next window, {watched.span}, is still open")
                done = _look(home, name, watched, policy, to_label, limits.stage_minutes)
                show(done.results, done.folder)
                publish_record(home, done.folder, done.record, publish.upstream)
                _add_to_pages(home, name, done.folder)
                prune.clones(home, limits.keep_clones)
            if not done.completed:
                return incidents.failed(home, watch.FLOW, name, done.outcome, publish.notify)
            incidents.over(home, watch.FLOW)
            after = ""
            if policy.action != "nothing" and watched.span and watch.decision(done.said).refit:
                after = refit(home, policy, limits, publish, watched, name)
    except Busy as busy:
        return Completed(name="Skipped", message=f"skipped: {busy}")
    except UserError as failure:
        return incidents.failed(home, watch.FLOW, name, str(failure), publish.notify)
    return _tell(home, watched, done, after, publish.notify)


def _look(
    home: Home,
    name: str,
    watched: watch.Watch,
    policy: Policy,
    to_label: int,
    minutes: dict[str, float],
) -> Attempt:
    def work(folder: Path, results: list[Result]) -> dict[str, Any]:
        watch.watch(home, watched, folder, minutes, results)
        said = watch.conclude(home, watched, folder, policy, to_label)
        tries = policy.action != "nothing" and said["decision"]["refit"]
        tried_at = said["facts"]["at"] if tries else watched.before.get("tried_at")
        return {**said, "act": policy.action, "tried_at": tried_at}

    return attempt(home, name, watch.FLOW, watched.champion.commit, work)


def _add_to_pages(home: Home, name: str, folder: Path) -> None:
    """Evidently's pages are for looking: whatever keeps the window off them, the alarm and the record still count."""
    try:
        Pages.of(home).add(folder / DRIFT_SNAPSHOT, name, now())
    except Exception as failure:  # noqa: BLE001 - whatever it is, it is said, and costs no more than a page
        log.warning(f"the window is not on the drift pages: {failure}; driftline drift-pages --rebuild adds it")


def _tell(home: Home, watched: watch.Watch, done: Attempt, after: str, notify: str | None) -> State[Any]:
    """Artifact, event and, where this window begins an incident, the notification."""
    said, span = done.said, watched.span
    subject, body = notifications.title(span, said["drifted"]), notifications.words(done.folder, said)
    notifications.show(done.folder, span, said, after)
    if said["drifted"]:
        notifications.announce(home, done.record.name, str(watched.champion), done.folder, span, said)
        if not notifications.goes_on(watched.before, said):
            notifications.send(notify, f"{home.origin.name}: {subject}", "\n".join([body, after]).strip())
    return Completed(message="\n".join([subject, body, after]).strip())
