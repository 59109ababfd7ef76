"""Run a command that must not outlive whoever started it: ``python -m flows.pipeline.guard COMMAND [ARGUMENT ...]``.

The guard holds the other end of its starter's pipe on standard input. When that closes, because the starter asked for
it or because it is gone, killed in whatever way, the command's whole process group is terminated and, after a grace
period, killed. A signal to the command alone would leave the stage that DVC started, which is its child.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

GRACE_SECONDS = 7.0  # so that a cancelled run is over within 10 s, whatever its stage does


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        return False
    return True


def end(group: int, grace_seconds: float = GRACE_SECONDS) -> None:
    """Terminate a process group, and kill what is left of it after the grace period."""
    deadline = time.monotonic() + grace_seconds
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not _alive(group):
            return
        os.killpg(group, number)
        while number == signal.SIGTERM and _alive(group) and time.monotonic() < deadline:
            time.sleep(0.05)


def _end_when_input_closes(group: int) -> None:
    while os.read(0, 4096):
        continue
    end(group)


def start(command: Sequence[str], **pipes: Any) -> subprocess.Popen[bytes]:
    """A process that guards the command; by this file's path, since the working folder may be another's clone."""
    guard = [sys.executable, "-P", __file__, *command]
    # in a session of its own: a Ctrl-C must reach the guard as a closed pipe, not as a signal
    return subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True, **pipes)


def stop(guard: subprocess.Popen[bytes]) -> int:
    """Close the guard's pipe, which ends its command if it still runs: the exit code."""
    assert guard.stdin
    guard.stdin.close()
    return guard.wait()


def main() -> None:
    """Start the command in a session of its own and leave with its exit code."""
    # what its starter handed down, a server's socket, is for the command
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True, close_fds=False)
    threading.Thread(target=_end_when_input_closes, args=(child.pid,), daemon=True).start()
    code = child.wait()
    end(child.pid)  # whatever it left behind
    os._exit(code if code >= 0 else 128 - code)  # the thread may be blocked in its read


if __name__ == "__main__":
    main()
