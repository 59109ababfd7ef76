"""``python -m flows.upgrade REPOSITORY``: take the release of this checkout into another repository.

`driftline upgrade` runs it in a checkout of the release; a team whose clone has no such command yet runs it by hand.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from flows.upgrade.command import upgrade
from tasks.core.cli import run


def main() -> None:
    """Upgrade the repository named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m flows.upgrade", description=__doc__)
    parser.add_argument("repository", type=Path, help="the team's clone")
    parser.add_argument("release", nargs="?", help="a commit of this checkout; its HEAD when left out")
    parser.add_argument("--yes", action="store_true", help="do it; without, only say what would happen")
    given = parser.parse_args()
    code = upgrade(given.repository, revision=given.release, apply=given.yes)
    if code:
        sys.exit(code)


if __name__ == "__main__":
    run(main)
