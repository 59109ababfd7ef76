"""The checkpoint store of a training, ``.checkpoints/<fingerprint>/``: an interrupted run resumes from it.

A folder counts only when its marker, written last and after all else is synced to disk, holds the sha256 of each of its
files: what a kill, a power loss or a full disk left half-written is never read. One training at a time uses a folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from filelock import FileLock, Timeout
from tqdm import tqdm

from tasks.core.files import private_folder, sha256_of

MARKER = "complete.json"
LOCK = "lock"
ACTIVATIONS = "activations"  # the frozen layers' passes, which outlive a training: no checkpoint
MAX_TIME_SHARE = 0.05  # of the training time, spent on checkpoints


def file_digests(files: Iterable[Path]) -> list[tuple[str, str]]:
    """Name and sha256 of each file, sorted, for a fingerprint."""
    return sorted((file.name, sha256_of(file)) for file in files if file.is_file())


def fingerprint(facts: Mapping[str, object]) -> str:
    """Twenty hexadecimal digits, a hash of all that decides a training's result."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:20]


def mark_complete(folder: Path) -> None:
    """Write the folder's marker, once all of its files are synced to disk."""
    files = sorted(file for file in folder.iterdir() if file.name != MARKER)
    for file in files:
        _sync(file)
    marker = folder / f".{MARKER}.part"
    marker.write_text(json.dumps({file.name: sha256_of(file) for file in files}), encoding="utf-8")
    _sync(marker)
    marker.rename(folder / MARKER)
    _sync(folder)
    _sync(folder.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_complete(folder: Path) -> bool:
    """Whether the folder holds, byte for byte, what its marker says."""
    try:
        expected = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        return all(sha256_of(folder / name) == value for name, value in expected.items())
    except (OSError, ValueError, AttributeError):
        return False


def build_once(folder: Path, build: Callable[[Path], None]) -> Path:
    """The folder as ``build`` fills it; an interrupted training's is reused when it is complete."""
    if not is_complete(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        build(folder)
        mark_complete(folder)
    return folder


@contextmanager
def exclusive(folder: Path) -> Iterator[bool]:
    """Whether this process holds the folder's lock; it is released with the block or when the process dies."""
    private_folder(folder.parent)  # a checkpoint learns its texts by heart
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


@dataclass
class CheckpointStore:
    """The checkpoints of one training by step; the newest complete one counts, older ones are deleted."""

    folder: Path
    seconds: float
    """Between two checkpoints; longer when they would take more than MAX_TIME_SHARE of the time."""

    def __post_init__(self) -> None:
        self._next = monotonic() + self.seconds

    @property
    def due(self) -> bool:
        """Whether it is time for the next checkpoint."""
        return monotonic() >= self._next

    def latest(self) -> Path | None:
        """The newest complete checkpoint; incomplete ones are reported and deleted."""
        for folder in sorted(self.folder.glob("step-*"), reverse=True):
            if is_complete(folder):
                return folder
            tqdm.write(f"checkpoint {folder} is incomplete (process killed or disk full): ignored")
            shutil.rmtree(folder)
        return None

    def save(self, step: int, write: Callable[[Path], None]) -> bool:
        """Save the checkpoint of a step, filled by ``write``; when the disk refuses, training continues without it."""
        started = monotonic()
        folder = self.folder / f"step-{step:09d}"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(parents=True)
            write(folder)
            mark_complete(folder)
        except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
            shutil.rmtree(folder, ignore_errors=True)
            tqdm.write(f"checkpoint at step {step} not saved, the previous one is kept: {error}")
            saved = False
        else:
            self.delete_all_but(folder)
            saved = True
        now = monotonic()
        self._next = now + max(self.seconds, (now - started) / MAX_TIME_SHARE)
        return saved

    def delete_all_but(self, newest: Path) -> None:
        """Delete the older checkpoints, their marks of completeness first."""
        for folder in self.folder.glob("step-*"):
            if folder != newest:
                (folder / MARKER).unlink(missing_ok=True)  # first: killed in between, the rest must not look complete
                shutil.rmtree(folder, ignore_errors=True)
