"""Land new rows: ``driftline land``, or ``python -m tasks.land``."""

from __future__ import annotations

from typing import Annotated

import typer


def land(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Sources of landing.yaml.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and compare, but add and track nothing.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Read every row, also those before the cursor.")] = False,
) -> None:
    """Fetch what is new in the sources of landing.yaml.

    It goes into data/landing/ and is tracked by DVC.
    """
    from tasks.land.__main__ import land_all

    land_all(names or [], dry_run, full)
