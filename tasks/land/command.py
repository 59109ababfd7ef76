"""Land new rows: ``driftline land``, or ``python -m tasks.land``."""

from __future__ import annotations

from typing import Annotated

import typer


def land(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Sources of landing.yaml.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and compare, but add and track nothing.")] = False,
    retire: Annotated[str | None, typer.Option(metavar="PART", help="Have ingest read on without this part.")] = None,
    reason: Annotated[str, typer.Option(help="With --retire: why the part is wrong.")] = "",
    full: Annotated[bool, typer.Option("--full", help="Read every row, also those before the cursor.")] = False,
) -> None:
    """Fetch what is new in the sources of landing.yaml.

    It goes into data/landing/ and is tracked by DVC. With --retire, a part that is wrong is left out from now on; it
    stays in its place, with the reason.
    """
    from tasks.land.__main__ import land_all, retire_part

    if retire is not None:
        retire_part(retire, reason)
        return
    land_all(names or [], dry_run, full)
