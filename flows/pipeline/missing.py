"""A package that an older commit's stage imports and this environment lacks, with the command that installs it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

NOT_FOUND = re.compile(r"ModuleNotFoundError: No module named '(\w+)")
LOCK = Path("requirements.lock")


def install_hints(output: Iterable[str], folder: Path = Path()) -> list[str]:
    """Of a stage's last lines; the version is the one that the commit in ``folder`` was made with."""
    modules = dict.fromkeys(module for line in output for module in NOT_FOUND.findall(line))
    return [
        f"this commit's code imports {module}, which is not installed: pip install '{_requirement(module, folder)}'"
        for module in modules
    ]


def _requirement(module: str, folder: Path) -> str:
    """The package's line of the lock, whose name is mostly the module's."""
    name, lock = module.lower().replace("_", "-"), folder / LOCK
    lines = lock.read_text(encoding="utf-8").splitlines() if lock.exists() else []
    pinned = [
        line.partition(";")[0].split()[0] for line in lines if line.lower().replace("_", "-").startswith(f"{name}==")
    ]
    return pinned[0] if pinned else name
