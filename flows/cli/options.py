"""What the commands share: options of one meaning have one name, and examples one form."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.machine.home import Home
from tasks.core.cli import from_caller


def _home(typed: str | Home) -> Home:
    """Of the repository that was typed; the default comes as a home."""
    return typed if isinstance(typed, Home) else Home.of(from_caller(typed))


HomeOption = Annotated[
    Home,
    typer.Option(
        "--repository",
        metavar="FOLDER",
        parser=_home,
        default_factory=Home.of,
        show_default=False,
        help="The deployed repository; by default this one.",
    ),
]
SinceOption = Annotated[str | None, typer.Option("--since", metavar="DATE", help="Where the time range begins, UTC.")]
UntilOption = Annotated[str | None, typer.Option("--until", metavar="DATE", help="Where it ends, UTC; not included.")]
PushOption = Annotated[
    str | None, typer.Option("--push", metavar="REMOTE", help="A git remote that gets the new tags and records too.")
]


def examples(*lines: str) -> str:
    """The end of a command's help: a line each, what it does behind the sign #."""
    return "\n".join(["\b", "Examples:", *(f"  driftline {line}" for line in lines)])
