"""The real pipeline in a repository of its own: this working tree, a tiny checkpoint and few rows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
from ruamel.yaml import YAML

from tests.support.processes import IDENTITY, TOP

SAMPLE = Path("data/samples/spamassassin.parquet")


def run(folder, *command, ok=True, **environment):
    env = {**os.environ, **IDENTITY, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **environment}
    done = subprocess.run(command, cwd=folder, env=env, text=True, capture_output=True, check=False)
    assert not ok or done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done


def commit(folder):
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "state")


def edit(folder, **changes):
    """Change values of params.yaml, named by their dotted path."""
    yaml, file = YAML(), folder / "params.yaml"
    values = yaml.load(file)
    for path, value in changes.items():
        *parents, last = path.split("__")
        here = values
        for part in parents:
            here = here.setdefault(part, {})
        here[last] = value
    yaml.dump(values, file)


def few_rows(folder, first=0):
    """Every eighth mail from the ``first`` one on: enough for both windows."""
    rows = pq.read_table(TOP / SAMPLE)
    pq.write_table(rows.take(list(range(first, len(rows), 8))), folder / SAMPLE)


def make(folder, checkpoint, first=0):
    """A copy of this working tree as a repository of its own, pointed at a tiny checkpoint and few rows."""
    names = run(TOP, "git", "ls-files", "-co", "--exclude-standard").stdout.splitlines()
    for name in names:
        if (TOP / name).is_file() and not name.startswith("tests/") and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, folder / name)
    shutil.copytree(checkpoint, folder / "models/base/tiny")
    few_rows(folder, first)
    run(folder, "git", "init", "-q")
    edit(folder, model__name="models/base/tiny", tokenize__max_length=32, finetune__epochs=1)
    commit(folder)
    return folder


def repro(folder, **environment):
    """Run the pipeline; the names of the stages that ran."""
    done = run(folder, "dvc", "repro", **environment)
    return {line.split("'")[1] for line in done.stdout.splitlines() if line.startswith("Running stage")}


def locked(folder, *, reports=False):
    """The md5 of every output in dvc.lock."""
    lock = YAML(typ="safe").load((folder / "dvc.lock").read_text())
    outs = {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage.get("outs", [])}
    return {path: md5 for path, md5 in outs.items() if reports or not path.startswith("reports/")}
