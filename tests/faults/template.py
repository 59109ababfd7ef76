"""The pipeline that is spoilt: the real stages on a tiny checkpoint and few rows, run once, copied for each attempt."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tests.faults import forked
from tests.support import real_pipeline, tiny_checkpoint
from tests.support.processes import IDENTITY

MADE = ("data", "metrics", "models", "reports")
COPIED = (
    *MADE,
    ".dvc/config",
    "params.yaml",
    "behaviour.yaml",
    "measures.py",
    "environment.json",
    "dvc.lock",
    "dvc.yaml",
)
UNSTEADY = ("reports/", "metrics/pretrain", "models/README.md")  # pages and costs; not compared


@dataclass(frozen=True)
class Template:
    """A finished run in ``folder``, and another run's files in ``other``."""

    folder: Path
    other: Path

    @cached_property
    def expected(self) -> dict[str, str]:
        """The md5 of each file that a run makes."""
        return digests(self.folder)

    def copy(self, folder: Path, *, cache: bool = False) -> Path:
        """A copy to spoil; DVC's cache is shared unless it is to be spoilt."""
        shutil.rmtree(folder, ignore_errors=True)
        for name in COPIED:
            source, target = self.folder / name, folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            elif source.exists():
                shutil.copy2(source, target)
        (folder / ".git").write_text(f"gitdir: {self.folder}/.git\n")  # of many files; nothing here changes it
        if cache:
            shutil.copytree(self.folder / ".dvc/cache", folder / ".dvc/cache")
        else:
            (folder / ".dvc/config.local").write_text(f"[cache]\n    dir = {self.folder}/.dvc/cache\n")
        return folder


def digests(folder: Path) -> dict[str, str]:
    """The md5 of each file below data, metrics and models that has to be the same twice."""
    found = {}
    for top in MADE:
        for file in sorted((folder / top).rglob("*")):
            name = str(file.relative_to(folder))
            if file.is_file() and not name.startswith(UNSTEADY):
                try:
                    found[name] = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
                except PermissionError:
                    found[name] = "unreadable"
    return found


def make(folder: Path, stages: Sequence[str] = forked.STAGES, *, other: bool = True) -> Template:
    """Make both runs unless they are there; without ``other`` only the first, of some stages."""
    made, marker = Template(folder / "template", folder / "other"), folder / "complete"
    os.environ.update(IDENTITY)
    if marker.exists():
        return made
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _in_a_fork(lambda: tiny_checkpoint.make(folder / "tiny"))
    for place, first in ((made.folder, 0), (made.other, 1))[: 1 + other]:
        place.mkdir()
        _in_a_fork(lambda place=place, first=first: real_pipeline.make(place, folder / "tiny", first))
        for stage in stages:
            done = forked.run(stage, place)
            assert done.code == 0, f"{stage}: {done.said}"
            print(f"{place.name}: {stage}, {done.seconds:.1f} s", flush=True)
    for words in (
        f"dvc commit --force --quiet {' '.join(stages)}",
        "git add --all",
        "git commit --quiet --message=run",
    ):
        command = words.split()
        subprocess.run(
            [sys.executable, "-m", *command] if command[0] == "dvc" else command, cwd=made.folder, check=True
        )
    marker.touch()
    return made


def _in_a_fork(work: Callable[[], object]) -> None:
    """Do what reads and writes tables in a process of its own: a fork of one whose threads run may hang."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def random(seed: int, number: int) -> np.random.Generator:
    """The random numbers of one attempt."""
    return np.random.default_rng([seed, number])
