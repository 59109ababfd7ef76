"""What the commands share: options of one meaning have one name, examples one form, and runs of a flow one end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.errors import FlowError
from flows.machine import checkout
from flows.machine.git import typed
from flows.machine.home import Home
from tasks.core.cli import INTERRUPTED, from_caller

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State


def _home(typed: str | Home) -> Home:
    """Of the repository that was typed; the default comes as a home."""
    return typed if isinstance(typed, Home) else Home.of(from_caller(typed))


def _settled(typed: str | Home) -> Home:
    """The same; whoever sits at a terminal is asked once what a copy made with ``cp -r`` is to be."""
    home = _home(typed)
    if sys.stdin.isatty() and (other := checkout.original(home.origin)):
        question = f"{home.origin} is a copy of {other}. Make it a checkout of its own, without the labels kept there?"
        if typer.confirm(question, default=True):
            checkout.make_new(home.origin)
    return home


def _option(parser: Callable[[str | Home], Home]) -> Any:
    return typer.Option(
        "--repository",
        metavar="FOLDER",
        parser=parser,
        default_factory=Home.of,
        show_default=False,
        help="The deployed repository; by default this one.",
    )


HomeOption = Annotated[Home, _option(_settled)]
CopyOption = Annotated[Home, _option(_home)]
"""Of the command that says what a copy is to be."""
SinceOption = Annotated[str | None, typer.Option("--since", metavar="DATE", help="Where the time range begins, UTC.")]
UntilOption = Annotated[str | None, typer.Option("--until", metavar="DATE", help="Where it ends, UTC; not included.")]
PushOption = Annotated[
    str | None,
    typer.Option(
        "--push",
        metavar="REMOTE",
        parser=lambda remote: typed(remote, "--push"),
        help="A git remote that gets the new tags and records too.",
    ),
]


def examples(*lines: str) -> str:
    """The end of a command's help: a line each, what it does behind the sign #."""
    return "\n".join(["\b", "Examples:", *(f"  driftline {line}" for line in lines)])


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
