"""Locks between processes. The operating system holds them, so a killed process leaves none behind."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from flows.errors import Busy
from flows.machine.home import Home, make_root
from tasks.core.errors import UserError

log = logging.getLogger(__name__)

Overlap = Literal["wait", "skip"]


@contextmanager
def holding(file: Path, who: str, overlap: Overlap | Literal["refuse"] = "wait") -> Iterator[None]:
    """Hold the lock for the length of the block.

    ``wait`` waits for as long as it takes, ``skip`` raises Busy, ``refuse`` UserError, for a command typed by a person.
    The file beside it names the holder, for people only.
    """
    make_root()
    file.parent.mkdir(parents=True, exist_ok=True)
    lock, name = FileLock(file, thread_local=False), file.with_suffix(".holder")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        other = name.read_text(encoding="utf-8") if name.exists() else "another run"
        if overlap == "skip":
            raise Busy(f"{other} holds {file}") from None
        if overlap == "refuse":
            raise UserError(f"{other} holds {file}: try again when it is done") from None
        log.info(f"waiting for {other}, which holds {file}")
        lock.acquire(timeout=-1, poll_interval=0.5)
    try:
        name.write_text(who, encoding="utf-8")
        yield
    finally:
        lock.release()


@contextmanager
def idle(home: Home, who: str) -> Iterator[None]:
    """Nothing serves the checkout and no run is at work there for the length of the block. UserError while one is."""
    with holding(home.serve_lock, who, "refuse"), holding(home.workspace_lock, who, "refuse"):
        yield


def is_held(file: Path) -> bool:
    """Whether a living process holds the lock."""
    if not file.exists():
        return False
    lock = FileLock(file)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    lock.release()
    return False
