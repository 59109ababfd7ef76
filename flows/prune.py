"""Delete the clones of old runs: ``python -m flows.prune [--keep N]``.

A clone holds nothing that its record does not: the record lies in the deployed repository, the data in the shared
cache. The newest stay for a look at their reports, and so does every clone whose run has left no record.
Not covered: DVC's cache. ``dvc gc --all-commits --all-experiments`` in the deployed repository empties it of what no
commit, tag or record points to.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from flows.home import CLONES_KEPT, Home
from flows.locks import Busy, holding
from flows.record import records
from tasks.cli import run
from tasks.errors import Refused


def clones(home: Home, keep: int = CLONES_KEPT) -> list[Path]:
    """Delete all recorded clones but the newest ``keep``: those deleted. The caller holds the workspace lock."""
    recorded = {record.name for record in records(home.origin)}
    there = sorted(home.clones.glob("*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
    old = [folder for folder in there[keep:] if folder.name in recorded]
    for folder in old:
        shutil.rmtree(folder)
    return old


def main() -> None:
    """The command line; refused while a run is at work."""
    parser = argparse.ArgumentParser(prog="python -m flows.prune", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--keep", type=int, default=CLONES_KEPT, metavar="N", help="of the newest (default: %(default)s)"
    )
    home = Home.of()
    try:
        with holding(home.workspace_lock, "python -m flows.prune", "skip"):
            gone = clones(home, parser.parse_args().keep)
    except Busy as busy:
        raise Refused(f"{busy}: try again when it is done") from None
    print("\n".join(f"deleted {folder}" for folder in gone) or "nothing to delete")


if __name__ == "__main__":
    run(main)
