"""A polite end: SIGTERM and Ctrl-C let the step in hand end and a checkpoint be written; a second one ends at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass
class Leaving:
    """Whether somebody asked for the end, and by which signal."""

    number: int | None = None

    def __bool__(self) -> bool:
        return self.number is not None

    @property
    def code(self) -> int:
        """The exit code that a shell gives a process ended by that signal."""
        return 128 + (self.number or 0)


@contextmanager
def noticed() -> Iterator[Leaving]:
    """Within the block a signal is noted, not obeyed. Only the main thread can listen; elsewhere nothing changes."""
    leaving = Leaving()

    def note(number: int, _: FrameType | None) -> None:
        if leaving:
            raise SystemExit(128 + number)
        leaving.number = number

    if threading.current_thread() is not threading.main_thread():
        yield leaving
        return
    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield leaving
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
