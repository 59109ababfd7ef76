"""The one place where a deployed flow ends: whatever ends it early is recorded, and told once per incident.

``deployed`` makes a flow of a function, and ``errors_as_state`` turns its errors into the state of the run. Prefect's
hooks, which also see what never reached the flow's body, leave a record where there is none yet and notify. What is
killed has no hooks: ``flows.reaper`` finds it.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from prefect import flow, runtime
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.flows import Flow
from prefect.states import Completed, Failed

from flows.errors import Busy
from flows.machine.home import Home
from flows.notify import incidents, outbox, pointers
from flows.runs import record
from flows.runs.attempt import outcome_of
from flows.runs.names import run_name
from flows.runs.record import RunInfo
from flows.runs.renamed import KINDS
from flows.runs.run_record import COMPLETED
from flows.windows.ranges import TimeRange
from tasks.core.errors import UserError
from tasks.core.shown import shown

SKIPPED = "Skipped"
"""The name of the state of a run that did nothing: another was at work, or there is nothing to do yet."""
log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")


def errors_as_state(body: Callable[P, R | State[Any]]) -> Callable[P, R | State[Any]]:
    """The body of a flow whose errors become its state: a lock that is held skips the run, all else fails it."""

    @functools.wraps(body)
    def run(*args: P.args, **kwargs: P.kwargs) -> R | State[Any]:
        try:
            return body(*args, **kwargs)
        except Busy as busy:
            return Completed(name=SKIPPED, message=shown(f"skipped: {busy}"))
        except UserError as failure:
            return Failed(message=shown(str(failure)))
        except Exception as bug:
            log.exception("the flow ended by an error that it does not expect")
            return Failed(message=outcome_of(bug))

    signature = inspect.signature(body, eval_str=True)  # Prefect would look for the names of types in this module
    run.__annotations__ = {name: given.annotation for name, given in signature.parameters.items()}
    vars(run)["__signature__"] = signature
    return run


Window = Callable[[Mapping[str, Any]], TimeRange | None]
"""The window that a run with these parameters is for; None: it is called after when it was due."""


def deployed(name: str, window: Window = lambda _: None) -> Callable[[Callable[P, State[Any]]], Flow[P, State[Any]]]:
    """A flow of that name whose runs are called by their kind and window, and are recorded and told of however they
    end."""

    def called() -> str:
        try:
            about = window(runtime.flow_run.parameters)
        except Exception:  # noqa: BLE001  the flow's body says what is wrong; a name fails no run
            about = None
        return run_name(KINDS[name], about)

    def as_flow(body: Callable[P, State[Any]]) -> Flow[P, State[Any]]:
        return flow(
            name=name,
            flow_run_name=called,
            persist_result=False,
            on_failure=[failed],
            on_crashed=[failed],
            on_cancellation=[cancelled],
            on_completion=[completed],
        )(errors_as_state(body))

    return as_flow


def failed(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Prefect's hook, on failure and crash: see to the record and the notification."""
    with get_client(sync_client=True) as client:
        close(client, flow_run, flow.name, state.message or str(state.name))


def completed(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Prefect's hook, on completion: the next failure is a new incident; a run that was skipped says nothing."""
    if state.name == SKIPPED:
        return
    home = _home(flow_run)
    incidents.over(home, flow.name, notify(flow_run), f"{flow.name} works again", f"{flow_run.name} ended well")
    known = record.known(home.origin, str(flow_run.name))  # flows that train or watch have left their own
    if known and not record.read_record(home.origin, known).completed:
        with get_client(sync_client=True) as client:
            leave_record(client, home, flow.name, flow_run, COMPLETED)


def cancelled(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Prefect's hook, on cancellation; a runner calls it once the process has ended."""
    with get_client(sync_client=True) as client:
        close_cancelled(client, flow_run, flow.name, state.message)


def close(client: SyncPrefectClient, run: FlowRun, flow: str, message: str) -> None:
    """Record a run that ended early, where it left no record itself, and notify unless its incident is known."""
    try:
        home = _home(run)
    except UserError as refusal:  # the repository that it was for is not there, so nothing can be kept of it
        log.warning(f"{run.name} has no record: {refusal}")
        return
    words = shown(message)  # Prefect's own, where the flow's body was not reached
    leave_record(client, home, flow, run, words if words.startswith("failed: ") else f"failed: {words}")
    name = str(run.name)
    incidents.failed(home, flow, name, words, notify(run), lambda: pointers.after_failure(home, flow, name, run.id))


def close_cancelled(client: SyncPrefectClient, run: FlowRun, flow: str, message: str | None) -> None:
    """Record a run that somebody cancelled, and notify: it is no failure, and no part of an incident."""
    try:
        home = _home(run)
    except UserError as refusal:
        log.warning(f"{run.name} has no record: {refusal}")
        return
    words = shown(f"cancelled: {message or 'by a person'}")
    if leave_record(client, home, flow, run, words):
        outbox.tell(home, notify(run), f"{home.name}: {run.name} was cancelled", words, *pointers.page(run.id))


def leave_record(client: SyncPrefectClient, home: Home, flow: str, run: FlowRun, outcome: str) -> bool:
    """A record of a run whose last try left none, at the commit that is checked out: whether there was none."""
    known = record.known(home.origin, str(run.name))
    if known and record.read_record(home.origin, known).ended >= _last_try(client, run):
        return False
    started, due = run.start_time or record.now(), run.expected_start_time
    info = RunInfo(str(run.name), flow, home.origin, started, due=due, flow_run=str(run.id))
    record.save_without_clone(home.origin, record.describe(home.origin, info, outcome))
    return True


def _last_try(client: SyncPrefectClient, run: FlowRun) -> datetime:
    """When the last try of the run began: in whole seconds, as records have it."""
    states = client.read_flow_run_states(run.id)
    begun = [state.timestamp for state in states if state.type in (StateType.SCHEDULED, StateType.PENDING)]
    return max(begun, default=run.start_time or record.now()).replace(microsecond=0)


def ended_well() -> State[Any] | None:
    """The state in which an earlier try of the running run ended well; None where there was none.

    Somebody may press Retry on any run that is over. One that ended well has its record, which stays.
    """
    with get_client(sync_client=True) as client:
        states = client.read_flow_run_states(UUID(str(runtime.flow_run.id)))
    before = next((state for state in states if state.is_completed() and state.name != SKIPPED), None)
    if before is None:
        return None
    words = f"{before.message}\nit had ended well, so nothing was done again: start a new run for another look"
    return Completed(name=before.name, message=words)


def _home(run: FlowRun) -> Home:
    return Home.of(run.parameters.get("repository"))


def notify(run: FlowRun) -> str | None:
    """The notification block of a run; runs of earlier releases and ``rebuild`` name it at the top."""
    found = (run.parameters.get("publish") or {}).get("notify") or run.parameters.get("notify")
    return str(found) if found else None
