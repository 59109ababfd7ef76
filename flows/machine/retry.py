"""Another try, a little later, for what reaches over the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tenacity import (
    Retrying,
    retry_all,
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

TRIES = 4
WAIT = wait_random_exponential(multiplier=2, max=60)
T = TypeVar("T")


def retried(act: Callable[[], T], *errors: type[Exception], but: tuple[type[Exception], ...] = ()) -> T:
    """Do it until it raises none of these errors, with growing random pauses; the last one is raised.

    Those that are named in ``but`` are raised at once.
    """
    again = retry_all(retry_if_exception_type(errors), retry_if_not_exception_type(but))
    return Retrying(stop=stop_after_attempt(TRIES), wait=WAIT, retry=again, reraise=True)(act)
