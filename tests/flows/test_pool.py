"""The other way to run: deployments of prefect.yaml and a worker of a process work pool."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

import driftline_login
from flows.machine.home import Home
from flows.runs.record import records
from flows.schedule.work_pool import deploy
from tests.support.prefect_api import logged_in, post, with_hook

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(600)]

TOP = Path(__file__).parents[2]


def test_a_worker_runs_what_prefect_yaml_deploys(api, deployed, tmp_path, monkeypatch):
    environment = {**with_hook(tmp_path / "hook"), **driftline_login.HOOK, "PREFECT_API_URL": api}
    environment.pop("PREFECT_API_AUTH_STRING")  # what a shell that knows the profile alone has

    def prefect(*words):
        command = [sys.executable, "-m", "prefect", "--no-prompt", *words]
        done = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    prefect("work-pool", "create", "driftline", "--type", "process")
    monkeypatch.chdir(TOP)  # whose code the flows are
    deploy(Home.of(TOP))
    key = Home.of(TOP).key
    with logged_in(api) as client:
        found = client.get(f"deployments/name/scheduled-training/training-{key}").raise_for_status().json()
        assert client.get(f"deployments/name/rebuild/rebuild-{key}").status_code == 200
    assert found["schedules"][0]["schedule"]["cron"] == "0 2 * * *"
    assert found["parameters"]["limits"] == {"overlap": "wait", "stage_minutes": {}, "keep_clones": 5}
    given = {"parameters": {**found["parameters"], "repository": str(deployed.origin)}}
    post(api, f"deployments/{found['id']}/create_flow_run", **given)
    worker = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "driftline", "--run-once"]
    with (tmp_path / "worker.log").open("w") as log:
        done = subprocess.run(worker, cwd=tmp_path, env=environment, stdout=log, stderr=log, timeout=240)
    assert done.returncode == 0
    deadline = time.monotonic() + 120
    while not records(deployed.origin) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert len(records(deployed.origin)) == 1, (tmp_path / "worker.log").read_text()
