"""What a stage made that was run by hand, without DVC: it differs from ``dvc.lock``, and is no damage.

A note beside DVC's own temporary files holds size, inode and times of each such file: what was written to since, by a
person or a failing disk, is no longer what the stage made.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from tasks.core.files import write_json

DVC = Path(".dvc")
NOTE = DVC / "tmp/driftline/by_hand.json"


def note(outputs: Iterable[Path]) -> None:
    """Remember the outputs of a stage that has just ended well; DVC remembers those of a stage that it runs itself."""
    if "DVC_STAGE" in os.environ or not DVC.is_dir():
        return
    write_json(_noted() | {path.as_posix(): _state(path) for path in outputs if path.exists()}, NOTE)


def made(path: Path) -> bool:
    """Whether a stage run by hand made the file or folder, and nothing wrote to it since."""
    noted = _noted().get(path.as_posix())
    return noted is not None and noted == _state(path)


def _noted() -> dict[str, object]:
    try:
        found = json.loads(NOTE.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # a lost note costs a `dvc repro`, no result
        return {}
    return found if isinstance(found, dict) else {}


def _state(path: Path) -> dict[str, list[int]]:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    states = ((file, file.stat()) for file in files)
    return {file.as_posix(): [at.st_size, at.st_ino, at.st_mtime_ns, at.st_ctime_ns] for file, at in states}
