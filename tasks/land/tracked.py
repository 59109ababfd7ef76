"""Landings and DVC: parts are restored before a landing adds to them, and tracked afterwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tasks.core.errors import UserError
from tasks.core.yaml_files import read_yaml


def restore(folder: Path) -> None:
    """Check out a tracked landing that is missing, so that it does not start again from its first part."""
    pointer = folder.with_name(f"{folder.name}.dvc")
    if not pointer.exists():
        return
    if not folder.exists():
        _dvc(["checkout", str(pointer)], f"{folder} is tracked but not here: run `dvc pull {folder}` first")
    recorded = read_yaml(pointer)["outs"][0].get("nfiles", 0)
    if (present := len(list(folder.iterdir()))) < recorded:
        raise UserError(f"{folder} holds {present} of its {recorded} parts: run `dvc pull {folder}` first")


def track(folders: list[Path]) -> None:
    """Have DVC track the folders as they are now."""
    _dvc(["add", "--quiet", *map(str, folders)], "what landed is in its place but DVC does not track it")


def _dvc(arguments: list[str], wrong: str) -> None:
    done = subprocess.run([sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{wrong}\n{done.stderr.strip()}")
