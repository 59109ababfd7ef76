"""Twenty repositories on one server, all due at the same moment: none is missed, none runs twice.

By one worker, and by twenty `driftline serve` at once. ``CHECKOUTS`` names another number of the latter.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags

import driftline_login
from flows.machine.git import git
from flows.machine.home import Home
from flows.reaper import reap_with
from flows.runs.record import read_record, records
from flows.schedule.deployments import declared
from tests.support.prefect_api import post, with_hook
from tests.support.processes import TOP, wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]

MANY, POOL = 20, "many"
DUE_IN = timedelta(seconds=120)
"""Registered by then, on a busy machine too: of a slot that is over when it is registered, Prefect makes no run."""
SERVED = int(os.environ.get("CHECKOUTS", MANY))
DECLARED = """
deployments:
- name: training
  entrypoint: flows/scheduled_training.py:scheduled_training
  schedules: [{{interval: 86400, anchor_date: "{due}"}}]
  work_pool: {{name: many}}
"""
STAGES = "stages:\n  one: {cmd: cp params.yaml one, params: [name], outs: [one]}\n"


@pytest.fixture
def homes(api, repository, tmp_path_factory, monkeypatch):
    """Repositories of one tiny stage, each with a word of its own; half of them in folders of one name."""
    top = tmp_path_factory.mktemp("many")
    monkeypatch.setenv("DRIFTLINE_HOME", str(top / "home"))
    monkeypatch.chdir(TOP)
    (repository / "dvc.yaml").write_text(STAGES)
    found = []
    for number in range(MANY):
        folder = top / f"team-{number}" / ("mails" if number % 2 else f"mails-{number}")
        folder.parent.mkdir()
        shutil.copytree(repository, folder)
        (folder / "params.yaml").write_text(f"name: word-{number}\n")
        due = datetime.now(UTC) + DUE_IN
        (folder / "prefect.yaml").write_text(DECLARED.format(due=due.isoformat()))
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "own")
        found.append(Home.of(folder))
    return found


def register(homes, pool):
    for home in homes:
        (one,) = declared(home)
        one.apply(work_pool_name=pool)


def scheduled(api, home):
    """Whether there is a run of the checkout to come today."""
    asked = {"tags": {"all_": [home.tag]}, "expected_start_time": {"before_": (datetime.now(UTC) + DUE_IN).isoformat()}}
    return post(api, "flow_runs/filter", flow_runs=asked)


def begun(client, home):
    """The runs of the checkout that are no longer to come."""
    which = FlowRunFilter(tags=FlowRunFilterTags(all_=[home.tag]))
    return [run for run in client.read_flow_runs(flow_run_filter=which, limit=200) if not run.state.is_scheduled()]


def test_none_is_missed_and_none_runs_twice(homes, api, tmp_path, capsys):
    environment = {**with_hook(tmp_path / "hook"), **driftline_login.HOOK, "PREFECT_API_URL": api}
    command = [sys.executable, "-m", "prefect", "--no-prompt", "work-pool", "create", POOL, "--type", "process"]
    subprocess.run(command, cwd=TOP, env=environment, capture_output=True, timeout=120, check=True)
    begin = time.monotonic()
    register(homes, POOL)
    registered = time.monotonic() - begin
    worker = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--limit", "2"]
    with (tmp_path / "worker.log").open("w") as log, get_client(sync_client=True) as client:
        process = subprocess.Popen(worker, cwd=tmp_path, env=environment, stdout=log, stderr=log)
        try:
            deadline, again = time.monotonic() + 1200, False
            while time.monotonic() < deadline and not all(records(home.origin) for home in homes):
                time.sleep(2)
                some = sum(bool(records(home.origin)) for home in homes)
                if some >= MANY // 4 and not again:  # a restart while most are due, and everybody looks for the dead
                    register(homes, POOL)
                    assert [line for home in homes for line in reap_with(client, home)] == []
                    again = True
            took, size = time.monotonic() - begin, psutil.Process(process.pid).memory_info().rss
            wait = time.monotonic() + 60
            while time.monotonic() < wait and any(
                not run.state.is_final() for one in homes for run in begun(client, one)
            ):
                time.sleep(1)
            runs = [begun(client, home) for home in homes]
        finally:
            process.terminate()
            process.wait(60)
    assert again
    each_ran_once(homes, runs)
    with capsys.disabled():
        print(f"\n{MANY} repositories: registered in {registered:.0f} s, run in {took:.0f} s; worker {size >> 20} MiB")


def each_ran_once(homes, runs):
    """By the server's runs of each checkout, and by the records that they left."""
    assert [len(each) for each in runs] == [1] * len(homes)
    assert {run.state.name for each in runs for run in each} == {"Completed"}
    for home, (run,) in zip(homes, runs, strict=True):
        (record,) = records(home.origin)
        said = read_record(home.origin, record)
        assert (said.outcome, said.repository) == ("completed", str(home.origin))
        assert said.commit == git(home.origin, "rev-parse", "HEAD") and record.name == run.name
    assert len({home.folder for home in homes}) == len(homes)


def test_as_many_serve_at_once_from_their_checkouts(homes, api, tmp_path, capsys):
    homes = homes[:SERVED]
    register(homes, None)
    assert wait_for(lambda: all(scheduled(api, home) for home in homes), 60)
    environment = {**with_hook(tmp_path / "hook"), **driftline_login.HOOK, "PREFECT_API_URL": api}
    begin, processes = time.monotonic(), []
    with get_client(sync_client=True) as client, (tmp_path / "log").open("w") as log:
        try:
            for home in homes:
                command = [sys.executable, "-m", "flows.serve", "--repository", str(home.origin)]
                processes.append(subprocess.Popen(command, cwd=TOP, env=environment, stdout=log, stderr=log))

            def over():
                return all(run.state.is_final() for one in homes for run in begun(client, one))

            while time.monotonic() < begin + 1400 and not (all(records(one.origin) for one in homes) and over()):
                assert all(process.poll() is None for process in processes), (tmp_path / "log").read_text()[-4000:]
                time.sleep(2)
            took, size = time.monotonic() - begin, sum(psutil.Process(one.pid).memory_info().rss for one in processes)
            runs = [begun(client, home) for home in homes]
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            ended = [process.wait(120) for process in processes]
    assert ended == [0] * len(homes)
    each_ran_once(homes, runs)
    with capsys.disabled():
        print(f"\n{len(homes)} serve at once: run in {took:.0f} s; {size / len(homes) / 2**20:.0f} MiB each")
