"""The machine fails under a stage: a sentence says what to do, and once the machine is well again nothing differs.

Errors of calls come from ``preload.c``, under which this process runs; the full disk is a tmpfs where this user may
mount one.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flows.pipeline.stage import KILLED, KILLED_HINT
from tests.faults import forked
from tests.faults.outcome import Attempt, judge, last_line
from tests.faults.template import MADE, Template, digests, random

STAGES = (
    "ingest@current",
    "split",
    "tokenize",
    "score@current",
    "evaluate",
    "drift",
    "validate@current",
    "finetune",
    "explain",
    "report",
)
READS = {
    "ingest@current": "samples",
    "split": "validated",
    "tokenize": "splits",
    "score@current": "validated",
    "evaluate": "scored",
    "drift": "embeddings",
    "validate@current": "raw",
    "finetune": "tokens",
    "explain": "splits",
    "report": "metrics",
}
CALLS = {
    "disk full (ENOSPC)": ("write", errno.ENOSPC),
    "disk quota (EDQUOT)": ("write", errno.EDQUOT),
    "disk fails on writing (EIO)": ("write", errno.EIO),
    "disk fails on reading (EIO)": ("read", errno.EIO),
    "disk is read-only (EROFS)": ("create", errno.EROFS),
    "too many open files (EMFILE)": ("open", errno.EMFILE),
}
KINDS = (
    *CALLS,
    "a full tmpfs",
    "folders that may not be written",
    "a file that may not be read",
    "memory limit",
    "limit of a file's size",
    "clock jumps",
)


@dataclass(frozen=True)
class Failure:
    """A stage, and how the machine fails it."""

    stage: str
    how: str


def all_failures() -> Iterator[Failure]:
    """Every kind with every stage."""
    for how in KINDS:
        for stage in STAGES:
            yield Failure(stage, how)


def attempt(template: Template, what: Failure, place: Path, seed: int, number: int) -> Attempt | None:
    """None where this machine cannot be made to fail so."""
    folder, draw = template.copy(place), random(seed, number)
    unmount = None
    if what.how == "a full tmpfs":
        unmount = _on_full_disk(folder, draw)
        if unmount is None:
            return None
    ended = forked.run(what.stage, folder, before=_before(what, folder, draw))
    if unmount:
        unmount()
    subprocess.run(["chmod", "-R", "u+rwX", str(folder)], check=True)
    now = digests(folder)
    changed = [name for name in template.expected if now.get(name) not in (template.expected[name], None)]
    verdict = judge(
        ended,
        changed if ended.code == 0 else [],
        (
            str(folder),
            "data",
            "metrics",
            "models",
            "reports",
            "memory",
            "files",
            "processes",
            "params.yaml",
            ".checkpoints",
            "/tmp",
        ),
    )
    detail = last_line(ended)
    if what.how == "memory limit" and verdict == "crash" and KILLED.search(f"exited with {ended.code}"):
        verdict, detail = (
            "refused",
            KILLED_HINT,
        )  # by a library that ends its process: said by whoever started the stage
    if verdict == "refused":
        again = forked.run(what.stage, folder)
        now = digests(folder)
        differing = [name for name in template.expected if now.get(name) != template.expected[name]]
        if again.code or differing:
            verdict, detail = "wrong", f"{detail}; well again: code {again.code} {differing[:3]} {last_line(again)}"
    return Attempt("environment", what.how, "", what.stage, verdict, detail, ended.seconds)


def _before(what: Failure, folder: Path, draw: np.random.Generator) -> Callable[[], None]:
    """What is done in the stage's process before it runs."""
    if what.how in CALLS:
        call, number = CALLS[what.how]
        where = READS[what.stage] if call == "read" else str(folder)
        values = {"FAULT_CALL": call, "FAULT_ERRNO": str(number), "FAULT_PATH": where}
        return lambda: os.environ.update(values)
    if what.how == "clock jumps":
        jump, skip = int(draw.choice([-(10**8), -3600, 3600, 10**8])), int(draw.integers(0, 50))
        return lambda: os.environ.update(FAULT_CLOCK=str(jump), FAULT_SKIP=str(skip))
    mebibytes = int(draw.uniform(1, 60))
    others: dict[str, Callable[[], None]] = {
        "folders that may not be written": lambda: _forbid(path for path in _below(folder) if path.is_dir()),
        "a file that may not be read": lambda: _forbid(_read(folder, READS[what.stage])),
        "memory limit": lambda: _limit_memory(mebibytes),
        "limit of a file's size": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512)),
    }
    return others.get(what.how, lambda: None)


def _below(folder: Path) -> Iterator[Path]:
    for top in MADE:
        yield folder / top
        yield from sorted((folder / top).rglob("*"))


def _read(folder: Path, part: str) -> Iterator[Path]:
    return (path for path in _below(folder) if path.is_file() and part in str(path))


def _forbid(paths: Iterable[Path]) -> None:
    """A folder may not be written, a file not be read."""
    for path in list(paths):
        path.chmod(0o555 if path.is_dir() else 0)
    _as_anybody()


def _limit_memory(mebibytes: int) -> None:
    """So much more than the process has."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    room = taken + mebibytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (room, room))


def _as_anybody() -> None:
    """Give up the right to read and write everything, which root has."""
    libc, head = ctypes.CDLL(None, use_errno=True), struct.pack("Ii", 0x20080522, 0)
    header, data = ctypes.create_string_buffer(head), ctypes.create_string_buffer(24)
    libc.capget(header, data)
    values = list(struct.unpack("6I", data.raw))
    values[0] &= ~0b1110
    values[1] &= ~0b1110
    libc.capset(ctypes.create_string_buffer(head), ctypes.create_string_buffer(struct.pack("6I", *values), 24))


def _on_full_disk(folder: Path, draw) -> Callable[[], None] | None:
    """Move the copy to a small tmpfs that has next to no room left; what undoes it."""
    disk = folder.with_name(f"{folder.name}-disk")
    disk.mkdir(exist_ok=True)
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512m", "tmpfs", disk], check=False, capture_output=True
    ).returncode:
        return None
    for top in MADE:
        shutil.move(folder / top, disk / top)
        (folder / top).symlink_to(disk / top)
    room = int(draw.integers(0, 40_000))
    used = shutil.disk_usage(disk).used
    subprocess.run(["mount", "-o", f"remount,size={used + room}", disk], check=True)

    def undo() -> None:
        for top in MADE:
            (folder / top).unlink()
            shutil.copytree(disk / top, folder / top)
        subprocess.run(["umount", disk], check=True)

    return undo
