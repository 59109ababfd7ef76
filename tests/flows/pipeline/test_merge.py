"""Two branches that both ran the pipeline are merged: no stage runs that one of them ran on the merged inputs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from flows.errors import GitFailed
from flows.machine.git import git
from flows.pipeline import merge, merge_pointers
from tasks.core.errors import UserError
from tests.support.processes import IDENTITY, TOP
from tests.support.tiny_pipeline import environment, run

pytestmark = pytest.mark.slow
PARAMS = "first: {word: red}\nlast: {word: red}\n"
# first -> second; first, last.word -> third -> last; each writes what it read, second a metric that git tracks
STAGES = """
stages:
  first:
    cmd: python step.py first.txt source.txt first
    params: [first]
    deps: [source.txt, step.py]
    outs: [first.txt]
  second:
    cmd: python step.py metrics/second.json first.txt
    deps: [first.txt]
    metrics: [metrics/second.json: {cache: false}]
  third:
    cmd: python step.py third/part.txt first.txt last
    params: [last]
    deps: [first.txt]
    outs: [third]
  last:
    cmd: python step.py last.txt third/part.txt
    deps: [third/part.txt]
    outs: [last.txt]
"""
STEP = """
import pathlib, sys
from ruamel.yaml import YAML
out, source, *section = sys.argv[1:]
pathlib.Path(out).parent.mkdir(exist_ok=True)
words = [YAML(typ="safe").load(open("params.yaml"))[name]["word"] for name in section]
open("ran.log", "a").write(out + "\\n")
open(out, "w").write('"' + " ".join([open(source).read().strip('"'), *words]) + '"')
"""


COMMAND = "from flows.cli.app import run; from pathlib import Path; run(Path.cwd())"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A repository that has run; git and DVC take seconds to make it."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(IDENTITY).items():
            patch.setenv(name, value)
        files = {
            "dvc.yaml": STAGES,
            "step.py": STEP,
            "params.yaml": PARAMS,
            "source.txt": "text",
            ".gitignore": "ran.log",
        }
        for name, text in files.items():
            (folder / name).write_text(text)
        for command in ("git init -qb main", "dvc init -q", "dvc config core.analytics false"):
            run(folder, *command.split())
        repro(folder, "first")
        yield folder


@pytest.fixture
def repository(made, tmp_path, monkeypatch):
    for name, value in environment(IDENTITY).items():
        monkeypatch.setenv(name, value)
    shutil.copytree(made, tmp_path / "repository", symlinks=True)
    monkeypatch.chdir(tmp_path / "repository")
    return tmp_path / "repository"


def repro(folder, words):
    run(folder, sys.executable, "-m", "dvc", "repro", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", words)


def branch(folder, name, file, old, new):
    """A branch off main on which a file was changed and the pipeline has run."""
    git(folder, "checkout", "-q", "-b", name, "main")
    run(folder, sys.executable, "-m", "dvc", "checkout", "-q")
    (folder / file).write_text((folder / file).read_text().replace(old, new))
    repro(folder, name)


def driftline(folder, *words):
    """The command in a process of its own: its exit code, what it said, and which stages it ran."""
    log = folder / "ran.log"
    log.unlink(missing_ok=True)
    command = [sys.executable, "-c", COMMAND, *words]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": str(TOP)}, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr, log.read_text().split() if log.exists() else []


def without_run_cache(folder):
    """DVC's own memory of runs, which another machine does not have."""
    shutil.rmtree(folder / ".dvc" / "cache" / "runs")


def status(folder):
    return run(folder, sys.executable, "-m", "dvc", "status").strip()


@pytest.mark.long
def test_each_stage_is_taken_from_the_side_whose_inputs_are_the_merged_ones(repository):
    branch(repository, "theirs", "params.yaml", "last: {word: red}", "last: {word: blue}")
    branch(repository, "ours", "dvc.yaml", "second.json first.txt", "second.json first.txt last\n    params: [last]")
    without_run_cache(repository)
    code, said, ran = driftline(repository, "merge", "theirs")
    assert code == 0, said
    assert "as the other branch made it: third, last" in said
    assert ran == ["metrics/second.json"]  # its command is ours, its parameter theirs
    assert (repository / "last.txt").read_text() == '"text red blue"'
    assert (repository / "metrics" / "second.json").read_text() == '"text red blue"'
    assert status(repository) == "Data and pipelines are up to date."
    assert git(repository, "status", "--porcelain") == ""
    assert len(git(repository, "rev-list", "--parents", "-1", "HEAD").split()) == 3


@pytest.mark.long
def test_what_a_person_has_to_settle_is_listed_and_the_same_command_goes_on(repository):
    branch(repository, "theirs", "params.yaml", "first: {word: red}", "first: {word: blue}")
    branch(repository, "ours", "params.yaml", "first: {word: red}", "first: {word: green}")
    code, said, ran = driftline(repository, "merge", "theirs")
    assert (code, ran) == (1, [])
    assert [line for line in said.splitlines() if line.startswith("CONFLICT")] == ["CONFLICT params.yaml"]
    assert "driftline merge" in said
    assert driftline(repository, "merge", "theirs")[0] == 2  # one is under way
    git(repository, "checkout", "--theirs", "params.yaml")
    git(repository, "add", "params.yaml")
    code, said, ran = driftline(repository, "merge")
    assert (code, ran) == (0, []), said
    assert (repository / "metrics" / "second.json").read_text() == '"text blue"'
    assert status(repository) == "Data and pipelines are up to date."


@pytest.mark.long
def test_a_merge_that_git_began_is_settled_too(repository):
    branch(repository, "theirs", "source.txt", "text", "other")
    branch(repository, "ours", "params.yaml", "last: {word: red}", "last: {word: blue}")
    with pytest.raises(GitFailed):
        git(repository, "merge", "theirs")
    code, said, ran = driftline(repository, "merge")
    assert (code, ran) == (0, ["third/part.txt", "last.txt"]), said
    assert (repository / "last.txt").read_text() == '"other red blue"'
    assert (repository / "metrics" / "second.json").read_text() == '"other red"'


@pytest.mark.long
def test_what_cannot_be_merged_is_said(repository):
    with pytest.raises(UserError, match="no merge is under way"):
        merge.begin(repository, None)
    with pytest.raises(GitFailed):
        merge.begin(repository, "nobody")
    assert not merge.begin(repository, "main")
    (repository / "params.yaml").write_text(PARAMS + "x: 1\n")
    with pytest.raises(UserError, match="tracked files have changes"):
        merge.begin(repository, "main")


def pointer(md5, about=""):
    return f"outs:\n- md5: {md5}\n  size: 5\n{about}  hash: md5\n  path: rows.csv\n"


SIDES = [  # base, ours, theirs, and what is left
    ("a", "a", "b", "theirs"),
    ("a", "b", "a", "ours"),
    ("a", "b", "b", "ours"),
    (None, "b", "b", "ours"),
    ("a", "b", "c", "conflict"),
    (None, "b", "c", "conflict"),
]


@pytest.mark.parametrize(("base", "ours", "theirs", "left"), SIDES)
def test_a_pointer_is_taken_whole_from_the_side_that_changed_the_data(tmp_path, base, ours, theirs, left, monkeypatch):
    """Each side also describes it in its own words, so that git finds a conflict."""
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)
    folder, file = tmp_path / "top" / "project", tmp_path / "top" / "project" / "rows.csv.dvc"
    folder.mkdir(parents=True)
    git(folder, "init", "-qb", "main", str(tmp_path / "top"))
    (folder / "text").write_text("x")

    def commit(md5, who):
        if md5:
            file.write_text(pointer(md5 * 32, f"  desc: of {who}\n"))
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", who)

    commit(base, "base")
    git(folder, "checkout", "-qb", "theirs")
    commit(theirs, "theirs")
    git(folder, "checkout", "-q", "main")
    commit(ours, "ours")
    with pytest.raises(GitFailed):
        git(folder, "merge", "theirs")
    taken = merge_pointers.settle(folder)
    if left == "conflict":
        assert (taken, merge.conflicts(folder)) == ([], ["rows.csv.dvc"])
        assert "`git checkout --ours rows.csv.dvc`, or --theirs" in merge_pointers.how_to_settle("rows.csv.dvc")
    else:
        assert len(taken) == 1 and merge.conflicts(folder) == []
        assert (
            file.read_text() == git(folder, "show", f"{'theirs' if left == 'theirs' else 'main'}:./rows.csv.dvc") + "\n"
        )
