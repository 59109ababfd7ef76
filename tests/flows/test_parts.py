"""The small parts of an unattended run: locks, room on the disk, comparing, who may be reached from where."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest
from prefect.client.schemas.objects import State, StateType

from bench.results import write_section
from flows import scheduled_training
from flows.champion import proposal
from flows.errors import Busy, TooLittleSpace
from flows.machine.git import git, identity
from flows.machine.home import Home
from flows.machine.liveness import RUNNER, STARTED_BY_A_RUNNER
from flows.machine.locks import holding, is_held
from flows.machine.prefect_address import Address
from flows.machine.server import server
from flows.notify import incidents, notifications
from flows.pipeline import disk
from flows.reaper import GONE, OVERDUE, PAGE, reap_with
from flows.runs import prune
from flows.runs.publish import refuse_secrets
from flows.runs.record import LockedStage, find, inputs, read_record, records
from flows.runs.verify import Comparison, compare
from flows.serve import keep_doing
from tasks.core.errors import UserError
from tasks.modelling.training import checkpoint_store
from tests.support.processes import free_port, wait_for

TOP = Path(__file__).parents[2]


@pytest.mark.proof
def test_a_lock_survives_no_killed_process(tmp_path):
    file = tmp_path / "some.lock"
    code = f"""
import pathlib, time
from flows.machine.locks import holding
from flows.notify import notifications
with holding(pathlib.Path({str(file)!r}), "it"):
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=TOP)
    assert wait_for(lambda: is_held(file), 300)
    with pytest.raises(Busy, match="it holds"), holding(file, "other", "skip"):
        pass
    process.kill()
    process.wait()
    assert not is_held(file)
    with holding(file, "other", "skip"):
        assert is_held(file)
    assert not is_held(file)


def test_a_stage_needs_room_for_its_output_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "free", lambda folder: disk.RESERVE + 2000)
    disk.require_space(tmp_path, 1000)
    with pytest.raises(TooLittleSpace, match="512 MiB free, 512 MiB needed"):
        disk.require_space(tmp_path, 1001)
    assert [disk.readable(size) for size in (5, 2**20, 3 * 2**30)] == ["5 B", "1 MiB", "3.0 GiB"]


def stage(deps, outs):
    return LockedStage(deps, outs)


@pytest.mark.proof
def test_old_and_surplus_checkpoints_go_but_none_that_a_training_uses(deployed):
    assert prune.checkpoints(deployed) == []
    folders = [deployed.checkpoints / str(age) for age in range(6)]
    for age, folder in enumerate(folders):
        state = folder / "step-000000001" / "state.pt"
        state.parent.mkdir(parents=True)
        state.touch()
        os.utime(state, (time.time() - age * 86400,) * 2)
    with checkpoint_store.exclusive(folders[4]) as mine:
        assert mine
        assert prune.checkpoints(deployed, keep=3, days=30) == [folders[3], folders[5]]
    assert prune.checkpoints(deployed, keep=3, days=1.5) == [folders[2], folders[4]]
    assert sorted(deployed.checkpoints.iterdir()) == folders[:2]


def test_the_frozen_layers_passes_go_by_when_they_were_last_used(deployed):
    passes = [deployed.checkpoints / checkpoint_store.ACTIVATIONS / name for name in ("new", "old", "used")]
    for age, folder in zip((1, 40, 50), passes, strict=True):
        folder.mkdir(parents=True)
        (folder / "values.f32").touch()
        os.utime(folder / "values.f32", (time.time() - age * 86400,) * 2)
    (passes[2] / "values.jsonl").touch()
    assert prune.checkpoints(deployed, keep=0) == [passes[1]], "a pass is no checkpoint, of which none is kept"


def test_outputs_are_compared_in_order_and_reports_of_earlier_releases_are_not():
    known = {
        "a": stage({"source": "1"}, {"data/a": "2", "reports/a.html": "3"}),
        "b": stage({"data/a": "2"}, {"models/b": "4", "reports/finetune_cost.json": "5"}),
    }
    assert [(d.path, d.recorded, d.rebuilt) for d in compare(known, known, ["a", "b"])] == [
        ("data/a", "2", "2"),
        ("models/b", "4", "4"),
    ]
    other = {"a": stage({"source": "x"}, {"data/a": "2", "reports/a.html": "y"}), "b": stage({"data/a": "2"}, {})}
    pages = {"a": known["a"]}
    assert [d.path for d in compare(pages, other, ["a"]) if d.recorded != d.rebuilt] == ["source", "reports/a.html"]
    found = [d for d in compare(known, other, ["a", "b"]) if d.recorded != d.rebuilt]
    assert [(d.stage, d.path, d.rebuilt) for d in found] == [("a", "source", "x"), ("b", "models/b", "")]
    said = str(Comparison("r", 3, found, ["torch was 1, is 2"])).splitlines()
    assert said[0] == "r: differs from a on (a, b)"
    assert said[2] == "note: torch was 1, is 2"
    assert not Comparison("r", 0, [], []).same


def test_inputs_are_what_no_stage_made(tmp_path):
    file = tmp_path / "dvc.lock"
    assert inputs(file) == {}
    file.write_text(
        "stages: {a: {deps: [{path: s, md5: 1f}], outs: [{path: o, md5: 2f}]}, b: {deps: [{path: o, md5: 2f}]}}"
    )
    assert inputs(file) == {"s": "1f"}


@pytest.mark.soak
def test_who_does_not_name_himself_is_turned_away(tmp_path, monkeypatch):
    for name in ("DRIFTLINE_HOME", "PREFECT_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "who:what")
    api = f"http://127.0.0.1:{free_port()}/api"
    with server(Address(api, "a test", True), "0.0.0.0"):
        assert httpx.get(f"{api}/admin/version", timeout=30).status_code == 401
        assert httpx.get(f"{api}/admin/version", auth=("who", "no"), timeout=30).status_code == 401
        assert httpx.get(f"{api}/admin/version", auth=("who", "what"), timeout=30).status_code == 200


def test_a_home_is_of_the_whole_repository_and_a_plain_folder_has_none(repository, tmp_path_factory):
    (repository / "inside").mkdir()
    assert Home.of(repository / "inside") == Home.of(repository)
    with pytest.raises(UserError, match="not a git repository"):
        Home.of(tmp_path_factory.mktemp("plain"))


def test_experiments_that_no_run_made_are_no_records(repository):
    head = git(repository, "rev-parse", "HEAD")
    git(repository, "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/by-hand", head)
    assert records(repository) == []
    with pytest.raises(UserError, match="no record of a run 'by-hand'"):
        find(repository, "by-hand")


@pytest.mark.proof
def test_whoever_has_no_identity_commits_as_driftline(repository, monkeypatch, tmp_path_factory):
    empty = tmp_path_factory.mktemp("nobody")
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(empty))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(empty))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    assert identity(repository)["GIT_COMMITTER_NAME"] == "Driftline"
    git(repository, "config", "user.name", "Someone")
    git(repository, "config", "user.email", "someone@example.com")
    assert identity(repository) == {}


@pytest.mark.parametrize(
    ("key", "value"),
    [("url", "https://someone:hush@example.com/x"), ("password", "hush"), ("secret_access_key", "hush")],
)
def test_a_secret_that_git_tracks_is_refused_and_not_repeated(deployed, key, value):
    refuse_secrets(deployed, None)
    with (deployed.origin / ".dvc" / "config").open("a") as file:
        file.write(f"['remote \"store\"']\n    {key} = {value}\n")
    with pytest.raises(UserError, match=f"{key} of .*store") as refused:
        refuse_secrets(deployed, None)
    assert "hush" not in str(refused.value)


class Server:
    """What the reaper asks of Prefect."""

    def __init__(self, runs):
        self.runs, self.states = runs, {}

    def read_flow_runs(self, *, flow_filter, flow_run_filter, sort, limit, offset):
        wanted, flows = flow_run_filter.state.type.any_, flow_filter.name.any_
        found = [run for run in self.runs if run.state.type in wanted and scheduled_training.FLOW in flows]
        found.sort(key=lambda run: run.expected_start_time, reverse=sort.value == "END_TIME_DESC")
        return found[offset : offset + limit]

    def set_flow_run_state(self, key, state, force):
        assert force
        self.states[key] = state.type.value
        next(run for run in self.runs if run.id == key).state = state

    def read_flow_run_states(self, key):
        begun = next(run for run in self.runs if run.id == key).start_time
        return [SimpleNamespace(type=StateType.PENDING, timestamp=begun)]


def flow_run(home, kind, age, deployment=None, tags=()):
    when = datetime.now(UTC) - age
    return SimpleNamespace(
        id=uuid4(),
        name=f"run-{age.total_seconds():.0f}",
        parameters={"repository": str(home.origin), "notify": "hook/team"},
        state=State(
            type=StateType[kind], timestamp=when, message="exit code -9", state_details={"scheduled_time": when}
        ),
        deployment_id=deployment,
        tags=list(tags),
        infrastructure_pid=None,
        auto_scheduled=True,
        expected_start_time=when,
        start_time=when,
    )


@pytest.mark.proof
def test_the_dead_are_buried_and_only_the_newest_missed_run_is_made_up_for(deployed, monkeypatch):
    monkeypatch.setattr(notifications, "notify", lambda *_: None)
    dead, living, young = (flow_run(deployed, "RUNNING", timedelta(minutes=m)) for m in (9, 9, 1))
    other = flow_run(SimpleNamespace(origin=TOP), "RUNNING", timedelta(minutes=9))
    night, day = OVERDUE * 90, OVERDUE * 2
    missed, newest, soon = (flow_run(deployed, "SCHEDULED", age, "nightly") for age in (night, day, -day))
    server = Server([dead, living, young, other, missed, newest, soon])
    with holding(deployed.run_lock(str(living.id)), "living"):
        said = reap_with(server, deployed)
    assert server.states == {dead.id: "CRASHED", missed.id: "CANCELLED"}
    assert (missed.state.name, "a later one is due" in missed.state.message) == ("Missed", True)
    assert len(said) == 2
    (left,) = records(deployed.origin)
    assert (left.name, read_record(deployed.origin, left).outcome) == (dead.name, f"failed: {GONE}")


def test_runs_are_known_by_the_tag_of_their_checkout_wherever_it_lay_and_among_any_number(deployed):
    elsewhere, theirs = SimpleNamespace(origin="/gone"), "checkout:00000000"
    others = [flow_run(deployed, "RUNNING", timedelta(minutes=9 + n), tags=[theirs]) for n in range(2 * PAGE)]
    ours = flow_run(elsewhere, "RUNNING", timedelta(minutes=9), tags=["declared", deployed.tag])
    server = Server([*others, ours])
    reap_with(server, deployed)
    assert server.states == {ours.id: "CRASHED"}


@pytest.mark.proof
def test_a_run_that_takes_long_to_start_is_not_dead(deployed, monkeypatch):
    monkeypatch.setattr(notifications, "notify", lambda *_: None)
    slow, gone, other_machine = (flow_run(deployed, "PENDING", timedelta(minutes=30)) for _ in range(3))
    other_machine.infrastructure_pid = "default:train-job-x7"  # of a container or a job, as Prefect's workers name it
    server = Server([slow, gone, other_machine])
    environment = os.environ | {STARTED_BY_A_RUNNER: str(slow.id)}
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"],
        env=environment,
        stdout=subprocess.PIPE,
    )
    with process:
        process.stdout.readline()
        reap_with(server, deployed, starting=timedelta(0))
        assert server.states == {gone.id: "CRASHED"}
        process.kill()
    reap_with(server, deployed)
    assert server.states == {gone.id: "CRASHED", slow.id: "CRASHED"}


@pytest.mark.slow
@pytest.mark.parametrize(("runner", "ends"), [("this", False), ("none", True)])
def test_a_run_whose_runner_is_gone_before_it_has_started_ends(deployed, runner, ends):
    code = f"""
import time
from pathlib import Path
from types import SimpleNamespace
from flows.machine import liveness
from flows.machine.home import Home
liveness.runtime = SimpleNamespace(flow_run=SimpleNamespace(id="1"))
with liveness.liveness_lock(Home.of({str(deployed.origin)!r})):
    time.sleep(60)
"""
    environment = os.environ | {STARTED_BY_A_RUNNER: "1", RUNNER: str(os.getpid() if runner == "this" else 2**22 - 1)}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=TOP, env=environment)
    assert wait_for(lambda: is_held(deployed.run_lock("1")) or process.poll() is not None, 120)
    assert wait_for(lambda: process.poll() is not None, 5) == ends
    process.kill()
    process.wait()


@pytest.mark.proof
def test_whoever_is_to_be_told_is_told_once_that_a_run_was_killed(deployed, monkeypatch, caplog):
    told, reachable = [], [False]

    def notify(block, subject, body, *more):
        if not reachable[0]:
            raise ConnectionError("nobody answers")
        told.append((block, subject, body))

    monkeypatch.setattr(notifications, "notify", notify)
    server = Server([flow_run(deployed, "RUNNING", timedelta(minutes=90))])
    said = reap_with(server, deployed)
    assert [line.partition(" was ")[2] for line in said] == ["dead: marked crashed"]
    assert "hook/team could not be notified" in caplog.text
    reachable[0] = True
    assert reap_with(server, deployed) == [] == reap_with(server, deployed)
    ((block, subject, body),) = told
    assert block == "hook/team" and "run-5400 failed" in subject and "was killed" in body
    server.runs += [flow_run(deployed, "CRASHED", timedelta(minutes=80))]  # Prefect's runner saw this one die
    assert reap_with(server, deployed) == [] and told[1][2] == "exit code -9"
    server.runs += [flow_run(deployed, "COMPLETED", timedelta(minutes=70))]
    incidents.forget(deployed, scheduled_training.FLOW)
    assert reap_with(server, deployed) == [] and len(told) == 2, "what went well since is no incident"


def test_whatever_fails_runs_are_looked_after_again_and_it_is_said_once(caplog):
    over, done = threading.Event(), []

    def task():
        done.append(1)
        if len(done) == 5:
            over.set()
        raise OSError("No space left on device") if len(done) < 4 else httpx.ConnectError("refused")

    keep_doing(task, 0.001, over)
    assert len(done) == 5
    assert [line.getMessage().rpartition(": ")[2][:14] for line in caplog.records] == [
        "OSError('No sp",
        "ConnectError('",
    ]


def test_a_misspelt_remote_is_refused_before_a_tag_is_made(deployed):
    git(deployed.origin, "remote", "add", "origin", "/srv/x")
    for act in (
        lambda: proposal.propose(deployed, "HEAD", True, True, None, "orgin"),
        lambda: proposal.rollback(deployed, None, "orgin"),
    ):
        with pytest.raises(UserError, match=r"--push: .* has no git remote orgin; it has origin"):
            act()
    assert git(deployed.origin, "tag") == ""


def test_a_section_of_the_results_takes_its_own_place(tmp_path):
    file = tmp_path / "RESULTS.md"
    for heading, text in [("One", "a"), ("Two", "b\n\n### deeper\n"), ("One", "c")]:
        write_section(heading, text, file)
    assert file.read_text().split("\n", 3)[3] == "\n## One\n\nc\n\n## Two\n\nb\n\n### deeper\n"
