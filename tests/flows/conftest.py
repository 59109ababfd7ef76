"""A small git and DVC repository: first -> (second, third@one, third@two) -> last, each a few lines of Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
    cmd: python step.py last.txt second.txt && python step.py last.txt third-one.txt
    deps: [second.txt, third-one.txt, third-two.txt]
    outs: [last.txt]
"""
STEP = """
import sys
out, source, *words = sys.argv[1:]
text = open(source).read()
if "fail" in text:
    sys.exit(f"error: {source} says fail")
print("making", out, "of", source)
open(out, "w").write(text.lower() + " ".join(open(w).read() if w == "params.yaml" else w for w in words))
"""
IDENTITY = {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """The repository, as the current folder; ``python`` and ``dvc`` are this environment's."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").write_text(STAGES)
    (tmp_path / "step.py").write_text(STEP)
    (tmp_path / "params.yaml").write_text("first: {word: red}\n")
    (tmp_path / "source.txt").write_text("Text ")
    for command in ("git init -q", "dvc init -q", "dvc config core.analytics false", "git add -A", "git commit -qm x"):
        subprocess.run(command.split(), check=True, cwd=tmp_path)
    return tmp_path
