"""Where a stage's seconds go: imports, reading, computing, writing.

``.timings/<stage>.json`` has those of the last time it ran. Git and DVC do not know the folder, so that no output holds
a time. Imports are all before ``main``; what a function imports later counts as computing, and what is computed while
a file is open as writing it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Literal

FOLDER = Path(".timings")
KINDS = ("imports", "reading", "computing", "writing")
_INSIDE = ContextVar("whether the seconds are being counted already", default=False)
_spent = dict.fromkeys(KINDS, 0.0)


@contextmanager
def spent_on(kind: Literal["reading", "writing"]) -> Iterator[None]:
    """The block's seconds count for ``kind``; within another such block they count for that one."""
    if _INSIDE.get():
        yield
        return
    token, began = _INSIDE.set(True), time.monotonic()
    try:
        yield
    finally:
        _INSIDE.reset(token)
        _spent[kind] += time.monotonic() - began


def imported() -> None:
    """What this process did so far was importing."""
    _spent["imports"] = age()


def note(stage: str) -> None:
    """Write the seconds of the stage, which ends now; a disk that refuses costs the note alone."""
    _spent["computing"] = max(age() - sum(value for kind, value in _spent.items() if kind != "computing"), 0.0)
    with suppress(OSError):
        FOLDER.mkdir(exist_ok=True)
        part = FOLDER / f".{stage}.part"
        part.write_text(json.dumps({kind: round(value, 2) for kind, value in _spent.items()}), encoding="utf-8")
        part.replace(FOLDER / f"{stage}.json")


def age() -> float:
    """Seconds since this process was started; where the system does not tell, those that it computed."""
    try:
        ticks = float(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    except OSError:
        return time.process_time()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def since(moment: float) -> dict[str, dict[str, float]]:
    """By stage, the seconds of those that ended after ``moment``, in the order in which they ended."""
    files = sorted(FOLDER.glob("*.json"), key=lambda file: file.stat().st_mtime)
    found = {}
    for file in files:
        with suppress(OSError, ValueError, TypeError, KeyError):
            if file.stat().st_mtime >= moment:
                one = json.loads(file.read_text(encoding="utf-8"))
                found[file.stem] = {kind: float(one[kind]) for kind in KINDS}
    return found
