"""``python -m flows.upgrade REPOSITORY``: take the release of this checkout into another repository.

`driftline upgrade` runs it in a checkout of the release; a team whose clone has no such command yet runs it by hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.upgrade.command import upgrade
from tasks.core.cli import run


def main(
    repository: Annotated[Path, typer.Argument(metavar="REPOSITORY", help="The team's clone.")],
    release: Annotated[str | None, typer.Argument(metavar="COMMIT", help="Of this checkout; by default HEAD.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, only say what would happen.")] = False,
) -> None:
    """Upgrade the repository named on the command line."""
    raise typer.Exit(upgrade(repository, revision=release, apply=yes))


if __name__ == "__main__":
    run(main)
