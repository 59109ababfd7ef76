"""A project in a folder of a larger repository (``dvc init --subdir``), and a second one beside it."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from flows.champion import registry
from flows.champion.proposal import propose
from flows.champion.reissue import reissue
from flows.machine.git import git
from flows.machine.home import Home
from flows.pipeline.graph import Dag
from flows.pipeline.stage import reproduce
from flows.runs import record, workspace
from flows.runs.attempt import attempt
from flows.runs.publish import publish_record
from flows.runs.record import RunInfo, records
from flows.runs.verify import rebuild
from flows.upgrade.command import upgrade
from tasks.core.errors import UserError
from tests.support import tiny_pipeline
from tests.support.processes import IDENTITY


@pytest.fixture
def larger(tmp_path, monkeypatch):
    """The larger repository, with two folders that are no project yet."""
    for name, value in tiny_pipeline.environment(IDENTITY).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    git(tmp_path, "init", "-q", "larger")
    for team in ("mails", "chats"):
        (tmp_path / "larger" / "teams" / team / ".dvc").mkdir(parents=True)
    return tmp_path / "larger"


def committed(larger):
    git(larger, "add", "-A")
    git(larger, "commit", "-q", "--allow-empty", "-m", "x")


@pytest.mark.proof
def test_each_has_its_home_its_records_and_its_versions(larger):
    committed(larger)
    mails, chats = (Home.of(larger / "teams" / team) for team in ("mails", "chats"))
    (mails.origin / "tasks").mkdir()
    assert Home.of(mails.origin / "tasks") == mails
    assert mails.folder != chats.folder
    for home in (mails, chats):
        info = RunInfo(f"training-of-{home.origin.name}", "scheduled-training", home.origin, record.now())
        saved = record.save_without_clone(home.origin, record.describe(home.origin, info, "completed"))
        assert records(home.origin) == [saved]
        assert record.read_record(home.origin, saved).name == info.name
    head = git(larger, "rev-parse", "HEAD")
    version, tags = registry.set_champion(mails.origin, head, "the first")
    assert tags == ["teams/mails=classifier@v0.0.1", "teams/mails=classifier#production#1"]
    assert (registry.champion(mails.origin), registry.champion(chats.origin)) == (version, None)
    assert Home.of(larger).origin == larger


def test_a_release_is_not_merged_into_a_folder(larger):
    (larger / "teams" / "mails" / "params.yaml").touch()
    committed(larger)
    with pytest.raises(UserError, match="git subtree pull --prefix=teams/mails"):
        upgrade(larger / "teams" / "mails")


def work(folder):
    """Bring all up to date, as a deployed training does, without Prefect."""
    workspace.materialise(folder)
    yield from (reproduce(stage, reasons) for stage, reasons in Dag().stale().items())


@pytest.mark.long
def test_promotion_runs_rebuilding_and_a_new_version_of_the_code(larger, tmp_path):
    (tmp_path / "made").mkdir()
    tiny_pipeline.make_spring(tmp_path / "made")
    project = larger / "teams" / "mails"
    (project / ".dvc").rmdir()
    git(tmp_path / "made", "checkout-index", "-a", f"--prefix={project}/")
    shutil.copytree(tmp_path / "made" / ".dvc" / "cache", project / ".dvc" / "cache")
    (larger / "README").write_text("of all teams")
    committed(larger)
    home = Home.of(project)
    (larger / "README").write_text("another team is at work")
    version = propose(home, "HEAD", True, False, None, None).promoted
    assert version == registry.champion(project)

    info = RunInfo("training-1", "scheduled-training", project, record.now())
    done = attempt(home, info, version.commit, work)
    publish_record(home, done.folder, done.experiment, None)
    assert done.run.completed, done.run.outcome
    assert done.folder == home.clones / "training-1" / "teams" / "mails"
    assert rebuild(home, records(project)[0]).same

    (project / "pipe.py").write_text((project / "pipe.py").read_text() + "# mended\n")
    git(larger, "commit", "-qam", "mended")
    found = reissue(home, "HEAD", apply=True)
    assert registry.champion(project).name == "v0.0.2"
    assert found.version.commit == git(larger, "rev-parse", "teams/mails=classifier@v0.0.2^{commit}")
    get = [sys.executable, "-m", "dvc", "artifacts", "get", ".", "teams/mails:classifier", "--stage", "production"]
    subprocess.run([*get, "-o", str(tmp_path / "model")], cwd=project, check=True, capture_output=True)
    assert (tmp_path / "model" / "words.json").exists()
