"""Rows are read as they are on the branch, wherever git knows them; all else in the clone stays the champion's."""

from __future__ import annotations

import pytest

from flows.machine.git import git
from flows.monitoring import sources
from tests.support.processes import IDENTITY

PARAMS = "ingest: {source: data/mine.csv}\nwindows: {current: {source: %s}}\n"


@pytest.fixture
def origin(tmp_path, monkeypatch):
    """A repository whose first commit is the champion's."""
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "origin").mkdir()
    git(tmp_path / "origin", "init", "-q")
    return tmp_path / "origin"


def commit(origin, removed=(), **files):
    """Its name; ``__`` in a file's name stands for a slash, ``_dot_`` for a dot."""
    for name in removed:
        git(origin, "rm", "-q", "-r", name)
    for name, text in files.items():
        file = origin / name.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    git(origin, "add", "-A")
    git(origin, "commit", "-qm", "x")
    return git(origin, "rev-parse", "HEAD")


def clone(origin, commit, source="null"):
    folder = origin.parent / "clone"
    git(origin.parent, "clone", "-q", str(origin), str(folder))
    git(folder, "checkout", "-q", "--detach", commit)
    (folder / "params.yaml").write_text(PARAMS % source)
    return folder


def text(folder, name):
    return (folder / name).read_text()


def test_rows_are_the_branchs_and_code_is_the_champions(origin):
    first = commit(origin, data__mine_dot_csv="1", data__labels__a_dot_csv="a", tasks__x_dot_py="old")
    head = commit(
        origin,
        removed=["data/labels"],
        data__mine_dot_csv="1 2",
        data__sources__new_dot_csv="n",
        landing_dot_yaml="l",
        tasks__x_dot_py="new",
    )
    folder = clone(origin, first)
    sources.read_at(folder, head)
    assert (text(folder, "data/mine.csv"), text(folder, "data/sources/new.csv")) == ("1 2", "n")
    assert (text(folder, "landing.yaml"), text(folder, "tasks/x.py")) == ("l", "old")
    assert not (folder / "data/labels/a.csv").exists()
    assert "data/sources/new.csv" in git(folder, "diff", "--cached", "--name-only").splitlines()  # a record holds it
    assert git(folder, "rev-parse", "HEAD") == first


@pytest.mark.proof
@pytest.mark.parametrize("source", ["rows/new.csv", "rows"])
def test_a_source_anywhere_that_dvc_tracks(origin, source):
    first = commit(origin, rows_dot_dvc="old", data__mine_dot_csv="1")
    head = commit(origin, rows_dot_dvc="new")
    folder = clone(origin, first, source)
    sources.read_at(folder, head)
    assert text(folder, "rows.dvc") == "new"


@pytest.mark.proof
def test_rows_that_moved_from_git_to_dvc_and_back(origin):
    first = commit(origin, data__mine_dot_csv="1")
    pointed = commit(
        origin, removed=["data/mine.csv"], data__mine_dot_csv_dot_dvc="p", data___dot_gitignore="/mine.csv"
    )
    folder = clone(origin, first)
    sources.read_at(folder, pointed)
    assert not (folder / "data/mine.csv").exists()
    assert text(folder, "data/mine.csv.dvc") == "p"
    git(folder, "checkout", "-q", "--force", "--detach", pointed)
    (folder / "params.yaml").write_text(PARAMS % "null")
    sources.read_at(folder, first)
    assert text(folder, "data/mine.csv") == "1"
    assert not (folder / "data/mine.csv.dvc").exists()


def test_a_source_that_the_branch_no_longer_has_stays_and_is_said(origin, caplog):
    first = commit(origin, data__mine_dot_csv="1")
    head = commit(origin, removed=["data/mine.csv"], data__other_dot_csv="2")
    folder = clone(origin, first)
    sources.read_at(folder, head)
    assert text(folder, "data/mine.csv") == "1"
    assert "data/mine.csv is not in commit" in caplog.text
