"""A deployed run stands alone, and its record rebuilds it."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from importlib.metadata import version

import pytest

from flows.machine.git import git
from flows.machine.locks import holding
from flows.notify import notifications
from flows.parameters import Limits, Publish
from flows.runs import prune
from flows.runs.record import find, latest, read_record, records
from flows.runs.run_record import RunRecord
from flows.runs.verify import rebuild
from flows.scheduled_training import scheduled_training
from tasks.core.errors import UserError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def run(home, **parameters):
    return scheduled_training(repository=str(home.origin), return_state=True, **parameters)


def outcomes(home, past):
    return {stage.stage: stage.outcome for stage in read_record(home.origin, past).stages}


def commit(home, **files):
    for name, text in files.items():
        (home.origin / name.replace("_", ".")).write_text(text)
    git(home.origin, "commit", "-qam", "change")


def test_a_run_leaves_the_tree_alone_and_a_record_that_dvc_knows(api, deployed):
    before = sorted(deployed.origin.iterdir())
    state = run(deployed)
    assert state.is_completed(), state.message
    assert sorted(deployed.origin.iterdir()) == before
    assert git(deployed.origin, "status", "--porcelain") == ""

    (past,) = records(deployed.origin)
    assert past.name in state.message
    said = read_record(deployed.origin, past)
    assert said.commit == past.baseline == git(deployed.origin, "rev-parse", "HEAD")
    assert said.outcome == "completed"
    assert set(said.inputs) == {"source.txt"}
    assert said.versions["dvc"]
    assert said.device.threads >= 1
    listed = subprocess.run([sys.executable, "-m", "dvc", "exp", "list"], capture_output=True, text=True, check=True)
    assert past.name in listed.stdout

    # what it made is in the repository's own cache: applying the experiment brings it here without running a thing
    subprocess.run([sys.executable, "-m", "dvc", "exp", "apply", past.name], check=True)
    assert (deployed.origin / "last.txt").read_text() == (deployed.clones / past.name / "last.txt").read_text()
    assert RunRecord.read((deployed.origin / "reports/run.json").read_text(), "here") == said


@pytest.mark.proof
def test_unchanged_then_changed_and_each_is_rebuilt_to_the_same_bytes(api, deployed):
    run(deployed)
    run(deployed)
    second, first = records(deployed.origin)
    assert set(outcomes(deployed, first).values()) == {"ran"}
    assert set(outcomes(deployed, second).values()) == {"unchanged"}

    commit(deployed, source_txt="Other ")
    run(deployed)
    third = latest(deployed.origin)
    assert set(outcomes(deployed, third).values()) == {"ran"}
    for past in (third, first):
        verdict = rebuild(deployed, past)
        assert verdict.same, str(verdict)
        assert verdict.compared == 6
    assert not list(deployed.clones.glob("verify-*"))


@pytest.mark.long
def test_a_run_that_cannot_be_rebuilt_says_which_output_differs_first(api, deployed):
    step = (deployed.origin / "step.py").read_text()
    commit(deployed, step_py=step + "if 'second' in out: open(out, 'a').write(str(__import__('time').time_ns()))\n")
    run(deployed)
    verdict = rebuild(deployed, latest(deployed.origin))
    assert not verdict.same
    assert str(verdict).splitlines()[0].endswith("differs from second on (second, last)")
    assert str(verdict).splitlines()[1].startswith("first: second.txt of second")


@pytest.mark.long
def test_a_failed_run_is_recorded_told_once_and_the_next_goes_on_from_its_last_stage(api, deployed, monkeypatch):
    stages = (deployed.origin / "dvc.yaml").read_text()
    commit(deployed, dvc_yaml=stages.replace("python step.py second.txt", "python -c 'exit(3)' &&"))
    told = []
    monkeypatch.setattr(notifications, "notify", lambda block, subject, body, *more: told.append((block, subject)))
    state = run(deployed, publish=Publish(notify="hook/team"))
    assert state.is_failed()
    assert "second failed" in state.message
    (failed,) = records(deployed.origin)
    assert told == [("hook/team", f"{deployed.origin.name}: {failed.name} failed")]
    assert read_record(deployed.origin, failed).outcome.startswith("failed")
    assert outcomes(deployed, failed) == {"first": "ran"}
    assert latest(deployed.origin) is None
    run(deployed, publish=Publish(notify="hook/team"))
    assert len(told) == 1  # the same incident, although its words hold another folder
    commit(deployed, dvc_yaml=stages)
    run(deployed)
    after = outcomes(deployed, latest(deployed.origin))
    assert after["first"] == "restored"
    assert after["last"] == "ran"


def test_overlapping_runs_wait_or_are_skipped(api, deployed):
    said = []
    with holding(deployed.workspace_lock, "the other run"):
        state = run(deployed, limits=Limits(overlap="skip"))
        assert (state.name, state.is_completed()) == ("Skipped", True)
        assert "the other run" in state.message
        waiting = threading.Thread(target=lambda: said.append(wait_in_line(deployed)))
        waiting.start()
        waiting.join(3)
        assert waiting.is_alive()
    waiting.join(60)
    assert said == ["done"]
    assert records(deployed.origin) == []


def wait_in_line(home):
    with holding(home.workspace_lock, "a second run", "wait"):
        return "done"


@pytest.mark.long
def test_a_stage_over_its_time_is_ended_and_named(api, deployed):
    stages = (deployed.origin / "dvc.yaml").read_text()
    commit(deployed, dvc_yaml=stages.replace("python step.py second.txt", "sleep 600 &&"))
    state = run(deployed, limits=Limits(stage_minutes={"second": 0.15}))
    assert state.is_failed()
    assert "second failed" in state.message
    assert "limit of 9 s" in state.message


def test_only_recorded_clones_beyond_the_newest_are_pruned(api, deployed):
    run(deployed, stages=["first"])
    run(deployed, stages=["first"], limits=Limits(keep_clones=1))
    newest, oldest = records(deployed.origin)
    (deployed.clones / "nobody-knows").mkdir()
    assert not (deployed.clones / oldest.name).exists()
    assert prune.clones(deployed, 0) == [deployed.clones / newest.name]
    assert (deployed.clones / "nobody-knows").exists()
    assert read_record(deployed.origin, find(deployed.origin, oldest.name)).outcome == "completed"


LANDED = """
stages:
  count:
    cmd: python count.py
    deps: [count.py, data/landing/drops]
    outs: [count.txt]
"""
COUNT = """
import pathlib
files = sorted(pathlib.Path("data/landing/drops").iterdir())
pathlib.Path("count.txt").write_text(" ".join(line for file in files for line in file.read_text().split()[1:]))
"""


@pytest.mark.long
def test_rows_that_land_between_two_runs_are_used_and_the_first_is_still_rebuilt(api, deployed, tmp_path_factory):
    drops = tmp_path_factory.mktemp("drops")
    for name, text in {
        "dvc.yaml": LANDED,
        "count.py": COUNT,
        "landing.yaml": f"drops: {{source: {drops}/*.csv}}",
    }.items():
        (deployed.origin / name).write_text(text)
    git(deployed.origin, "add", "-A")
    git(deployed.origin, "commit", "-qm", "landing")
    (drops / "one.csv").write_text("text\none\n")
    run(deployed)
    (drops / "two.csv").write_text("text\ntwo\n")
    (drops / "one.csv").unlink()  # gone from where it came from, not from what landed
    run(deployed)
    second, first = records(deployed.origin)
    seen = {past.name: (deployed.clones / past.name / "count.txt").read_text() for past in (first, second)}
    assert list(seen.values()) == ["one", "one two"]
    assert read_record(deployed.origin, first).inputs.keys() == {"count.py", "data/landing/drops"}
    for past in (first, second):
        assert rebuild(deployed, past).same
    run(deployed)
    assert outcomes(deployed, records(deployed.origin)[0]) == {"count": "unchanged"}


@pytest.mark.long
def test_a_record_goes_to_the_remotes_that_are_configured(api, deployed, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("remotes")
    git(elsewhere, "init", "-q", "--bare", "git")
    git(deployed.origin, "remote", "add", "team", str(elsewhere / "git"))
    subprocess.run([sys.executable, "-m", "dvc", "remote", "add", "-d", "store", str(elsewhere / "dvc")], check=True)
    git(deployed.origin, "commit", "-qam", "remote")
    assert run(deployed, publish=Publish(upstream="team")).is_completed()
    (past,) = records(deployed.origin)
    assert git(elsewhere / "git", "rev-parse", past.ref) == past.commit
    assert list((elsewhere / "dvc").rglob("*"))

    git(deployed.origin, "remote", "set-url", "team", "https://someone:secret@localhost/x.git")
    refused = run(deployed, publish=Publish(upstream="team"))
    assert refused.is_failed()
    assert "has a password" in refused.message
    assert "secret" not in refused.message


@pytest.mark.long
def test_other_versions_than_the_commits_are_refused_unless_they_are_allowed_by_name(api, deployed):
    (deployed.origin / "environment.json").write_text('{"torch": "9.9.9"}\n')
    git(deployed.origin, "add", "environment.json")
    git(deployed.origin, "commit", "-qm", "locked")
    words = f"torch {version('torch')} instead of 9.9.9"
    refused = run(deployed)
    assert refused.is_failed()
    assert words in refused.message
    assert "limits.other_versions in prefect.yaml: torch" in refused.message
    assert not run(deployed, limits=Limits(other_versions=["numpy"])).is_completed()

    allowed = run(deployed, limits=Limits(other_versions=["torch"]))
    assert allowed.is_completed(), allowed.message
    past = latest(deployed.origin)
    assert read_record(deployed.origin, past).versions["torch"] == version("torch")
    with pytest.raises(UserError, match=re.escape(words)):
        rebuild(deployed, past)
    assert not list(deployed.clones.glob("verify-*"))
    assert rebuild(deployed, past, other_versions=["torch"]).same
