"""Where what a deployment keeps on its machine lies: one folder for each repository that is deployed.

``~/.driftline``, or what the environment variable ``DRIFTLINE_HOME`` names.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from flows.errors import GitFailed
from flows.machine.git import git
from tasks.core.errors import UserError
from tasks.core.files import private_folder

CLONES_KEPT = 5  # of finished runs, for a look at their reports
RUNS = "runs"
HERE = Path(__file__).resolve().parents[2]


def root() -> Path:
    """The folder of all deployments of this machine."""
    return Path(os.environ.get("DRIFTLINE_HOME") or Path.home() / ".driftline").expanduser().absolute()


def make_root() -> Path:
    """Make it, for its owner alone; one that is there stays as it is, since ``DRIFTLINE_HOME`` may name any folder."""
    root().mkdir(mode=0o700, parents=True, exist_ok=True)
    return root()


@dataclass(frozen=True)
class Home:
    """The folder of one deployed repository."""

    origin: Path
    """The repository that is deployed: an absolute path."""

    @classmethod
    def of(cls, repository: str | Path | None = None) -> Home:
        """Of the repository at a path, by default the one this code lies in. UserError where there is none to use."""
        folder = Path(repository or HERE).expanduser().absolute()
        try:
            return cls(Path(git(folder, "rev-parse", "--show-toplevel")))
        except (GitFailed, ValueError):
            raise UserError(f"{folder} is not a git repository with a working tree: name one that is") from None

    def make(self) -> Path:
        """Its folder, which only its owner may enter: clones, labels and logs hold the texts."""
        make_root()
        return private_folder(self.folder)

    def is_named(self, repository: object) -> bool:
        """Whether a run's parameter names this repository, by default that of this code; one that is gone: no."""
        try:
            return Home.of(str(repository) if repository else None) == self
        except UserError:
            return False

    @property
    def folder(self) -> Path:
        return root() / f"{self.origin.name}-{hashlib.sha256(str(self.origin).encode()).hexdigest()[:8]}"

    @property
    def clones(self) -> Path:
        """A folder for each run."""
        return self.folder / RUNS

    @property
    def landing(self) -> Path:
        """How far each source has landed: the pointers that the newest run left."""
        return self.folder / "landing"

    @property
    def checkpoints(self) -> Path:
        """What interrupted trainings left, for the next run to go on with."""
        return self.folder / "checkpoints"

    @property
    def workspace_lock(self) -> Path:
        return self.folder / "locks" / "workspace.lock"

    def run_lock(self, run: str) -> Path:
        """Held as long as the process of the run lives."""
        return self.folder / "locks" / "runs" / f"{run}.lock"


def gpu_lock() -> Path:
    """One for the machine, whatever is deployed on it."""
    return root() / "gpu.lock"
