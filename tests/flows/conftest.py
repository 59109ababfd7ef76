"""A small git and DVC repository: first -> (second, third@one, third@two) -> last, each a few lines of Python."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

from flows.machine.home import Home
from flows.machine.server import server

STAGES = """
stages:
  first:
    cmd: python step.py first.txt source.txt params.yaml
    params: [first]
    deps: [source.txt]
    outs: [first.txt]
  second:
    cmd: python step.py second.txt first.txt
    deps: [first.txt]
    outs: [second.txt]
  third:
    foreach: [one, two]
    do:
      cmd: python step.py third-${item}.txt first.txt ${item}
      deps: [first.txt]
      outs: ["third-${item}.txt"]
  last:
    cmd: python step.py metrics/last.json second.txt && python step.py last.txt third-one.txt
    deps: [second.txt, third-one.txt, third-two.txt]
    outs: [last.txt]
    metrics: [metrics/last.json: {cache: false}]
"""
STEP = """
import pathlib, sys
out, source, *words = sys.argv[1:]
pathlib.Path(out).parent.mkdir(exist_ok=True)
text = open(source).read()
if "fail" in text:
    sys.exit(f"error: {source} says fail")
print("making", out, "of", source)
open(out, "w").write(text.lower() + " ".join(open(w).read() if w == "params.yaml" else w for w in words))
"""
IDENTITY = {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def make(folder):
    """Write and commit the repository."""
    (folder / "dvc.yaml").write_text(STAGES)
    (folder / "step.py").write_text(STEP)
    (folder / "params.yaml").write_text("first: {word: red}\n")
    (folder / "source.txt").write_text("Text ")
    for command in ("git init -q", "dvc init -q", "dvc config core.analytics false", "git add -A", "git commit -qm x"):
        subprocess.run(command.split(), check=True, cwd=folder)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """The repository, as the current folder; ``python`` and ``dvc`` are this environment's."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    return tmp_path


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="session")
def api(tmp_path_factory):
    """The address of a real Prefect server with a home of its own; it takes some 20 s to start, once."""
    address = f"http://127.0.0.1:{free_port()}/api"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect")))
        patch.setenv("DRIFTLINE_HOME", str(tmp_path_factory.mktemp("driftline")))
        patch.setenv("PREFECT_API_URL", address)
        settings = {PREFECT_API_URL: address, PREFECT_LOGGING_TO_API_ENABLED: False}  # logs would outlive the server
        with server(address), temporary_settings(settings):
            yield address


@pytest.fixture
def deployed(repository, tmp_path_factory, monkeypatch):
    """The repository with a home of its own, outside of it."""
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path_factory.mktemp("home")))
    return Home.of(repository)
