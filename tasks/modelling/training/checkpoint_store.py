"""What an interrupted training leaves for the next one, in ``.checkpoints/<fingerprint>/``.

A folder counts only when a marker, written last and after everything else has reached the disk, holds the sha256 of
each of its files: what a kill, a power loss or a full disk left half-written is never read. One training at a time
keeps things in a folder; a lock that dies with its process sees to that.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import IO

from tqdm import tqdm

MARKER = "complete.json"
SHARE = 0.05  # of the time, at most, goes into checkpoints


def digest(file: Path) -> str:
    """The sha256 of a file's content."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def contents(files: Iterable[Path]) -> list[tuple[str, str]]:
    """Name and digest of each, for a fingerprint."""
    return sorted((file.name, digest(file)) for file in files if file.is_file())


def fingerprint(facts: Mapping[str, object]) -> str:
    """Twenty hexadecimal digits that stand for all that decides a training's result."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:20]


def seal(folder: Path) -> None:
    """Say that the folder is complete, once all of it is on the disk."""
    files = sorted(file for file in folder.iterdir() if file.name != MARKER)
    for file in files:
        _sync(file)
    marker = folder / f".{MARKER}.part"
    marker.write_text(json.dumps({file.name: digest(file) for file in files}), encoding="utf-8")
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


def sealed(folder: Path) -> bool:
    """Whether the folder holds, byte for byte, what was sealed."""
    try:
        promised = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        return all(digest(folder / name) == value for name, value in promised.items())
    except (OSError, ValueError, AttributeError):
        return False


def once(folder: Path, make: Callable[[Path], None]) -> Path:
    """The folder as ``make`` fills it; an earlier training's is taken when it is complete."""
    if not sealed(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder)
        seal(folder)
    return folder


@contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Whether this process alone may use the folder; the claim ends with the block or with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        yield _claim(file)


def _claim(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@dataclass
class Checkpoints:
    """The states of a training by their steps; the newest complete one counts, and older ones are deleted."""

    folder: Path
    seconds: float
    """Between two of them; longer when they would take more than SHARE of the time."""

    def __post_init__(self) -> None:
        self._next = monotonic() + self.seconds

    @property
    def due(self) -> bool:
        """Whether it is time for one."""
        return monotonic() >= self._next

    def latest(self) -> Path | None:
        """The newest complete one; torn ones are told and deleted."""
        for folder in sorted(self.folder.glob("step-*"), reverse=True):
            if sealed(folder):
                return folder
            tqdm.write(f"the checkpoint {folder} is incomplete, as a kill or a full disk leaves it: ignored")
            shutil.rmtree(folder)
        return None

    def keep(self, step: int, write: Callable[[Path], None]) -> bool:
        """Have ``write`` fill the checkpoint of a step. Where the disk refuses it, training goes on without."""
        started = monotonic()
        folder = self.folder / f"step-{step:09d}"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(parents=True)
            write(folder)
            seal(folder)
        except (OSError, RuntimeError) as error:  # torch tells of a full disk by the latter
            shutil.rmtree(folder, ignore_errors=True)
            tqdm.write(f"no checkpoint at step {step}, the one before stays: {error}")
            done = False
        else:
            self._delete_all_but(folder)
            done = True
        now = monotonic()
        self._next = now + max(self.seconds, (now - started) / SHARE)
        return done

    def _delete_all_but(self, kept: Path) -> None:
        for folder in self.folder.glob("step-*"):
            if folder != kept:
                (folder / MARKER).unlink(missing_ok=True)  # first: a kill in between must not leave half of it sealed
                shutil.rmtree(folder, ignore_errors=True)
