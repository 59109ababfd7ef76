"""A repository with this code, in which commands run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.support.commands import Commands

TOP = Path(__file__).parents[3]


STAGES = """
stages:
  one: {cmd: printf 1 > one, outs: [one]}
  two: {cmd: echo two is broken >&2; exit 1, deps: [one], outs: [two]}
  long: {cmd: echo begun; sleep 60, outs: [long]}
"""


def environment(folder):
    """Homes of its own for the repository in the folder."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return others | {"DRIFTLINE_HOME": str(folder.parent / "home"), "PREFECT_HOME": str(folder.parent / "prefect")}


def driftline(folder, *words):
    """The command, started as a process in the folder."""
    command = [sys.executable, "-m", "driftline", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment(folder), **pipes)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A git repository with this code that nobody has used yet, and three stages of its own."""
    folder = tmp_path_factory.mktemp("fresh") / "repository"
    for name in ("tasks", "flows", "presets"):  # copies: a repository is told by where its code lies
        shutil.copytree(TOP / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("params.yaml", "prefect.yaml", "driftline.py", "driftline_login.py"):
        shutil.copy(TOP / name, folder)
    (folder / "dvc.yaml").write_text(STAGES)
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=folder, check=True)
    return folder


@pytest.fixture
def begin(repository):
    """Starts ``driftline`` there."""
    return partial(driftline, repository)


@pytest.fixture(scope="module")
def commands(repository):
    """Runs commands there without importing the libraries for each."""
    started = Commands(environment(repository))
    yield started
    started.end()


@pytest.fixture
def fresh(repository, commands):
    """Runs ``driftline`` there to its end."""
    return partial(commands.run, repository, "driftline")
