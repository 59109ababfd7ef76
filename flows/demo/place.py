"""Where the demo happens: a repository of its own, which shares nothing with the one it is cloned from."""

from __future__ import annotations

import shutil
from pathlib import Path

from flows.demo.stream import Stream, deal, read
from flows.machine.git import git, identity
from tasks.behaviour import BEHAVIOUR
from tasks.core import paths
from tasks.report import CARD
from tasks.validate import RELEASED

PARAMS = Path(__file__).with_name("params.yaml")
DATA = Path("data/demo.parquet")
DVC_CONFIG = "[core]\n    analytics = false\n    check_update = false\n    autostage = false\n"


def make(origin: Path, folder: Path, params: str) -> Stream:
    """Make ``folder`` a clone of the last commit of ``origin`` with the demo's data and parameters, and commit them.

    It has no remote, of git or DVC, no tags, no data but the demo's, and a cache of its own. Raises UserError
    when the sample is not there.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    git(folder.parent, "clone", "--quiet", "--no-tags", "--single-branch", str(origin), str(folder))
    git(folder, "remote", "remove", "origin")
    (folder / ".dvc" / "config").write_text(DVC_CONFIG, encoding="utf-8")
    sample = read(folder)
    stream = deal(sample.to_pylist())
    _empty(folder)
    stream.write(folder / DATA, sample.schema)
    (folder / paths.PARAMS).write_text(params, encoding="utf-8")
    (folder / BEHAVIOUR).write_text("tests: []\n", encoding="utf-8")
    git(folder, "add", "--all", "--force", ".")
    git(folder, "commit", "--quiet", "--message", "the demo's data and parameters", environment=identity(folder))
    return stream


def _empty(folder: Path) -> None:
    """Take away what is the team's own: its data, its landing, its releases, and what its pipeline made."""
    for pointer in folder.rglob("*.dvc"):
        if pointer.is_file():
            pointer.unlink()
    for file in (folder / "landing.yaml", folder / "dvc.lock", folder / CARD):
        file.unlink(missing_ok=True)
    shutil.rmtree(folder / paths.METRICS, ignore_errors=True)
    labels = folder / "data" / "labels"
    for file in labels.glob("*"):
        if file.name != ".gitkeep":
            file.unlink()
    released = folder / RELEASED
    if released.exists():
        released.write_text(f"{released.read_text(encoding='utf-8').splitlines()[0]}\n", encoding="utf-8")
