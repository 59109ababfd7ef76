"""Answers a run of ``approval`` that waits for a person: ``driftline approve``, or the form on Prefect's page."""

from __future__ import annotations

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, StateType

from flows.approval import FLOW
from flows.machine.home import Home
from flows.machine.server import client
from flows.reaper import flow_runs
from tasks.core.errors import UserError


def answer(home: Home, name: str | None, approve: bool, why: str) -> tuple[str, str]:
    """Answer the waiting run, or the one named: its name, and what the gate said. UserError when none waits."""
    with client() as server:
        run = _waiting(server, home, name)
        words = _asked(server, run)
        server.resume_flow_run(run.id, {"approve": approve, "why": why})
    return str(run.name), words


def _waiting(server: SyncPrefectClient, home: Home, name: str | None) -> FlowRun:
    waiting = flow_runs(server, home, [StateType.PAUSED], [FLOW])
    found = [run for run in waiting if name in (None, run.name)]
    names = ", ".join(str(run.name) for run in waiting)
    if not waiting:
        raise UserError("no model waits for approval: start the deployment `approval` on Prefect's page to ask for one")
    if not found:
        raise UserError(f"{name} does not wait for approval; these do: {names}")
    if len(found) > 1:
        raise UserError(f"several models wait for approval, name one: {names}")
    return found[0]


def _asked(server: SyncPrefectClient, run: FlowRun) -> str:
    """What the run shows the person who is to answer."""
    details = run.state.state_details if run.state else None
    keys = (details.run_input_keyset if details else None) or {}
    return server.read_flow_run_input(run.id, keys["description"]) if "description" in keys else ""
