"""The one place where a deployed flow ends: whatever ends it early is recorded, and told once per incident.

``deployed`` makes a flow of a function, and ``errors_as_state`` turns its errors into the state of the run. Prefect's
hooks, which also see what never reached the flow's body, leave a record where there is none yet and notify. What is
killed has no hooks: ``flows.reaper`` finds it.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow
from prefect.states import Completed, Failed

from flows.errors import Busy
from flows.machine.home import Home
from flows.notify import incidents
from flows.runs import record
from flows.runs.attempt import outcome_of
from flows.runs.names import run_name
from flows.runs.record import RunInfo
from tasks.core.errors import UserError
from tasks.core.shown import shown

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
            return Completed(name="Skipped", message=shown(f"skipped: {busy}"))
        except UserError as failure:
            return Failed(message=shown(str(failure)))
        except Exception as bug:
            log.exception("the flow ended by an error that it does not expect")
            return Failed(message=outcome_of(bug))

    signature = inspect.signature(body, eval_str=True)  # Prefect would look for the names of types in this module
    run.__annotations__ = {name: given.annotation for name, given in signature.parameters.items()}
    vars(run)["__signature__"] = signature
    return run


def deployed(name: str, kind: str) -> Callable[[Callable[P, State[Any]]], Flow[P, State[Any]]]:
    """A flow of that name whose runs are called by their kind, and are recorded and told of however they end."""

    def as_flow(body: Callable[P, State[Any]]) -> Flow[P, State[Any]]:
        return flow(
            name=name,
            flow_run_name=lambda: run_name(kind),
            persist_result=False,
            on_failure=[failed],
            on_crashed=[failed],
            on_completion=[completed],
        )(errors_as_state(body))

    return as_flow


def failed(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Prefect's hook, on failure and crash: see to the record and the notification."""
    close(flow_run, flow.name, state.message or str(state.name))


def completed(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Prefect's hook, on completion: the next failure is a new incident; a run that was skipped says nothing."""
    if state.name == "Completed":
        incidents.resolved(_home(flow_run), flow.name)


def close(run: FlowRun, flow: str, message: str) -> None:
    """Record a run that ended early, where it left no record itself, and notify unless its incident is known."""
    try:
        home = _home(run)
    except UserError as refusal:  # the repository that it was for is not there, so nothing can be kept of it
        log.warning(f"{run.name} has no record: {refusal}")
        return
    words = shown(message)  # Prefect's own, where the flow's body was not reached
    leave_record(home, flow, run, words)
    incidents.failed(home, flow, str(run.name), words, notify(run))


def leave_record(home: Home, flow: str, run: FlowRun, message: str) -> None:
    """A record of a run that ended before it had a clone, at the commit that is checked out."""
    if any(known.name == run.name for known in record.records(home.origin)):
        return
    outcome = message if message.startswith("failed: ") else f"failed: {message}"
    info = RunInfo(str(run.name), flow, home.origin, run.start_time or record.now())
    record.save_without_clone(home.origin, record.describe(home.origin, info, outcome))


def _home(run: FlowRun) -> Home:
    return Home.of(run.parameters.get("repository"))


def notify(run: FlowRun) -> str | None:
    """The notification block of a run; runs of earlier releases and ``rebuild`` name it at the top."""
    found = (run.parameters.get("publish") or {}).get("notify") or run.parameters.get("notify")
    return str(found) if found else None
