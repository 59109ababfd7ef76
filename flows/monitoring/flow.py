"""Watch the champion on new data: ``python -m flows.monitoring``.

::

    python -m flows.monitoring                                          the next window that has closed
    python -m flows.monitoring --since 2002-10-01 --until 2002-10-08    any range
    python -m flows.monitoring --policy alarm                           ... and say whether it calls for a refit
    python -m flows.monitoring --policy alarm --action promote             ... refit, ask the gate, promote
    python -m flows.monitoring --labels to_label.csv                    labels came back: how good was it truly?

Runs the current branch of the pipeline in a clone at the champion's commit; this working tree is not touched. Without
``--action`` nothing is trained or promoted. Every decision is recorded with its reasons: docs/monitoring.md.
Exit code 0: watched, or no window has closed; 1: it failed; 2: refused.
"""

from __future__ import annotations

import argparse
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.errors import Busy
from flows.machine.home import Home
from flows.machine.liveness import alive
from flows.monitoring import labelling, watch
from flows.monitoring.drift_pages import Pages
from flows.notify import incidents, notifications
from flows.notify.artifacts import publish as show
from flows.parameters import LIMITS, POLICY, PUBLISH, WINDOW, Action, Limits, Policy, Publish, RefitOn, Window
from flows.pipeline.stage import Result
from flows.retraining import refit
from flows.runs import prune
from flows.runs.attempt import Attempt, attempt
from flows.runs.names import run_name
from flows.runs.publish import publish_record, refuse_secrets
from flows.runs.record import now
from flows.scheduled_training import alone
from flows.windows.ranges import written
from tasks.core.errors import UserError
from tasks.drift import DRIFT_SNAPSHOT
from tasks.gate import Rule

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
        log.warning(
            f"the window is not on the drift pages: {failure}; python -m flows.monitoring.drift_pages --rebuild adds it"
        )


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


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m flows.monitoring", description=(__doc__ or "").split("\n\n")[0])
    say = made.add_argument
    say("--since", metavar="DATE", help="with --until: the range to watch, half open, UTC (default: the next window)")
    say("--until", metavar="DATE")
    say("--days", type=float, help="how long the next window is (default: as long as the champion's windows.current)")
    say("--policy", choices=get_args(RefitOn), default=POLICY.refit_on, help="when to refit (default: %(default)s)")
    say(
        "--every-days", type=float, default=POLICY.every_days, help="schedule: refit at this age (default: %(default)g)"
    )
    say("--cooldown-days", type=float, default=POLICY.cooldown_days, help="between two refits (default: %(default)g)")
    say("--max-loss", type=float, default=POLICY.max_loss, help="estimated_loss: of accuracy (default: %(default)g)")
    say(
        "--action",
        choices=get_args(Action),
        default=POLICY.action,
        help="on a refit that is due (default: report it)",
    )
    say("--rule", choices=get_args(Rule), default="not_worse", help="of the gate, for a refit (default: %(default)s)")
    say("--revision", default="HEAD", help="what a refit trains from (default: what is checked out)")
    say(
        "--to-label", type=int, default=TO_LABEL, metavar="N", help="rows to offer for labelling (default: %(default)s)"
    )
    say("--notify", metavar="BLOCK", help="a notification block on the server: slack-webhook/team")
    say("--upstream", metavar="REMOTE", help="a git remote that gets every record too")
    say("--repository", metavar="FOLDER", help="whose champion it is (default: that of this code)")
    say(
        "--labels",
        type=Path,
        metavar="FILE",
        help="keep the labels of a returned to_label.csv and watch its windows again",
    )
    return made


def main() -> None:
    """Watch once; with ``--labels``, every window that the labels are of."""
    given = vars(parser().parse_args())
    home, labels = Home.of(given["repository"]), given.pop("labels")
    watch.plan(
        home, given["since"], given["until"], given["days"]
    )  # what is refused at once is so before a server starts
    spans: list[dict[str, Any]] = [{}]
    if labels:
        asked = [labelling.span_of(file) for file in labelling.keep(home, labels)]
        spans = [{"since": written(span.since), "until": written(span.until)} for span in asked if span]
        if not spans and not given["since"]:
            raise UserError(
                f"no to_label.csv of this machine holds an id of {labels}: name their window, --since and --until"
            )
    named = {name: given[name] for name in Policy.model_fields if name != "refit_on"}
    policy = Policy(refit_on=given["policy"], **named)
    for span in spans or [{}]:
        state = monitoring(
            given["repository"],
            Window(**{"since": given["since"], "until": given["until"], "days": given["days"], **span}),
            policy,
            given["to_label"],
            publish=Publish(upstream=given["upstream"], notify=given["notify"]),
            return_state=True,
        )
        if not state.is_completed():
            sys.exit(f"error: {state.message}")
        print(state.message)
