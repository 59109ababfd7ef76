"""Whatever ends a run early leaves a record, and is told once."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest
import tenacity
from prefect.client.orchestration import get_client
from prefect.states import Cancelled, Running

from flows.errors import GitFailed
from flows.machine import retry
from flows.machine.git import git
from flows.notify import notifications
from flows.parameters import Publish
from flows.reaper import reap
from flows.runs import workspace
from flows.runs.record import read_record, records
from flows.scheduled_training import scheduled_training

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
POINTER = "outs:\n- md5: {md5}\n  size: 3\n  hash: md5\n  path: rows.csv\n".format(md5="a" * 32)


@pytest.fixture
def told(monkeypatch):
    """The subjects that somebody was told."""
    heard = []
    monkeypatch.setattr(notifications, "notify", lambda block, subject, body, *more: heard.append(body))
    monkeypatch.setattr(retry, "WAIT", tenacity.wait_none())
    return heard


def run(home):
    state = scheduled_training(str(home.origin), publish=Publish(notify="hook/team"), return_state=True)
    return state, read_record(home.origin, records(home.origin)[0])


@pytest.mark.long
def test_a_remote_that_does_not_answer_is_recorded_and_told_once(api, deployed, told):
    (deployed.origin / "rows.csv.dvc").write_text(POINTER)
    add = ["dvc", "remote", "add", "--quiet", "--default", "far", "/nowhere/at/all"]
    subprocess.run([sys.executable, "-m", *add], cwd=deployed.origin, check=True)
    git(deployed.origin, "add", "-A")
    git(deployed.origin, "commit", "-qm", "data from afar")
    for _ in range(2):
        state, recorded = run(deployed)
        assert state.is_failed()
        assert "rows.csv could not be fetched, after 4 tries" in state.message
        assert recorded.outcome == state.message
    assert len(records(deployed.origin)) == 2
    assert len(told) == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ZeroDivisionError("a bug"), "failed: ZeroDivisionError: a bug"),
        (ModuleNotFoundError("No module named 'captum'"), "failed: ModuleNotFoundError: No module named 'captum'"),
        (OSError(errno.ENOSPC, "No space left on device"), "failed: OSError: [Errno 28] No space left on device"),
    ],
)
def test_what_nobody_expects_is_recorded_and_told(api, deployed, told, monkeypatch, error, words):
    def fail(folder):
        raise error

    monkeypatch.setattr(workspace, "materialise", fail)
    state, recorded = run(deployed)
    assert (state.is_failed(), state.message, recorded.outcome) == (True, words, words)
    assert told == [words]


def test_a_run_without_a_clone_has_a_record_too(api, deployed, told, monkeypatch):
    def fail(*_):
        raise GitFailed("git clone: no space left on device")

    monkeypatch.setattr(workspace, "clone", fail)
    state, recorded = run(deployed)
    assert recorded.outcome == f"failed: {state.message}" == "failed: git clone: no space left on device"
    assert recorded.commit == workspace.pinned(deployed, "HEAD")
    assert recorded.stages == ()
    assert len(told) == 1


def test_a_cancelled_run_is_recorded_and_told_as_cancelled_and_is_no_failure(api, deployed, told):
    parameters = {"repository": str(deployed.origin), "publish": {"notify": "hook/team"}}
    with get_client(sync_client=True) as client:
        made = client.create_flow_run(scheduled_training, parameters=parameters)
        for state in (Running(), Cancelled(message="Cancelled by hand")):
            client.set_flow_run_state(made.id, state, force=True)
    for _ in range(2):  # as serve does every minute
        reap(deployed)
    (only,) = records(deployed.origin)
    assert read_record(deployed.origin, only).outcome == told[0] == "cancelled: Cancelled by hand"
    assert len(told) == 1
    assert not (deployed.folder / "incidents").exists()
