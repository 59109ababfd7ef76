"""A small git and DVC repository: first -> (second, third@one, third@two) -> last, each a few lines of Python."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from tests.support.processes import IDENTITY

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


def make(folder):
    """Write and commit the repository in a folder that is there."""
    shutil.copytree(_made(), folder, dirs_exist_ok=True)


@cache
def _made():
    """One for all: git and DVC take seconds to make it, copying takes none."""
    folder = Path(tempfile.mkdtemp(prefix="small-repository-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "dvc.yaml").write_text(STAGES)
    (folder / "step.py").write_text(STEP)
    (folder / "params.yaml").write_text("first: {word: red}\n")
    (folder / "source.txt").write_text("Text ")
    environment = os.environ | IDENTITY | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for command in ("git init -q", "dvc init -q", "dvc config core.analytics false", "git add -A", "git commit -qm x"):
        subprocess.run(command.split(), check=True, cwd=folder, env=environment)
    return folder
