"""The one generic Prefect task: bring one DVC stage up to date, and say what that took."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Failed

from flows.errors import StageFailed, TookTooLong, TooLittleSpace
from flows.pipeline import dvc_locks, guard
from flows.pipeline.disk import require_space
from flows.pipeline.missing import install_hints
from flows.pipeline.output import CHATTER, lines
from flows.pipeline.result import Outcome, Result
from tasks.core.shown import shown

log = logging.getLogger(__name__)

RESTORED = re.compile(r"Stage '.*' is cached - skipping run, checking out outputs")
UNCHANGED = re.compile(r"Stage '.*' didn't change, skipping")
DID = "%s: %s (%s)"  # how a stage's task logs its name, outcome and reason
KEPT_LINES = 20  # of a failed stage's output
KILLED = re.compile(r"exited with (-6|-9|-11|134|137|139)\b")
KILLED_HINT = (
    "the stage was killed (signal 6, 9 or 11), most often for lack of memory: `dmesg` tells; end other processes "
    "or lower the stage's batch_size, then run again"
)

FULL = re.compile(r"failed to reproduce .*No space left on device")
FULL_HINT = (
    "no space is left where the clone or DVC's cache lies: free some (`driftline prune` deletes clones of old runs), "
    "then run again"
)


def guarded(command: list[str], seconds: float | None = None) -> tuple[int, list[str]]:
    """Run a command that dies with this process: its exit code and last lines; every line is logged.

    After ``seconds`` it is ended, and TookTooLong is raised.
    """
    process = guard.start(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdin and process.stdout
    timer = threading.Timer(seconds or 0, process.stdin.close)  # which has the guard end the command
    timer.daemon = True
    if seconds:
        timer.start()
    last: deque[str] = deque(maxlen=KEPT_LINES)
    try:
        for line in lines(iter(partial(os.read, process.stdout.fileno(), 65536), b""), _redraw):
            if not CHATTER.fullmatch(line):
                last.append(shown(line))
                log.info(line)
    finally:
        timed_out = seconds is not None and process.stdin.closed
        timer.cancel()
        code = guard.stop(process)
        process.stdout.close()
    if timed_out:
        raise TookTooLong(f"it was ended after its limit of {seconds:g} s")
    return code, list(last)


def _redraw(state: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{state}", end="", file=sys.stderr, flush=True)


def outcome_of(output: list[str]) -> Outcome:
    """What DVC says that it did with the stage."""
    if any(RESTORED.fullmatch(line) for line in output):
        return "restored"
    return "unchanged" if any(UNCHANGED.fullmatch(line) for line in output) else "ran"


def reproduce(stage: str, reasons: list[str], seconds: float | None = None, options: Sequence[str] = ()) -> Result:
    """Run ``dvc repro --single-item``; StageFailed when the stage does not end well, or not within ``seconds``.

    ``options`` are further ones of that command.
    """
    start = time.monotonic()
    dvc_locks.clear_stale()
    code, last = guarded([sys.executable, "-m", "dvc", "repro", "--single-item", *options, "--", stage], seconds)
    if code:
        killed = [KILLED_HINT] if any(KILLED.search(line) for line in last) else []
        full = [FULL_HINT] if any(FULL.search(line) for line in last) else []
        words = "\n".join([*last, *install_hints(last), *killed, *full])
        raise StageFailed(words or f"stage {stage} ended with exit code {code} and printed nothing")
    return Result(stage, outcome_of(last), "; ".join(reasons), time.monotonic() - start)


@task(task_run_name="{stage}", cache_policy=NO_CACHE, persist_result=False, retries=0)
def bring_up_to_date(
    stage: str, reasons: list[str], seconds: float | None = None, needed_bytes: int = 0, cache: str = "."
) -> Result | State[Result]:
    """Bring a stage up to date; without ``reasons`` it is so already."""
    try:
        if reasons:
            for folder in (Path(), Path(cache)):
                require_space(folder, needed_bytes)
            result = reproduce(stage, reasons, seconds)
        else:
            result = Result(stage, "unchanged", "nothing changed", 0.0)
    except (StageFailed, TooLittleSpace) as failure:
        return Failed(message=str(failure))  # a state, not an exception: the stage has said what was wrong
    log.info(DID, stage, result.outcome, result.reason)
    return result
