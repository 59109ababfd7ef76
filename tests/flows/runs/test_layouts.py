"""Where the repository lies and how it was cloned: a run's clone, its cache and its record come out the same."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dvc.repo import Repo

from flows import backup, relocation
from flows.machine.git import git
from flows.machine.home import Home
from flows.runs import prune, verify, workspace
from flows.runs.attempt import attempt
from flows.runs.publish import publish_record
from flows.runs.record import RunInfo, describe, read_record, records, save_without_clone
from tasks.core.errors import UserError
from tests.support.processes import TOP

pytestmark = pytest.mark.slow

LONG = "/".join(["d" * 60] * 30)


def run(home, name="run-1"):
    """One deployed run without Prefect: cloned at HEAD, made, recorded, published."""

    def work(folder):
        workspace.land(home, folder)
        workspace.materialise(folder)
        subprocess.run([sys.executable, "-m", "dvc", "repro", "-q"], cwd=folder, check=True)
        return iter(())

    info = RunInfo(name, "scheduled-training", home.origin, datetime.now(UTC))
    done = attempt(home, info, workspace.pinned(home, "HEAD"), work)
    done.raise_error()
    publish_record(home, done.folder, done.experiment, None)
    with Repo(str(done.folder)) as clone, Repo(str(home.origin)) as origin:
        assert Path(clone.cache.local_cache_dir) == Path(origin.cache.local_cache_dir)
    record = records(home.origin)[0]
    assert record.name == name
    assert read_record(home.origin, record).outcome == "completed"
    assert git(home.origin, "show", f"{record.commit}:./metrics/last.json").startswith("text")


PLACES = ["with space/my repo", "größe-データ", "50%s", "$HOME/x", "o'b", LONG]


def rarely(*cases):
    return [pytest.param(case, marks=pytest.mark.long) for case in cases]


@pytest.mark.parametrize("place", ["team #1/a, b", *rarely(*PLACES)])
def test_wherever_it_lies(repository, tmp_path_factory, monkeypatch, place):
    top = tmp_path_factory.mktemp("top")
    monkeypatch.setenv("DRIFTLINE_HOME", str(top / "home"))
    folder = top / place
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(repository, folder)
    run(Home.of(folder))
    begun = {path.name for path in top.iterdir()}
    assert begun == {"home", Path(place).parts[0]}, "a stray folder lies beside it"


@pytest.mark.parametrize("how", ["worktree", *rarely("shallow", "detached", "submodule", "partial")])
def test_however_it_was_cloned(repository, tmp_path_factory, monkeypatch, how):
    top = tmp_path_factory.mktemp("top")
    monkeypatch.setenv("DRIFTLINE_HOME", str(top / "home"))
    folder, file = top / "it", f"file://{repository}"
    if how == "worktree":
        git(repository, "worktree", "add", "-q", "-b", "feature", str(folder))
    elif how == "submodule":
        git(top, "init", "-q", "super")
        folder = top / "super" / "model"
        git(top / "super", "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(repository), "model")
    else:
        git(repository, "config", "uploadpack.allowFilter", "true")
        words = {"shallow": ["--depth", "1"], "partial": ["--filter=blob:none"], "detached": []}
        git(top, "clone", "-q", *words[how], file, str(folder))
    if how == "detached":
        git(folder, "checkout", "-q", "--detach")
    run(Home.of(folder))


@pytest.mark.long
def test_started_by_a_hook_of_git_it_runs_in_its_own_clone(deployed, tmp_path_factory):
    """Git tells its hooks by environment variables which repository they are of; every call of git obeys them."""
    tree = tmp_path_factory.mktemp("trees") / "tree"  # there ``GIT_DIR`` is among them, as in a hook of a push
    git(deployed.origin, "worktree", "add", "-q", "-b", "feature", str(tree))
    code = f"from tests.flows.runs.test_layouts import *; run(Home.of({str(tree)!r}))"
    hook = deployed.origin / ".git" / "hooks" / "post-commit"
    hook.write_text(f'#!/bin/sh\nexport PYTHONPATH={TOP}\nexec {sys.executable} -c "{code}" >&2\n')
    hook.chmod(0o755)
    command = ["git", "commit", "-q", "--allow-empty", "-m", "y"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert [one.name for one in records(tree)] == ["run-1"], done.stderr
    assert git(tree, "status", "--porcelain") == ""


@pytest.fixture
def part(repository, tmp_path_factory, monkeypatch):
    """The project as a part of a larger repository, which holds others' files and a worktree of its own."""
    top = tmp_path_factory.mktemp("larger")
    monkeypatch.setenv("DRIFTLINE_HOME", str(top.parent / f"{top.name}-home"))
    shutil.copytree(repository, top / "teams" / "ml")
    shutil.rmtree(top / "teams" / "ml" / ".git")
    (top / "params.yaml").write_text("first: {word: other}\n")
    git(top, "init", "-q")
    git(top, "add", "-A")
    git(top, "commit", "-qm", "all")
    return Home.of(top / "teams" / "ml" / ".dvc")


@pytest.mark.long
def test_a_project_in_a_subfolder_of_a_repository(part):
    assert part.prefix == "teams/ml/" and part.origin == part.top / "teams" / "ml"
    run(part)
    assert (part.clones / "run-1" / "teams" / "ml" / "last.txt").exists()
    (record,) = records(part.origin)
    assert verify.rebuild(part, record).same
    changed = git(part.top, "diff", "--name-only", "HEAD", record.commit).splitlines()
    assert sorted(changed) == [f"teams/ml/{name}" for name in ("dvc.lock", "metrics/last.json", "reports/run.json")]
    assert git(part.top, "status", "--porcelain") == ""
    run(part, "run-1")
    info = RunInfo("run-2", "scheduled-training", part.origin, datetime.now(UTC))
    save_without_clone(part.origin, describe(part.origin, info, "failed: x"))
    assert read_record(part.origin, records(part.origin)[0]).outcome == "failed: x"
    assert [folder.name for folder in prune.clones(part, 0)] == ["run-1"]


@pytest.mark.long
def test_a_project_in_a_subfolder_is_moved_and_restored_with_the_whole(part, tmp_path):
    run(part)
    moved = tmp_path / "moved"
    relocation.move(part, moved)
    home = Home.of(moved / "teams" / "ml")
    assert home.checkout.id == part.checkout.id and records(home.origin)
    backup.backup(home, tmp_path / "b.tar", [])
    shutil.rmtree(moved), shutil.rmtree(home.folder)
    backup.restore(tmp_path / "b.tar", tmp_path / "restored")
    again = Home.of(tmp_path / "restored" / "teams" / "ml")
    assert again.checkout.id == part.checkout.id and (again.top / "params.yaml").exists()
    run(again, "run-2")


def test_signs_that_dvc_cannot_take_are_refused_by_name(repository, tmp_path_factory, monkeypatch):
    top = tmp_path_factory.mktemp("top")
    monkeypatch.setenv("DRIFTLINE_HOME", str(top / "home"))
    shutil.copytree(repository, top / "${x}")
    with pytest.raises(UserError, match=r"DVC fails on the signs \{ and \} in a path: move .*\$\{x\}/\.dvc/cache"):
        run(Home.of(top / "${x}"))
