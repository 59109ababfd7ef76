"""The one command that runs all that is scheduled, with a server of its own, and what is left when it is killed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest

from flows.machine.git import git
from flows.machine.home import Home
from flows.runs.record import read_record, records
from tests.support.prefect_api import logged_in
from tests.support.processes import IDENTITY, TOP, free_port
from tests.support.small_repository import make

pytestmark = [pytest.mark.long, pytest.mark.in_order, pytest.mark.timeout(900)]

TRAINING_DEPLOYMENT = "scheduled-training/training-"
EVERY_MINUTE = "* * * * *"
DECLARED = """
deployments:
  - name: training
    entrypoint: flows/scheduled_training.py:scheduled_training
    schedules: [{cron: "CRON", timezone: Europe/Berlin}]
    parameters: {limits: {keep_clones: 2}}
    tags: [declared]
    concurrency_limit: {limit: 1, collision_strategy: CANCEL_NEW}
    work_pool: {name: driftline}
  - name: rebuild
    entrypoint: flows/rebuild.py:rebuild
    schedules: [{interval: 86400, anchor_date: "2026-01-01T12:00:00+00:00", active: true}]
"""


class Served:
    """A served repository: its process, its API and what runs."""

    def __init__(self, folder):
        self.repository, self.port = folder / "repository", free_port()
        self.api = f"http://127.0.0.1:{self.port}/api"
        self.environment = {
            **os.environ,
            **IDENTITY,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PREFECT_HOME": str(folder / "prefect"),
            "DRIFTLINE_HOME": str(folder / "home"),
            "PREFECT_API_URL": self.api,
        }
        self.log = folder / "log"
        self.process = None

    def start(self, cron="0 2 1 1 *"):
        if self.process and self.process.poll() is None:
            self.end()
        (self.repository / "prefect.yaml").write_text(DECLARED.replace("CRON", cron))
        command = [sys.executable, "-m", "flows.serve", "--repository", str(self.repository)]
        before = len(self.log.read_text()) if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=TOP, env=self.environment, stdout=log, stderr=log)
        self.until(lambda: TRAINING_DEPLOYMENT in self.log.read_text()[before:], 240, "deployed")
        if cron != EVERY_MINUTE:
            self.until(self.is_idle, 180, "done with what was due while it was away")

    def is_idle(self):
        known = self.ask(
            "flow_runs/filter", flow_runs={"state": {"type": {"any_": ["RUNNING", "PENDING", "SCHEDULED"]}}}
        )
        soon = datetime.now(UTC) + timedelta(seconds=10)
        return not [run for run in known if datetime.fromisoformat(run["expected_start_time"]) < soon]

    def until(self, condition, seconds, what):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                found = condition()
            except httpx.HTTPError:
                found = None
            if found:
                return found
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            time.sleep(0.2)
        raise AssertionError(f"not {what} within {seconds} s:\n{self.log.read_text()[-6000:]}")

    @property
    def client(self):
        return logged_in(self.api)

    def ask(self, path, **body):
        """As Prefect's own client does: a server whose database is busy asks to be asked again."""
        with self.client as client:
            while (answer := client.post(path, json=body)).status_code == 503:
                time.sleep(1)
        return answer.raise_for_status().json()

    def read(self, path):
        with self.client as client:
            return client.get(path).raise_for_status().json()

    def trigger(self, **parameters):
        found = self.read(f"deployments/name/{TRAINING_DEPLOYMENT}{Home.of(self.repository).key}")
        given = {**found["parameters"], **parameters}
        return self.ask(f"deployments/{found['id']}/create_flow_run", parameters=given)["id"]

    def state(self, run):
        return self.read(f"flow_runs/{run}")["state"]

    def outcome(self, run):
        """Of the run's record; nothing where it has left none yet."""
        name = self.read(f"flow_runs/{run}")["name"]
        found = [read_record(self.repository, one).outcome for one in records(self.repository) if one.name == name]
        return found[0] if found else ""

    def stage(self):
        """The process of the running stage."""
        file = self.repository.parent / "stage.pid"
        return int(file.read_text()) if file.exists() and file.read_text() else None

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait(180)  # a busy machine takes its time over the run that is under way


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    one = Served(folder)
    one.repository.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in one.environment.items():
            patch.setenv(name, value)
        make(one.repository)
        one.start(EVERY_MINUTE)
        yield one
        if one.process.poll() is None:
            one.end()


def silent(served):
    """Let the second stage be one that says nothing, ignores a polite end and takes for ever."""
    code = f"""
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open({str(served.repository.parent / "stage.pid")!r}, "w").write(str(os.getpid()))
time.sleep(600)
"""
    (served.repository / "silent.py").write_text(code)
    text = (served.repository / "dvc.yaml").read_text()
    (served.repository / "dvc.yaml").write_text(text.replace("python step.py second.txt", "python silent.py"))
    git(served.repository, "add", "-A")
    git(served.repository, "commit", "-qm", "silent")


def gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_the_schedule_fires_and_the_run_is_recorded(served):
    def completed():  # while it runs, the next one may be due, which the concurrency limit cancels
        said = [read_record(served.repository, one) for one in records(served.repository)]
        return [one for one in said if one.completed]

    (said,) = served.until(completed, 150, "recorded")[:1]
    assert said.flow == "scheduled-training"
    served.end()
    assert not any(is_server(process) for process in psutil.process_iter(["cmdline"]))


def test_the_server_has_what_prefect_yaml_declares_and_nothing_else(served):
    served.start()
    created = served.ask("flows/", name="nightly-training")
    old = {"flow_id": created["id"], "name": "nightly", "parameters": {"repository": str(served.repository)}}
    foreign = {**old, "name": "theirs", "parameters": {"repository": str(TOP)}}
    served.ask("deployments/", **old), served.ask("deployments/", **foreign)
    served.start()
    assert "deleted the deployment nightly-training/nightly, of an earlier release" in served.log.read_text()
    assert "work_pool of training is for a work pool, not used here" in served.log.read_text()
    home = Home.of(served.repository)
    found = served.ask("deployments/filter", limit=50)
    known = {one["name"].removesuffix(f"-{home.key}"): one for one in found}
    assert known.keys() == {"training", "rebuild", "theirs"}
    training, rebuild = known["training"], known["rebuild"]
    assert training["schedules"][0]["schedule"] == {"cron": "0 2 1 1 *", "timezone": "Europe/Berlin", "day_or": True}
    assert training["parameters"] == {"limits": {"keep_clones": 2}, "repository": str(served.repository)}
    assert (training["tags"], training["work_pool_name"]) == (["declared", "repository", home.tag], None)
    assert training["global_concurrency_limit"]["limit"] == 1
    assert training["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    assert rebuild["schedules"][0]["schedule"]["interval"] == 86400
    choices = training["parameter_openapi_schema"]["definitions"]["Limits"]["properties"]["overlap"]
    assert choices["enum"] == ["wait", "skip"] and choices["description"]


def test_cancelling_from_the_api_ends_the_stage_within_ten_seconds(served):
    silent(served)
    run = served.trigger()
    stage = served.until(served.stage, 120, "in its stage")
    start = time.monotonic()
    served.ask(f"flow_runs/{run}/set_state", state={"type": "CANCELLING"})
    served.until(lambda: gone(stage), 40, "gone")
    took = time.monotonic() - start
    print(f"cancelled in {took:.1f} s")
    served.until(lambda: served.state(run)["type"] == "CANCELLED", 60, "cancelled")
    assert took <= 15  # 7 s of them are what a stage that ignores a polite end is given
    served.until(lambda: "cancelled" in served.outcome(run), 90, "recorded as cancelled")


def test_a_killed_runner_leaves_no_process_and_its_run_does_not_stay_running(served):
    (served.repository.parent / "stage.pid").unlink()
    run = served.trigger()
    stage = served.until(served.stage, 120, "in its stage")
    children = psutil.Process(served.process.pid).children(recursive=True)
    served.end(signal.SIGKILL)
    _, left = psutil.wait_procs([psutil.Process(stage), *children], timeout=60)
    assert left == []
    served.start()
    served.until(lambda: served.state(run)["type"] == "CRASHED", 60, "crashed")
    assert Home.of(served.repository).workspace_lock.exists()
    skipped = served.trigger(stages=["first"], limits={"overlap": "skip"})  # and no lock is left to clear
    served.until(lambda: served.state(skipped)["type"] == "COMPLETED", 120, "completed")
    assert served.state(skipped)["name"] in ("Completed", "Unchanged")


TRAINING = """
stages:
  finetune:
    cmd: python -m tasks.finetune
    params: [finetune, model, seed]
    deps: [data/tokens, base]
    outs: [models/classifier, reports/curves.csv, reports/finetune_cost.json]
    metrics: [metrics/finetune.json: {cache: false}]
"""
LONG = "seed: 7\nmodel: {name: base}\nfinetune: {epochs: 1000, batch_size: 8, threads: 1, checkpoint_seconds: 0.1}\n"


@pytest.fixture
def trains(served, tiny_checkpoint, tokens):
    """The repository is one that trains a tiny model for a long time, and afterwards what it was."""
    shutil.copytree(tiny_checkpoint, served.repository / "base")
    shutil.copytree(tokens, served.repository / "data" / "tokens")
    (served.repository / "tasks").symlink_to(TOP / "tasks")
    (served.repository / "dvc.yaml").write_text(TRAINING)
    (served.repository / "params.yaml").write_text(LONG)
    (served.repository / "dvc.lock").unlink(missing_ok=True)
    git(served.repository, "add", "-A")
    git(served.repository, "commit", "-qm", "training")
    yield
    git(served.repository, "revert", "--no-edit", "HEAD")


def training(served):
    """The process that trains."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if words[1:] == ["-m", "tasks.finetune"] and str(served.repository.parent) in process.cwd():
            return process.pid
    return None


@pytest.mark.usefixtures("trains")
def test_a_cancelled_training_leaves_a_checkpoint_from_which_the_next_run_goes_on(served):
    run = served.trigger()
    kept = served.repository.parent / "home"
    served.until(lambda: list(kept.glob("*/checkpoints/*/step-*/complete.json")), 300, "at its first checkpoint")
    stage, start = training(served), time.monotonic()
    served.ask(f"flow_runs/{run}/set_state", state={"type": "CANCELLING"})
    served.until(lambda: gone(stage), 40, "gone")
    print(f"training was cancelled in {time.monotonic() - start:.1f} s")
    served.until(lambda: served.state(run)["type"] == "CANCELLED", 60, "cancelled")
    run = served.trigger()
    served.until(lambda: re.search(r"resuming at step [1-9]\d* of", served.log.read_text()), 300, "going on")
    served.ask(f"flow_runs/{run}/set_state", state={"type": "CANCELLING"})
    served.until(lambda: served.state(run)["type"] == "CANCELLED", 60, "cancelled")


@pytest.mark.soak
def test_a_killed_server_is_started_again_and_runs_go_on(served):
    server = next(p for p in psutil.process_iter(["cmdline"]) if is_server(p))
    server.kill()
    served.until(lambda: httpx.get(f"{served.api}/health", timeout=5).status_code == 200, 120, "up again")
    run = served.trigger(stages=["first"])
    served.until(lambda: served.state(run)["type"] == "COMPLETED", 180, "completed")


def is_server(process):
    """Whether a process is the Prefect server of this module's home."""
    is_one = (process.info["cmdline"] or [])[1:3] == ["-m", "flows.machine.prefect_server"]
    return is_one and process.environ().get("PREFECT_HOME") == os.environ["PREFECT_HOME"]


def test_a_second_runner_of_the_repository_is_refused(served):
    command = [sys.executable, "-m", "flows.serve", "--repository", str(served.repository)]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "is being served already" in done.stderr


def test_the_status_names_what_runs_what_is_due_and_what_came_of_it(served):
    run = served.trigger(stages=["first"])
    served.until(lambda: served.state(run)["type"] == "COMPLETED", 180, "completed")
    command = [sys.executable, "-m", "driftline", "status", "--repository", str(served.repository)]
    done = subprocess.run(command, cwd=TOP, env=served.environment, capture_output=True, text=True, timeout=120)
    said = {line[:10].strip(): line[11:] for line in reversed(done.stdout.splitlines())}
    assert done.returncode == 0, done.stderr
    assert said["running"] == "nothing"
    assert said["scheduled"].startswith(("scheduled-training at", "rebuild at"))
    assert said["record"].endswith(("completed", "completed, nothing had changed")), said["record"]
    assert said["champion"] == "none is tagged"
    assert "free" in said["disk"]
