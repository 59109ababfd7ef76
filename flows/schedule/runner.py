"""Prefect's runner in this process, and its end by a signal: nothing of what it has started stays."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

log = logging.getLogger(__name__)
END_SECONDS = 45.0
RUN_SECONDS = 15.0


class Ending:
    """The end by a termination signal, whatever hangs: in ``END_SECONDS`` everything that this process started is gone.

    An exception that a signal raises is lost where it meets a finalizer. So what waits for long is cancelled, and what
    comes before that looks whether a signal came.
    """

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.cancel: Callable[[], object] | None = None
        threading.Thread(target=self._by_force, daemon=True).start()

    def __call__(self, *_: object) -> None:
        """The signal's handler."""
        self.asked.set()
        if self.cancel is None:
            raise SystemExit(0)
        self.cancel()

    async def ends(self, serving: Callable[[], Awaitable[None]]) -> None:
        """Serve until a signal comes."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task
        self.cancel = partial(loop.call_soon_threadsafe, task.cancel)
        if not self.asked.is_set():
            with suppress(asyncio.CancelledError):
                await serving()

    def _by_force(self) -> None:
        self.asked.wait()
        time.sleep(END_SECONDS)
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
        os._exit(1)


def run_deployments(deployments: list[RunnerDeployment], ending: Ending) -> None:
    """Start what is due until a signal comes.

    As ``prefect.serve`` does, but for the end: that one waits for a server that may be gone, and pauses the schedules,
    so that what was due in the meantime would not be made up for.
    """
    from prefect.runner import Runner

    from flows.machine.liveness import RUNNER

    class Served(Runner):
        def handle_sigterm(self, *_: Any, **__: Any) -> None:
            ending()

    os.environ[RUNNER] = str(os.getpid())
    runner = Served(pause_on_shutdown=False)
    for one in deployments:
        runner.add_deployment(one)
    names = ", ".join(f"{one.flow_name}/{one.name}" for one in deployments)
    log.info(f"serving {names}; Ctrl-C ends it")
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(ending.ends(runner.start))
    finally:
        end_runs()


def end_runs() -> None:
    """End the runs that this process has started; the runner does not know those whose process it was just starting."""
    from flows.machine.liveness import run_of

    left = [child for child in psutil.Process().children() if run_of(child)]
    for child in left:
        with suppress(psutil.NoSuchProcess):
            child.terminate()
    for child in psutil.wait_procs(left, timeout=RUN_SECONDS)[1]:
        with suppress(psutil.NoSuchProcess):
            child.kill()
