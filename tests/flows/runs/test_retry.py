"""Prefect's button Retry: the run goes on where it stopped; its one record says how it ended and what failed before."""

from __future__ import annotations

import shutil
import time

import pytest
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.states import Scheduled

from flows.errors import GitFailed
from flows.machine.git import git
from flows.notify import notifications
from flows.parameters import Publish
from flows.rebuild import rebuild
from flows.runs import workspace
from flows.runs.record import read_record, records
from flows.runs.verify import past_run
from flows.scheduled_training import scheduled_training

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def retry(flow, run):
    """As the button does: the same run is scheduled again, and its process starts."""
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run, Scheduled(message="Retried"), force=True)
        again = client.read_flow_run(run)
    return run_flow(flow, flow_run=again, parameters=again.parameters, return_type="state")


def breaks(home, file):
    """Let the stage `second` need a file that is not there yet."""
    stages = (home.origin / "dvc.yaml").read_text()
    (home.origin / "dvc.yaml").write_text(
        stages.replace("python step.py second", f"test -e {file} && python step.py second")
    )
    git(home.origin, "commit", "-qam", "needs a file server that is up")


@pytest.fixture
def told(monkeypatch):
    heard = []
    monkeypatch.setattr(notifications, "notify", lambda block, subject, body, *more: heard.append(subject))
    return heard


def train(home):
    state = scheduled_training(str(home.origin), publish=Publish(notify="hook/team"), return_state=True)
    return state, state.state_details.flow_run_id


def the_record(home):
    (only,) = records(home.origin)
    return read_record(home.origin, only)


@pytest.mark.proof
def test_a_retry_ends_well_and_its_record_names_the_failure_before(api, deployed, told, tmp_path_factory):
    up = tmp_path_factory.mktemp("server") / "up"
    breaks(deployed, up)
    state, run = train(deployed)
    assert state.is_failed()
    first = the_record(deployed)
    again = retry(scheduled_training, run)  # nobody has mended anything
    assert "second failed" in again.message
    assert [one.outcome for one in the_record(deployed).earlier] == [first.outcome]
    up.touch()
    state = retry(scheduled_training, run)
    assert state.is_completed(), state.message
    said = the_record(deployed)
    assert (said.name, said.outcome, len(said.earlier)) == (first.name, "completed", 2)
    assert (said.earlier[0].outcome, said.earlier[0].started) == (first.outcome, first.started)
    assert "at try 3; before: failed: second failed" in state.message
    assert next(stage.outcome for stage in said.stages if stage.stage == "first") == "unchanged"  # its clone goes on
    assert [subject.split()[-1] for subject in told] == ["failed", "again"]  # once each: the incident is over


@pytest.mark.long
def test_a_retry_of_a_run_that_ended_well_changes_nothing(api, deployed):
    _, run = train(deployed)
    before = records(deployed.origin)
    again = retry(scheduled_training, run)
    assert again.is_completed()
    assert "nothing was done again" in again.message
    assert records(deployed.origin) == before


@pytest.mark.long
def test_a_retry_after_a_commit_that_mends_runs_at_that_commit(api, deployed, told, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("remote")
    git(elsewhere, "init", "-q", "--bare", ".")
    git(deployed.origin, "remote", "add", "team", str(elsewhere))
    stages = (deployed.origin / "dvc.yaml").read_text()
    breaks(deployed, "/nowhere/at/all")
    publish = Publish(notify="hook/team", upstream="team")
    run = scheduled_training(str(deployed.origin), publish=publish, return_state=True).state_details.flow_run_id
    (deployed.origin / "dvc.yaml").write_text(stages)
    git(deployed.origin, "commit", "-qam", "mended")
    assert retry(scheduled_training, run).is_completed()
    said = the_record(deployed)  # one, although the first try's lay at another commit
    assert said.commit == git(deployed.origin, "rev-parse", "HEAD") != said.earlier[0].commit
    assert len(git(elsewhere, "for-each-ref", "refs/exps").splitlines()) == 1


@pytest.mark.long
def test_a_retry_without_its_clone_and_one_that_never_gets_a_clone(api, deployed, told, monkeypatch, tmp_path_factory):
    up = tmp_path_factory.mktemp("server") / "up"
    breaks(deployed, up)
    _, run = train(deployed)
    shutil.rmtree(deployed.clones)

    def full(*_):
        raise GitFailed("no space left on device")

    time.sleep(1)  # records have whole seconds
    with monkeypatch.context() as patch:
        patch.setattr(workspace, "clone", full)
        assert retry(scheduled_training, run).is_failed()
    said = the_record(deployed)
    assert (said.outcome, len(said.earlier)) == ("failed: no space left on device", 1)
    up.touch()
    assert retry(scheduled_training, run).is_completed()
    assert len(the_record(deployed).earlier) == 2


@pytest.mark.long
def test_a_retry_of_a_flow_without_stages_has_its_outcome_in_the_record_too(api, deployed):
    state = rebuild(str(deployed.origin), return_state=True)
    assert state.is_failed() and "holds no record of a run yet" in state.message
    train(deployed)
    time.sleep(1)  # records have whole seconds
    assert retry(rebuild, state.state_details.flow_run_id).is_completed()
    (newest, _) = records(deployed.origin)
    said = read_record(deployed.origin, newest)
    assert (said.flow, said.outcome, len(said.earlier)) == ("rebuild", "completed", 1)
    assert past_run(deployed, None).name != newest.name  # there is nothing of it to rebuild
