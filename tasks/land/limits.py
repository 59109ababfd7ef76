"""How much one landing of a source may fetch, read and take: what goes beyond is refused, and leaves no part.

The bounds are section ``land`` of ``params.yaml``. A server that sends without end, a query whose rows never end and
one byte every few seconds all end here.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

from pydantic import Field

from tasks.core import params
from tasks.core.errors import UserError
from tasks.core.params import Section
from tasks.core.paths import PARAMS

AGAIN_SECONDS = 10.0  # a library that takes the interruption for an error of its own is interrupted again


class Params(Section):
    """Section ``land``: of one landing of one source."""

    max_bytes: int = Field(default=20_000_000_000, ge=1)
    """Most bytes fetched, as they arrive and as they are written."""
    max_rows: int = Field(default=100_000_000, ge=1)
    """Most rows of a database or a hub's dataset."""
    max_minutes: float = Field(default=120.0, gt=0)
    """Most minutes, all tries together."""


def read_params() -> Params:
    """The section as ``params.yaml`` has it. A fault in another section is for the stages to say."""
    values: object = {}
    if PARAMS.exists():
        with suppress(UserError):
            values = params.read().get("land") or {}
    return params.parse(Params, values, "land", PARAMS)


@dataclass
class Limits:
    """What a landing has used of its bounds so far; ``name`` is its source's."""

    name: str
    most: Params
    bytes: int = 0
    rows: int = 0

    def spend_bytes(self, count: int) -> None:
        """UserError beyond ``land.max_bytes``."""
        self.bytes += count
        if self.bytes > self.most.max_bytes:
            raise UserError(
                f"{self.name}: the source has more than {self.most.max_bytes:,} bytes: raise land.max_bytes in "
                f"{PARAMS} if it is meant to be that large"
            )

    def spend_rows(self, count: int) -> None:
        """UserError beyond ``land.max_rows``."""
        self.rows += count
        if self.rows > self.most.max_rows:
            raise UserError(
                f"{self.name}: the source has more than {self.most.max_rows:,} rows: select fewer, or raise "
                f"land.max_rows in {PARAMS}"
            )


class _TimeIsUp(BaseException):
    """Not an Exception: libraries take those for a fault of the network and try again."""


@contextmanager
def time_limit(name: str, most: Params) -> Iterator[None]:
    """End the block after ``land.max_minutes`` with UserError, wherever it waits.

    Only in the main thread, where a signal arrives; a timer that was running goes on afterwards.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    over = False

    def ring(_: int, __: FrameType | None) -> None:
        nonlocal over
        over = True
        raise _TimeIsUp

    began, before = time.monotonic(), signal.signal(signal.SIGALRM, ring)
    left, every = signal.setitimer(signal.ITIMER_REAL, most.max_minutes * 60, AGAIN_SECONDS)
    try:
        yield
    except (_TimeIsUp, Exception):
        if over:
            raise UserError(
                f"{name}: the landing took more than {most.max_minutes:g} minutes, the limit of land.max_minutes in "
                f"{PARAMS}: raise it if the source is meant to take that long"
            ) from None
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - began), 0.01), every)
