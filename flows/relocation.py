"""A checkout to another place: ``driftline move``.

``mv`` does as well while nothing runs. This one refuses while something does, moves between disks too, and tells git.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from flows.machine.git import git
from flows.machine.home import Home
from flows.machine.locks import idle
from tasks.core.errors import UserError


def move(home: Home, folder: Path) -> list[str]:
    """Move the checkout: what to do next, in words. UserError: the folder is there, or something runs."""
    if folder.exists():
        raise UserError(f"{folder} exists: name a new folder")
    if folder.is_relative_to(home.top):
        raise UserError(f"{folder} lies in {home.top}, which is to be moved: name a folder outside")
    with idle(home, "driftline move"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        if (home.top / ".git").is_dir():
            shutil.move(home.top, folder)
            git(folder, "worktree", "repair")
        else:  # a worktree, of which git keeps the place
            git(home.top, "worktree", "move", str(home.top), str(folder))
        moved = Home.of(folder / home.prefix)
        return [
            f"{moved.name}, checkout {moved.checkout.id}: {folder}",
            f"go on: cd {folder} && make setup && driftline serve",
        ]
