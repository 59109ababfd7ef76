"""Names for runs before they start: Prefect's server draws two words, which tell nobody what is due or was missed."""

from __future__ import annotations

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, StateType

from flows.machine.home import Home
from flows.reaper import flow_runs
from flows.runs.names import is_named, named
from flows.runs.renamed import KINDS, flow_today


def name_scheduled(client: SyncPrefectClient, home: Home) -> None:
    """Give the repository's scheduled runs the name they would take when they start."""
    unnamed = list(flow_runs(client, home, [StateType.SCHEDULED], fits=lambda run: not is_named(str(run.name))))
    for run in unnamed:
        client.set_flow_run_name(run.id, due_name(client, run))


def due_name(client: SyncPrefectClient, run: FlowRun) -> str:
    """What a run is called that has not begun."""
    flow = flow_today(client.read_flow(run.flow_id).name)
    due = run.expected_start_time or run.created
    assert due
    return named(KINDS.get(flow, flow), run.parameters.get("repository"), due, run.id)
