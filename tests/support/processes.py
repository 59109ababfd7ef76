"""The repository's top, a git identity, free ports and waiting: what tests that start processes need."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

TOP = Path(__file__).parents[2]
IDENTITY = {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for(condition, seconds):
    """Whether the condition came true within these seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def process_id(*_):
    """Which process this ran in, as a figure of a benchmark."""
    return {"process": os.getpid()}
