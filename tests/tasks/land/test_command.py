"""The command: what it prints, what DVC tracks afterwards, and what a fresh clone sees."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.landing import database, rows_of, tree
from tests.support.processes import TOP

IDENTITY = {f"GIT_{who}_{what}": "test@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
BIN = str(Path(sys.executable).parent)


def run(*command, where=None, code=0):
    environment = os.environ | IDENTITY | {"PYTHONPATH": str(TOP)}
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}" if command[0] in ("git", "dvc") else "/usr/bin:/bin"
    command = [sys.executable, "-m", "tasks.land", *command[1:]] if command[0] == "land" else command
    done = subprocess.run(
        command, cwd=where, env=environment | {"PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def mails(repository):
    run("git", "init", "-q")
    run("dvc", "init", "-q")
    run("dvc", "config", "cache.dir", str(repository.parent / "cache"))
    source = database(repository.parent / "x.db", [(i, f"text {i}", "ham") for i in range(5)])
    Path("landing.yaml").write_text(f"mail: {{source: '{source}', table: mail, cursor: id}}\n")
    return repository.parent / "x.db"


def commit():
    run("git", "add", ".")
    run("git", "commit", "-qm", "landed")


@pytest.mark.long
def test_what_landed_is_tracked_and_a_clone_goes_on_from_it(mails, tmp_path, monkeypatch):
    out = run("land").stdout
    assert "mail: landed 5 rows in 000001.parquet\n" in out
    assert "ingest: {source: data/landing/mail}" in out
    assert "git add data/landing/mail.dvc data/landing/.gitignore" in out
    commit()
    run("git", "check-ignore", "data/landing/mail")
    before = tree()
    assert "mail: nothing new" in run("land").stdout
    assert tree() == before
    assert run("git", "status", "--porcelain", "--untracked-files=no").stdout == ""

    run("git", "clone", "-q", ".", str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    database(mails, [(5, "new", "spam")])
    assert "mail: landed 1 rows in 000002.parquet\n" in run("land", "mail").stdout
    assert [row[0] for row in rows_of("mail")] == [0, 1, 2, 3, 4, 5]
    assert "data/landing/mail.dvc" in run("git", "status", "--porcelain").stdout

    run("git", "checkout", "-q", "data/landing/mail.dvc")  # the first night, rebuilt
    run("dvc", "checkout", "--force", "-q")
    assert {Path(name).name: value for name, value in tree("data/landing/mail").items()} == {
        Path(name).name: value for name, value in before.items() if name.endswith(".parquet")
    }

    run("git", "clone", "-q", ".", str(tmp_path / "apart"))
    monkeypatch.chdir(tmp_path / "apart")
    run("dvc", "config", "--local", "cache.dir", str(tmp_path / "none"))
    assert "run `dvc pull data/landing/mail` first" in run("land", code=2).stderr
    assert not Path("data/landing/mail").exists()


@pytest.mark.long
def test_a_source_that_is_refused_holds_no_other_up(mails):
    text = Path("landing.yaml").read_text()
    Path("landing.yaml").write_text("away: {source: /nowhere/*.csv}\n" + text)
    done = run("land", code=2)
    assert "error: away: no file matches /nowhere/*.csv" in done.stderr
    assert "mail: landed 5 rows" in done.stdout
    assert Path("data/landing/mail.dvc").exists()


@pytest.mark.long
def test_the_command_line_explains_itself(mails):
    assert "--dry-run" in run("land", "--help").stdout
    assert "mail: would land 5 rows" in run("land", "--dry-run").stdout
    assert not Path("data/landing/mail").exists()
    assert "landing.yaml names no post; it has mail" in run("land", "post", code=2).stderr
    Path("landing.yaml").unlink()
    assert "landing.yaml does not exist: write one" in run("land", code=2).stderr


@pytest.mark.long
def test_outside_of_dvc_it_says_so(mails):
    run("rm", "-rf", ".dvc")
    assert "DVC does not track it" in run("land", code=2).stderr
