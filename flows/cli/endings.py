"""How a command that ran a flow ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from flows.errors import FlowError
from tasks.core.cli import INTERRUPTED

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State


def finish(state: State[Any]) -> None:
    """Print what the run came to. FlowError when it did not end well."""
    if not state.is_completed():
        raise FlowError(str(state.message))
    print(state.message)


@contextmanager
def interruptible(what_now: str) -> Iterator[None]:
    """Say on Ctrl-C what became of the work, and exit with 130."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"interrupted: {what_now}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
