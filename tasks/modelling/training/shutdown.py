"""Graceful shutdown: SIGTERM and Ctrl-C finish the current step and save a checkpoint; a second signal ends at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass
class ShutdownRequest:
    """Whether a shutdown was requested, and by which signal."""

    signal: int | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """What a shell reports for a process ended by that signal."""
        return 128 + (self.signal or 0)


@contextmanager
def graceful_shutdown() -> Iterator[ShutdownRequest]:
    """Within the block a first signal is only recorded. Outside the main thread signals are left as they are."""
    request = ShutdownRequest()

    def record(number: int, _: FrameType | None) -> None:
        if request:
            raise SystemExit(128 + number)
        request.signal = number

    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, record) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
