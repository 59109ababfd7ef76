"""Another try, a little later, for what reaches over the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

TRIES = 4
WAIT = wait_random_exponential(multiplier=2, max=60)
T = TypeVar("T")


def retried(act: Callable[[], T], *errors: type[Exception]) -> T:
    """Do it until it raises none of these errors, with growing random pauses; the last one is raised."""
    tries = stop_after_attempt(TRIES)
    return Retrying(stop=tries, wait=WAIT, retry=retry_if_exception_type(errors), reraise=True)(act)
