"""Room on the disk: asked before a stage runs, and said in ``driftline status``."""

from __future__ import annotations

import shutil
from pathlib import Path

from flows.errors import TooLittleSpace

RESERVE = 512 * 2**20  # bytes left for logs, databases and everyone else
COPIES = 2  # of an output: in the working tree and in DVC's cache


def free(folder: Path) -> int:
    """Bytes free on the disk that holds the folder."""
    return shutil.disk_usage(folder).free


def require_space(folder: Path, outputs: int) -> None:
    """Raise TooLittleSpace unless outputs of so many bytes fit, in the working tree and in the cache."""
    need, there = RESERVE + COPIES * outputs, free(folder)
    if there < need:
        raise TooLittleSpace(
            f"{folder.resolve()}: {readable(there)} free, {readable(need)} needed: delete what is not needed there "
            "(`driftline prune` does away with the clones of old runs) and run again"
        )


def readable(size: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
