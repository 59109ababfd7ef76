"""Where what a deployment keeps on its machine lies: one folder for each checkout that is deployed.

``~/.driftline``, or what the environment variable ``DRIFTLINE_HOME`` names.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from flows.errors import GitFailed
from flows.machine import checkout
from flows.machine.checkout import Checkout
from flows.machine.git import git
from tasks.core.errors import UserError
from tasks.core.files import private_folder, replacing
from tasks.core.yaml_files import read_yaml

CLONES_KEPT = 5  # of finished runs, for a look at their reports
RUNS = "runs"
HERE = Path(__file__).resolve().parents[2]
NAMING = "prefect.yaml"
"""Its key ``name`` is what people call the repository, in every checkout."""
EXAMPLE = re.compile(r"^# name: .*\n", re.M)
"""Where it stands in the file as it is shipped."""
OWNER = "checkout"
"""A file in a home: the id of the checkout that it belongs to."""
TAG = "checkout:"


def root() -> Path:
    """The folder of all deployments of this machine."""
    return Path(os.environ.get("DRIFTLINE_HOME") or Path.home() / ".driftline").expanduser().absolute()


def make_root() -> Path:
    """Make it, for its owner alone; one that is there stays as it is, since ``DRIFTLINE_HOME`` may name any folder.

    Git never takes it for a part of the repository that it lies in. UserError: this user may not make it.
    """
    try:
        root().mkdir(mode=0o700, parents=True)
        (root() / ".gitignore").write_text("*\n", encoding="utf-8")
    except FileExistsError:
        pass
    except OSError as error:
        raise UserError(f"{root()} cannot be made ({error.strerror}): name another folder as DRIFTLINE_HOME") from None
    return root()


@dataclass(frozen=True)
class Home:
    """The folder of one deployed checkout."""

    origin: Path
    """The checkout that is deployed, or the folder of it that ``dvc init --subdir`` was called in: an absolute path."""

    @classmethod
    def of(cls, repository: str | Path | None = None) -> Home:
        """Of the repository at a path, by default the one this code lies in. UserError where there is none to use.

        Where git's repository holds more than the project, of the project: the nearest folder upwards that is DVC's.
        """
        folder = Path(repository or HERE).expanduser().absolute()
        try:
            top, *within = git(folder, "rev-parse", "--show-toplevel", "--show-prefix").split("\n")
            upwards = [one for one in (Path(top, *within), *Path(top, *within).parents) if one.is_relative_to(top)]
            return cls(next((one for one in upwards if (one / ".dvc").is_dir()), Path(top)))
        except (GitFailed, ValueError):
            raise UserError(f"{folder} is not a git repository with a working tree: name one that is") from None

    @cached_property
    def prefix(self) -> str:
        """Where the project lies in git's repository, as ``ml/``; nothing where it is all of it."""
        return git(self.origin, "rev-parse", "--show-prefix")

    @property
    def top(self) -> Path:
        """Of git's repository."""
        return self.top_of(self.origin)

    def top_of(self, folder: Path) -> Path:
        """Of a clone, by the project's folder in it."""
        return folder.parents[len(Path(self.prefix).parts) - 1] if self.prefix else folder

    @cached_property
    def checkout(self) -> Checkout:
        """Which one it is. Raises Copied for a copy that nobody has settled yet."""
        return checkout.of(self.origin)

    @property
    def committed_name(self) -> str | None:
        """What ``name`` of prefect.yaml says; None where it says nothing, or the file cannot be read."""
        with suppress(UserError, OSError):
            found = read_yaml(self.origin / NAMING)
            if isinstance(found, dict) and isinstance(given := found.get("name"), str) and given.strip():
                return checkout.named(given)
        return None

    def commit_name(self) -> str | None:
        """Write its folder's name into prefect.yaml, for a person to commit; None where it has one, or no such file."""
        file = self.origin / NAMING
        if self.committed_name or not file.is_file():
            return None
        name, text = checkout.named(self.origin.name), file.read_text(encoding="utf-8")
        line = f"name: {name}\n"
        written, places = EXAMPLE.subn(line, text, count=1)
        with replacing(file) as part:
            part.write_text(written if places else line + text, encoding="utf-8")
        return name

    @property
    def name(self) -> str:
        """What people call the repository: its committed name, else that of the folder it was first deployed from."""
        return self.committed_name or self.checkout.called

    @property
    def key(self) -> str:
        """``mails-3f2a91c0``: the name, and the id that tells two checkouts apart."""
        return f"{self.name}-{self.checkout.id}"

    @property
    def tag(self) -> str:
        """What deployments and runs of this checkout are known by on a Prefect server."""
        return f"{TAG}{self.checkout.id}"

    def make(self) -> Path:
        """Its folder, which only its owner may enter: clones, labels and logs hold the texts."""
        make_root()
        folder = private_folder(self.folder)
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
        (folder / OWNER).write_text(self.checkout.id, encoding="utf-8")
        return folder

    def owns(self, tags: Iterable[str], repository: object) -> bool:
        """Whether a deployment or run is of this checkout: by its tag; without one, of an earlier release, by path."""
        marks = [tag for tag in tags if tag.startswith(TAG)]
        return self.tag in marks if marks else self.is_named(repository)

    def is_named(self, repository: object) -> bool:
        """Whether a run's parameter names this checkout, by default that of this code, where it lies or lay."""
        try:
            return Home.of(str(repository) if repository else None) == self
        except UserError:
            return str(repository) in self.checkout.earlier

    @property
    def folder(self) -> Path:
        """By the checkout's id; or the one that an earlier release named after its path, taken over for good."""
        own = root() / f"{self.checkout.called}-{self.checkout.id}"
        return own if own.exists() else next(self._of_earlier_release(), own)

    def _of_earlier_release(self) -> Iterator[Path]:
        for path in map(Path, (self.checkout.path, *self.checkout.earlier)):
            folder = root() / f"{path.name}-{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
            owner = folder / OWNER
            if folder.exists() and not owner.exists():
                owner.write_text(self.checkout.id, encoding="utf-8")
            if folder.exists() and owner.read_text(encoding="utf-8") == self.checkout.id:
                yield folder

    @property
    def clones(self) -> Path:
        """A folder for each run."""
        return self.folder / RUNS

    def clone_of(self, run: str) -> Path:
        """The project's folder in the clone of a run."""
        return self.clones / run / self.prefix

    @property
    def landing(self) -> Path:
        """How far each source has landed: the pointers that the newest run left."""
        return self.folder / "landing"

    @property
    def checkpoints(self) -> Path:
        """What interrupted trainings left, for the next run to go on with."""
        return self.folder / "checkpoints"

    @property
    def searches(self) -> Path:
        """A folder for each study of ``driftline search``."""
        return self.folder / "searches"

    @property
    def workspace_lock(self) -> Path:
        return self.folder / "locks" / "workspace.lock"

    @property
    def serve_lock(self) -> Path:
        """Held as long as ``driftline serve`` runs."""
        return self.folder / "locks" / "serve.lock"

    def run_lock(self, run: str) -> Path:
        """Held as long as the process of the run lives."""
        return self.folder / "locks" / "runs" / f"{run}.lock"
