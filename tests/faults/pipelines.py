"""``dvc repro`` of a small repository, killed with all it started at a random moment, then run again as it would be."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from flows.pipeline import dvc_locks
from tests.faults.outcome import Attempt, Verdict
from tests.faults.template import random
from tests.support import small_repository

MADE = ("first.txt", "second.txt", "third-one.txt", "third-two.txt", "last.txt", "metrics/last.json", "dvc.lock")
COMMAND = (sys.executable, "-m", "dvc", "repro")
WHOLE = "the whole pipeline"


def attempt(place: Path, seed: int, number: int, expected: dict[str, bytes]) -> Attempt:
    """``expected``: what an undisturbed run makes; made by the first attempt."""
    if not expected:
        expected |= _undisturbed(place)
    folder, started = _fresh(place), time.monotonic()
    after = float(random(seed, number).uniform(0, 1.2 * float(expected["seconds"])))
    running = subprocess.Popen(
        COMMAND, cwd=folder, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with suppress(subprocess.TimeoutExpired):
        running.wait(after)
    with suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    dvc_locks.clear_stale(folder)
    again = subprocess.run(COMMAND, cwd=folder, capture_output=True, text=True, check=False)
    differing = [
        name for name in MADE if not (folder / name).exists() or (folder / name).read_bytes() != expected[name]
    ]
    verdict: Verdict = "wrong" if again.returncode or differing else "same"
    said = again.stderr[-300:] if verdict == "wrong" else ""
    detail = f"after {after:.2f} s; again: code {again.returncode} {differing} {said}"
    return Attempt("kill", "SIGKILL", "at a random moment", WHOLE, verdict, detail, time.monotonic() - started)


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    small_repository.make(folder)
    return folder


def _undisturbed(place: Path) -> dict[str, bytes]:
    folder, started = _fresh(place), time.monotonic()
    subprocess.run(COMMAND, cwd=folder, check=True, capture_output=True)
    seconds = str(time.monotonic() - started).encode()
    return {name: (folder / name).read_bytes() for name in MADE} | {"seconds": seconds}
