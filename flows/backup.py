"""All that a checkout knows in one file, and a checkout from that file: ``driftline backup``, ``driftline restore``.

The file is a tar of the repository with every reference (branches, tags, records), the home folder (labels, landing
positions, incidents, checkpoints, results of backtests), the objects of DVC's cache that those references need and its
default remote does not have, the settings that only this checkout has, and the notification blocks that prefect.yaml
names. It holds texts and secrets, so only its owner may read it.
Not covered: uncommitted changes, clones of past runs, and Prefect's database, whose deployments ``driftline serve``
makes anew; its pages of past runs are backed up as databases are.
"""

from __future__ import annotations

import io
import logging
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from dvc.exceptions import DvcException
from dvc.repo import Repo
from pydantic import BaseModel, ConfigDict

from flows.errors import GitFailed
from flows.machine import checkout
from flows.machine.checkout import Checkout
from flows.machine.git import git, succeeds, typed
from flows.machine.home import OWNER, Home
from flows.machine.locks import holding
from flows.notify.blocks import SavedBlock
from flows.runs import kept, workspace
from flows.runs.record import LOCK
from tasks.core.errors import UserError
from tasks.core.files import private_folder, replacing

log = logging.getLogger(__name__)

MANIFEST, BUNDLE, HOME, CACHE, LOCAL = "manifest.json", "repository.bundle", "home", "cache", "config.local"
LEFT_OUT = ("runs", "packages", "locks", OWNER, ".gitignore")
"""Of the home: clones hold nothing that their records do not, and packages that are tried can be tried again."""
SETTINGS = r"^(remote|branch|user|credential)\."
"""Of git's own settings; others may name folders of the machine."""
OF_DVC = re.compile(r"\bmd5: ([0-9a-f]{32}(?:\.dir)?)\b")


class Manifest(BaseModel):
    """What the file is of; its last part, so that one that was cut off has none."""

    model_config = ConfigDict(frozen=True)

    format: int = 1
    checkout: Checkout
    prefix: str
    """Where the project lies in git's repository."""
    head: str
    """The branch that is checked out, or a commit."""
    settings: list[tuple[str, str]]
    blocks: list[SavedBlock]
    objects: int
    """Of DVC's cache."""
    elsewhere: int
    """Objects that DVC's default remote has, and so this file has not."""

    def described(self) -> str:
        """What is in it."""
        left = f", {self.elsewhere} more are on DVC's default remote" if self.elsewhere else ""
        return f"{self.objects} objects of DVC's cache{left}, {len(self.blocks)} notification blocks"


def backup(home: Home, file: Path, blocks: Iterable[SavedBlock]) -> Manifest:
    """Write the file while no run is at work; waits for one that is. The checkout may be served.

    UserError: the file is there already, or uncommitted changes would be lost.
    """
    if file.exists():
        raise UserError(f"{file} exists: name a new file")
    if changed := git(home.origin, "status", "--porcelain", "--untracked-files=no"):
        raise UserError(f"{changed.splitlines()[0][3:]} is not committed, and would be lost: commit it first")
    home.make()
    with holding(home.workspace_lock, "driftline backup"), replacing(file) as part, tarfile.open(part, "w") as tar:
        part.chmod(0o600)
        _add_repository(home, tar)
        objects, elsewhere = _objects(home)
        for path in objects:
            tar.add(path, f"{CACHE}/{path.parent.name}/{path.name}")
        made = Manifest(
            checkout=home.checkout,
            prefix=home.prefix,
            head=_head(home.origin),
            settings=_settings(home.origin),
            blocks=list(blocks),
            objects=len(objects),
            elsewhere=elsewhere,
        )
        _add_text(tar, MANIFEST, made.model_dump_json(indent=1))
    return made


def _add_repository(home: Home, tar: tarfile.TarFile) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder, BUNDLE)
        git(home.origin, "bundle", "create", "--quiet", str(bundle), "--all", "HEAD")
        tar.add(bundle, BUNDLE)
    for path in home.folder.iterdir():
        if path.name not in LEFT_OUT:
            tar.add(path, f"{HOME}/{path.name}")
    local = home.origin / ".dvc" / LOCAL
    if local.exists():
        tar.add(local, LOCAL)


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(text.encode()), 0o600
    tar.addfile(member, io.BytesIO(text.encode()))


def _head(origin: Path) -> str:
    branch = git(origin, "rev-parse", "--abbrev-ref", "HEAD")
    return git(origin, "rev-parse", "HEAD") if branch == "HEAD" else branch


def _settings(origin: Path) -> list[tuple[str, str]]:
    if not succeeds(origin, "config", "--local", "--get-regexp", SETTINGS):
        return []
    lines = git(origin, "config", "--local", "--null", "--get-regexp", SETTINGS).split("\0")
    return [(key, value) for key, _, value in (line.partition("\n") for line in lines) if key]


def _objects(home: Home) -> tuple[list[Path], int]:
    """What the references and the landing positions need of DVC's cache, and how much of it the default remote has."""
    cache = workspace.shared_cache(home)
    kept.restore(cache)
    needed = set(kept.with_content(cache, _named(home)))
    remote = _of_remote(home, needed)
    found = [kept.object_of(cache, md5) for md5 in sorted(needed - remote)]
    return [path for path in found if path.exists()], len(remote)


def _named(home: Home) -> Iterator[str]:
    """The md5s in ``dvc.lock`` and the ``.dvc`` files of every reference, and of what landed."""
    seen: set[str] = set()
    for commit in set(git(home.origin, "for-each-ref", "--format=%(objectname)").split()):
        if not succeeds(home.origin, "cat-file", "-e", f"{commit}^{{commit}}"):
            continue
        for line in git(home.origin, "ls-tree", "-r", "-z", f"{commit}^{{commit}}").split("\0"):
            about, _, path = line.partition("\t")
            blob = about.rpartition(" ")[2]
            if blob not in seen and (Path(path).name == LOCK or path.endswith(".dvc")):
                seen.add(blob)
                yield from OF_DVC.findall(git(home.origin, "cat-file", "blob", blob))
    for pointer in home.landing.glob("*.dvc"):
        yield from OF_DVC.findall(pointer.read_text(encoding="utf-8"))


def _of_remote(home: Home, md5s: set[str]) -> set[str]:
    if not workspace.default_remote(home.origin):
        return set()
    try:
        with Repo(str(home.origin)) as repo:
            return md5s & set(repo.cloud.get_remote_odb().oids_exist(md5s))
    except (DvcException, OSError) as error:
        log.warning(f"DVC's default remote does not answer, so what it has is put into the file too: {error}")
        return set()


def restore(file: Path, folder: Path) -> Manifest:
    """Make ``folder`` the checkout that was backed up, with its id, home, labels and cache.

    UserError: the file is none of ours or damaged, the folder is not empty, or the checkout or its home is still there.
    """
    manifest = _read(file)
    was = manifest.checkout
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty: name a new folder")
    if checkout.is_at(was, Path(was.path)):
        raise UserError(f"{was.path}, which was backed up, is still there: move or delete it before it is restored")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _unpacked(file, folder.parent) as unpacked, _undone(folder):
        _clone(unpacked, folder, manifest)
        project = folder / manifest.prefix
        at = Checkout(**{**was.model_dump(), "path": str(project), "earlier": [*was.earlier, was.path]})
        checkout.write(project, at)
        home = Home.of(project)
        if home.folder.exists():
            raise UserError(f"{home.folder} is there already: move it away, the backup brings its own")
        with _undone(home.folder):
            _fill(home, unpacked)
    return manifest


def _read(file: Path) -> Manifest:
    try:
        with tarfile.open(file) as tar:
            member = tar.extractfile(MANIFEST)
            assert member
            return Manifest.model_validate_json(member.read())
    except FileNotFoundError:
        raise UserError(f"{file} does not exist") from None
    except (tarfile.TarError, KeyError, EOFError, ValueError):
        raise UserError(f"{file} is no backup of Driftline's, or was cut off: give another") from None


@contextmanager
def _unpacked(file: Path, place: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=place) as folder, tarfile.open(file) as tar:
        tar.extractall(folder, filter="data")
        yield Path(folder)


@contextmanager
def _undone(folder: Path) -> Iterator[None]:
    """Nothing of the folder is left when the block fails."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _clone(unpacked: Path, folder: Path, manifest: Manifest) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet")
    try:
        git(folder, "fetch", "--quiet", "--update-head-ok", str(unpacked / BUNDLE), "+refs/*:refs/*")
    except GitFailed as failure:
        raise UserError(f"the repository in the backup is damaged: {failure}") from None
    for key, value in manifest.settings:
        if re.match(SETTINGS, key):
            git(folder, "config", "--add", key, value)
    git(folder, "checkout", "--quiet", "--force", typed(manifest.head, "the backup's branch"))


def _fill(home: Home, unpacked: Path) -> None:
    private_folder(home.folder.parent)
    if (unpacked / HOME).exists():
        shutil.move(unpacked / HOME, home.folder)
    home.make()
    if (unpacked / LOCAL).exists():
        shutil.copyfile(unpacked / LOCAL, home.origin / ".dvc" / LOCAL)
        (home.origin / ".dvc" / LOCAL).chmod(0o600)
    cache = workspace.shared_cache(home)
    for path in (unpacked / CACHE).glob("??/*"):
        md5 = path.parent.name + path.name
        target = kept.object_of(cache, md5)
        if not kept.is_whole(path, md5):
            raise UserError(f"the object {md5} in the backup is damaged: give another backup")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, target)
            target.chmod(0o444)
    with Repo(str(home.origin)) as repo:
        cast("Any", repo).checkout(force=True, allow_missing=True)
