"""A real schedule without a runner for some slots: Prefect says late, we say missed, and the newest is run once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType

from flows import reaper
from flows.reaper import due_at, flow_runs, reap_with
from flows.runs.record import read_record, records
from flows.schedule.deployments import declared
from tests.support.processes import IDENTITY, TOP, wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

EVERY = timedelta(minutes=1)
DECLARED = """
deployments:
- name: training
  entrypoint: flows/scheduled_training.py:scheduled_training
  schedules: [{cron: "* * * * *"}]
"""


def test_slots_without_a_runner_are_late_then_missed_and_the_newest_is_run_once(deployed, api, tmp_path, monkeypatch):
    monkeypatch.chdir(TOP)
    (deployed.origin / "prefect.yaml").write_text(DECLARED)
    declared(deployed)[0].apply()
    with get_client(sync_client=True) as client:

        def made():
            return [read_record(deployed.origin, one) for one in records(deployed.origin)]

        def late():
            """The slots that are over, the first one first, as Prefect's server calls them."""
            found = flow_runs(client, deployed, [StateType.SCHEDULED])
            return [run for run in found if run.state.name == "Late"]

        assert wait_for(lambda: len(late()) >= 3, 600)  # nothing is there to run them
        slots = late()
        assert {(following - one).total_seconds() for one, following in pairwise(map(due_at, slots))} == {60}
        with monkeypatch.context() as patch:
            patch.setattr(reaper, "OVERDUE", timedelta(0))  # which is 15 minutes
            reap_with(client, deployed)
        missed = [run for run in slots if client.read_flow_run(run.id).state.name == "Missed"]
        assert missed == slots[: len(missed)] and len(missed) >= 2
        assert "a later one is due" in client.read_flow_run(missed[0].id).state.message

        environment = {**os.environ, **IDENTITY, "PREFECT_API_URL": api}
        command = [sys.executable, "-m", "flows.serve", "--repository", str(deployed.origin)]
        with (tmp_path / "log").open("w") as log:
            process = subprocess.Popen(command, cwd=TOP, env=environment, stdout=log, stderr=log)
        first = due_at(missed[-1]) + EVERY  # the newest of those that nothing had run
        try:
            assert wait_for(lambda: first in {run.due for run in made()}, 600), (tmp_path / "log").read_text()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(90)
        states = [client.read_flow_run(run.id).state.name for run in missed]
    assert states == ["Missed"] * len(missed)  # and stay so
    assert min(run.due for run in made()) == first
    assert max(Counter(run.due for run in made()).values()) == 1
