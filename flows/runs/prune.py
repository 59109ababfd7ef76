"""Delete the clones of old runs and abandoned checkpoints: ``driftline prune [--keep N]``.

A clone holds nothing that its record does not: the record lies in the deployed repository, the data in the shared
cache. The newest stay for a look at their reports, and so does every clone whose run has left no record. A checkpoint
is what an interrupted training left for the next; a rebuild trains anew, so no record needs one.
Of DVC's cache it forgets what neither a version nor a record needs (``flows.runs.kept``); ``dvc gc`` deletes the rest.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from flows.machine.home import CLONES_KEPT, Home
from flows.machine.locks import holding
from flows.runs import kept
from flows.runs.record import records
from flows.runs.workspace import shared_cache
from tasks.modelling.training import checkpoint_store

CHECKPOINTS_KEPT = 3
CHECKPOINT_DAYS = 30.0


def clones(home: Home, keep: int = CLONES_KEPT) -> list[Path]:
    """Delete all recorded clones but the newest ``keep``: those deleted. The caller holds the workspace lock."""
    recorded = {record.name for record in records(home.origin)}
    there = sorted(home.clones.glob("*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
    old = [folder for folder in there[keep:] if folder.name in recorded]
    for folder in old:
        shutil.rmtree(folder)
    return old


def checkpoints(home: Home, keep: int = CHECKPOINTS_KEPT, days: float = CHECKPOINT_DAYS) -> list[Path]:
    """Delete what trainings left that were interrupted more than ``days`` ago, and all but the newest ``keep``.

    What a training uses now stays, whoever has started it. Gives those deleted.
    """
    there = sorted(
        ((_touched(folder), folder) for folder in home.checkpoints.glob("*") if folder.is_dir()), reverse=True
    )
    oldest = time.time() - days * 86400
    gone = []
    for number, (touched, folder) in enumerate(there):
        if number < keep and touched >= oldest:
            continue
        with checkpoint_store.exclusive(folder) as unused:
            if unused:
                shutil.rmtree(folder)
                gone.append(folder)
    return gone


def _touched(folder: Path) -> float:
    """When the newest of its files was written, its lock left out: asking for that changes it."""
    files = [file for file in folder.rglob("*") if file.is_file() and file != folder / checkpoint_store.LOCK]
    return max((file.stat().st_mtime for file in files), default=folder.stat().st_mtime)


def prune(home: Home, keep: int, keep_checkpoints: int, days: float) -> list[Path]:
    """Delete both, and give what was deleted. UserError while a run is at work."""
    with holding(home.workspace_lock, "driftline prune", "refuse"):
        gone = clones(home, keep) + checkpoints(home, keep_checkpoints, days)
        kept.trim(home, shared_cache(home))
        return gone
