"""A repository with this code, in which commands run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Runs ``driftline`` with the code here, in a git repository that nobody has used yet."""
    folder = tmp_path_factory.mktemp("fresh") / "repository"
    for name in ("tasks", "flows", "presets"):  # copies: a repository is told by where its code lies
        shutil.copytree(TOP / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml", "prefect.yaml", "driftline.py"):
        shutil.copy(TOP / name, folder)
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=folder, check=True)

    def run(*words, **more):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        environment |= {"DRIFTLINE_HOME": str(folder.parent / "home"), **more}
        command = [sys.executable, "-m", "driftline", *words]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)

    return run
