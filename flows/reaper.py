"""Runs that Prefect takes for running although their process is gone, and runs that are long overdue.

A killed worker, server or machine leaves both behind. What is alive is told by its process, however long it takes to
start, and by the lock that it holds from then on.
``driftline serve`` does this by itself; where a worker runs instead: ``driftline reaper``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Cancelled, Crashed

from flows.machine.home import Home
from flows.machine.liveness import is_alive
from flows.notify import outbox
from flows.runs import ending
from flows.runs.renamed import APPROVAL, MONITORING, PRUNING, REBUILD, SCHEDULED_TRAINING, flow_ever
from flows.runs.run_record import OVERDUE
from flows.schedule.deployments import REPOSITORY

FLOWS = (SCHEDULED_TRAINING, REBUILD, MONITORING, APPROVAL, PRUNING)
ENDED = [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED]
UNDER_WAY = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING, StateType.PAUSED]
MISSED = "Missed"
"""The name of the state of a run that was cancelled because nothing was there to start it."""
GONE = "its process is gone: the run, its runner or the machine was killed"
STARTING = timedelta(minutes=2)  # between a run's being taken by a runner and its process
PAGE = 200


def flow_runs(
    client: SyncPrefectClient,
    home: Home,
    states: list[StateType],
    flows: Sequence[str] = FLOWS,
    sort: FlowRunSort = FlowRunSort.EXPECTED_START_TIME_ASC,
    fits: Callable[[FlowRun], bool] = lambda _: True,
) -> Iterator[FlowRun]:
    """The deployed runs of the checkout in these states that fit, by default in the order in which they are due.

    Those under way are all looked at, since an earlier release gave them no tag or another; of those to come and those
    that have ended, a server of many repositories holds thousands.
    """
    ours = FlowRunFilterTags.model_validate({"operator": "or_", "all_": [home.tag], "is_null_": True})
    tags = None if set(states) <= set(UNDER_WAY) else ours
    named = FlowFilter(name=FlowFilterName(any_=[name for flow in flows for name in flow_ever(flow)]))
    which = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states)), tags=tags)
    for offset in count(0, PAGE):
        found = client.read_flow_runs(flow_filter=named, flow_run_filter=which, sort=sort, limit=PAGE, offset=offset)
        yield from (run for run in found if fits(run) and home.owns(run.tags, run.parameters.get(REPOSITORY)))
        if len(found) < PAGE:
            return


def reap(home: Home, *, starting: timedelta = STARTING) -> list[str]:
    """Mark dead runs crashed, record and notify of the killed, and cancel all overdue runs of a deployment but the
    newest; says which, in words.

    ``starting`` is how long a run may be under way without a process: nothing at the start of the sole runner.
    """
    with get_client(sync_client=True) as client:
        return reap_with(client, home, starting)


def reap_with(client: SyncPrefectClient, home: Home, starting: timedelta = STARTING) -> list[str]:
    """The same through a client."""
    crashed = list(_mark_crashed(client, home, starting))
    _close_crashed(client, home)
    outbox.flush(home)
    _follow(client, home)
    return [*crashed, *_skip_missed(client, home)]


def _mark_crashed(client: SyncPrefectClient, home: Home, starting: timedelta) -> Iterator[str]:
    for run in list(flow_runs(client, home, UNDER_WAY)):
        since = run.state.timestamp if run.state else datetime.now(UTC)
        elsewhere = run.infrastructure_pid and not run.infrastructure_pid.isdigit()  # a container, a job
        if elsewhere or datetime.now(UTC) - since < starting or is_alive(home, str(run.id)):
            continue
        state: State[None] = Crashed(message=GONE)
        client.set_flow_run_state(run.id, state, force=True)
        home.run_lock(str(run.id)).unlink(missing_ok=True)
        yield f"{run.name} was dead: marked crashed"


def _close_crashed(client: SyncPrefectClient, home: Home) -> None:
    """A run that was killed, or could not be imported, ran no hook: the last of each flow is recorded and notified."""
    for flow in FLOWS:
        ended = flow_runs(client, home, ENDED, [flow], FlowRunSort.END_TIME_DESC)
        last = next((run for run in ended if run.state and run.state.name != MISSED), None)
        if last is None or last.state is None:
            continue
        if last.state.type in (StateType.CRASHED, StateType.FAILED):
            ending.close(client, last, flow, last.state.message or GONE)
        elif last.state.type is StateType.CANCELLED and last.start_time:
            ending.close_cancelled(client, last, flow, last.state.message)


def due_at(run: FlowRun) -> datetime:
    """When it is to start; of a retry that is when somebody asked for it, not when the run was due first."""
    asked = run.state.state_details.scheduled_time if run.state else None
    return asked or run.expected_start_time or datetime.now(UTC)


def _follow(client: SyncPrefectClient, home: Home) -> None:
    """Let what is due go where the checkout is now, if it was moved."""
    for run in list(flow_runs(client, home, [StateType.SCHEDULED])):
        if run.parameters.get(REPOSITORY) in home.checkout.earlier:
            client.update_flow_run(run.id, parameters={**run.parameters, REPOSITORY: str(home.origin)})


def _skip_missed(client: SyncPrefectClient, home: Home) -> Iterator[str]:
    """A week without a runner must not end in seven trainings in a row."""
    due = [run for run in flow_runs(client, home, [StateType.SCHEDULED]) if run.deployment_id and run.auto_scheduled]
    late = [run for run in due if datetime.now(UTC) - due_at(run) > OVERDUE]
    newest = {run.deployment_id: run.id for run in late}
    for run in late:
        if run.id != newest[run.deployment_id]:
            missed: State[None] = Cancelled(name=MISSED, message="nothing was there to run it; a later one is due")
            client.set_flow_run_state(run.id, missed, force=True)
            yield f"{run.name}, due {due_at(run):%Y-%m-%d %H:%M}, was missed: cancelled"
