"""The command ``driftline``: it runs the code of the repository one stands in. ``make setup`` installs it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

PARTS = ("dvc.yaml", "tasks", "flows")  # what tells a Driftline repository from any other folder
REFUSED = 2


def repository(folder: Path) -> Path | None:
    """The top of the repository that the folder is in; None where it is in none."""
    return next((top for top in (folder, *folder.parents) if all((top / part).exists() for part in PARTS)), None)


def main() -> NoReturn:
    """Go to the top of this repository and run its ``flows/cli`` with this process's arguments."""
    try:
        folder = Path.cwd()
    except FileNotFoundError:
        _refuse("this folder no longer exists: cd into a Driftline repository first")
    top = repository(folder)
    if top is None:
        _refuse(f"{folder} is in no Driftline repository: cd into one first")
    if not (top / "flows" / "cli").is_dir():
        _refuse(f"{top} is of a release without the command driftline: its README.md lists the commands it has")
    sys.path.insert(0, str(top))
    # stages and DVC are started by their names, whether or not this environment is activated
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    os.chdir(top)
    from flows.cli.app import run

    run(folder)


def _refuse(why: str) -> NoReturn:
    if "_DRIFTLINE_COMPLETE" not in os.environ:  # a shell that asks how to complete a line shows no message
        print(f"error: {why}", file=sys.stderr)
    sys.exit(REFUSED)


if __name__ == "__main__":
    main()
