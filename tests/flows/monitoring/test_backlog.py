"""A service that was away: each window that closed meanwhile is watched, one after the other, without the schedule."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.objects import StateType

from flows.champion import proposal
from flows.machine.home import Home
from flows.monitoring import watch
from flows.monitoring.flow import monitoring
from flows.parameters import Window
from flows.runs.record import read_record, records
from tests.support import tiny_pipeline
from tests.support.prefect_api import logged_in, patiently
from tests.support.processes import IDENTITY, TOP, free_port, wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A watched repository of spring's rows, January's model its champion."""
    for name, value in {**tiny_pipeline.environment(IDENTITY), "DRIFTLINE_HOME": str(tmp_path / "home")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    folder = tmp_path / "repository"
    folder.mkdir()
    tiny_pipeline.make_spring(folder)
    found = Home.of(folder)
    proposal.propose(found, "HEAD", True, False, None, None)
    return found


def test_a_run_says_what_waits_and_one_of_a_deployment_has_the_next_follow(home, api, monkeypatch):
    state = monitoring(repository=str(home.origin), window=Window(days=28), return_state=True)
    assert state.is_completed(), state.message
    assert "more windows have closed, the next is 2026-03-01 to 2026-03-29: driftline monitor --each" in state.message
    named = Window(since="2026-02-01", until="2026-03-01")
    assert "closed" not in monitoring(repository=str(home.origin), window=named, return_state=True).message
    with get_client(sync_client=True) as client:
        flow = client.create_flow_from_name(watch.FLOW)
        deployment = client.create_deployment(flow, "monitoring", tags=[home.tag], parameters={"to_label": 7})
        monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", str(deployment))
        for _ in range(2):  # the second is another run, of the window after
            state = monitoring(repository=str(home.origin), window=Window(days=28), return_state=True)
        assert "which is watched now" in state.message
        asked = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment]))
        following = client.read_flow_runs(flow_run_filter=asked)
        assert len(following) == 2
        for run in following:
            assert run.state.type is StateType.SCHEDULED
            assert run.parameters["window"]["days"] == 28 and run.parameters["repository"] == str(home.origin)
        names = sorted(run.name.rpartition("-")[0] for run in following)
        assert names == ["monitoring-repository-20260329-20260426", "monitoring-repository-20260426-20260524"]
        client.delete_deployment(deployment)


SERVED = """
deployments:
  - name: monitoring
    entrypoint: flows/monitoring/flow.py:monitoring
    concurrency_limit: {limit: 1, collision_strategy: CANCEL_NEW}
"""


@pytest.mark.long
def test_under_serve_every_window_is_watched_once_and_one_without_rows_stops_none(home, tmp_path):
    (home.origin / "prefect.yaml").write_text(SERVED)
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {"PREFECT_HOME": str(tmp_path / "prefect")}
    command = [sys.executable, "-m", "flows.serve", "--repository", str(home.origin), "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=TOP, env=environment, stdout=log, stderr=log)
    try:
        assert wait_for(lambda: "serving monitoring/" in (tmp_path / "log").read_text(), 240)
        auth = (tmp_path / "prefect" / "driftline" / str(port) / "login").read_text().strip()
        with logged_in(f"http://127.0.0.1:{port}/api", auth) as client:
            found = client.get(f"deployments/name/{watch.FLOW}/monitoring-{home.key}").raise_for_status().json()
            patiently(client, f"deployments/{found['id']}/create_flow_run")
            assert wait_for(lambda: len(records(home.origin)) >= 5, 400), (tmp_path / "log").read_text()[-4000:]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(90) == 0
    said = [read_record(home.origin, one) for one in reversed(records(home.origin))]
    months = [str(run.watched.window) if run.watched else run.outcome.splitlines()[0] for run in said]
    assert months[:3] == [
        "2026-02-01 to 2026-03-01", "2026-03-01 to 2026-04-01", "2026-04-01 to 2026-05-01",
    ]  # fmt: skip
    assert months[3:5] == ["2026-05-01 to 2026-06-01", "2026-06-01 to 2026-07-01"]  # May has no rows, nor has June
    assert [run.watched.no_rows for run in said[:5]] == [False] * 3 + [True] * 2
