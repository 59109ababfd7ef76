"""A refit: training with the reference window moved forward, then the gate, then promotion where it is asked for."""

from __future__ import annotations

from prefect import tags

from flows.champion import proposal
from flows.machine.home import Home
from flows.parameters import Limits, Policy, Publish, Request
from flows.runs import record
from flows.runs.old_params import windows_at
from flows.runs.run_record import Watched
from flows.scheduled_training import MODEL, scheduled_training
from flows.windows.ranges import windows_for_refit
from tasks.core.errors import UserError


def refit(home: Home, policy: Policy, limits: Limits, publish: Publish, watched: Watched, because: str) -> str:
    """Train on all up to the end of the window watched, and let the gate judge: what came of it, in words.

    The caller holds no lock of the repository: training and promotion take their own.
    """
    assert watched.window
    windows = windows_for_refit(windows_at(home, watched.champion.commit), watched.window)
    with tags(home.name, home.tag):
        state = scheduled_training(
            repository=str(home.origin),
            revision=policy.revision,
            stages=MODEL,
            request=Request(windows=windows, because=because),
            limits=Limits(stage_minutes=limits.stage_minutes, other_versions=limits.other_versions),
            publish=Publish(upstream=publish.upstream, mlflow=publish.mlflow),
            return_state=True,
        )
    if not state.is_completed():
        return f"the refit failed: {state.message}"
    made = next(one for one in record.records(home.origin) if record.read_record(home.origin, one).because == because)
    promote = policy.action == "promote"
    try:
        outcome = proposal.propose(home, made.name, promote, False, policy.rule, publish.upstream)
    except UserError as failure:
        return f"{made.name} was trained, but could not be judged: {failure}"
    return f"{made.name} was trained\n{outcome.words}"
