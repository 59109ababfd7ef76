"""A deployed run ends with the process that started it, and whoever looks can tell whether it lives."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from prefect import runtime

from flows.machine.home import Home
from flows.machine.locks import holding, is_held

STARTED_BY_A_RUNNER = "PREFECT__FLOW_RUN_ID"
RUNNER = "DRIFTLINE_RUNNER"
"""The process id of the ``driftline serve`` that started this."""


@contextmanager
def liveness_lock(home: Home) -> Iterator[None]:
    """Hold the run's own lock for the length of the block, and end with the runner or worker that started this."""
    run = str(runtime.flow_run.id)
    if STARTED_BY_A_RUNNER in os.environ:
        parent = int(os.environ.get(RUNNER, os.getppid()))  # it may be gone already: starting takes a while
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    file = home.run_lock(run)
    with holding(file, run):
        yield
    for left in (file, file.with_suffix(".holder")):
        left.unlink(missing_ok=True)


def is_alive(home: Home, run: str) -> bool:
    """Whether a run has a process on this machine: one that holds its lock, or one that is still starting."""
    return is_held(home.run_lock(run)) or any(run_of(process) == run for process in psutil.process_iter())


def run_of(process: psutil.Process) -> str | None:
    """The run that a process was started for; None: none, or it is gone or another user's."""
    try:
        found: str | None = process.environ().get(STARTED_BY_A_RUNNER)
    except (psutil.Error, OSError):
        return None
    return found


def _end_with(parent: int) -> None:
    """Kill this process once its parent is gone; the guard of the running stage sees to the rest."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)
