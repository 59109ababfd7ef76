"""Whether rows have arrived in a window: a night in which nothing came is no failure, and nothing was watched.

The source of a clone, which is the current folder, is read as ``ingest`` reads it, by the code of this release.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow.compute as pc

from flows.pipeline.graph import Dag
from flows.runs import workspace
from flows.runs.old_params import section_today, windows_of
from flows.windows.ranges import TimeRange
from tasks.core import paths
from tasks.dataset.labels import label_format
from tasks.ingest import Params, windows
from tasks.ingest.__main__ import read_window

log = logging.getLogger(__name__)


def is_empty(window: TimeRange | None) -> bool:
    """Whether the source, which can be read, has no row in the window; never so without one."""
    try:
        return window is not None and not _with_rows([window])
    except Exception as failure:  # noqa: BLE001  whatever it is: what failed before says what is wrong
        log.warning(f"whether {window} has rows cannot be told: {failure}")
        return False


def found(earlier: Sequence[TimeRange]) -> list[TimeRange]:
    """Those of the windows in which there are rows; none where that cannot be told, which is said."""
    try:
        return _with_rows(earlier) if earlier else []
    except Exception as failure:  # noqa: BLE001  the window that is watched counts, whatever became of earlier ones
        log.warning(f"whether late rows have arrived cannot be told: {failure}")
        return []


def _with_rows(ranges: Sequence[TimeRange]) -> list[TimeRange]:
    """Reads the source once, from the first to the last."""
    whole = {"from_": min(one.since for one in ranges), "until": max(one.until for one in ranges), "labels": None}
    asked = windows_of(paths.PARAMS)
    own = asked.current
    asked = asked.model_copy(update={"current": own.model_copy(update=whole)})
    try:
        rows, _ = read_window(
            windows.plan("current", asked, section_today(Params, "ingest", paths.PARAMS), label_format())
        )
    except windows.EmptyWindow:
        return []
    limits = {one: own.model_copy(update={"from_": one.since, "until": one.until}) for one in ranges}
    return [one for one in ranges if pc.any(windows.within(rows["timestamp"], limits[one])).as_py()]


def forget(folder: Path, dag: Dag, stages: Collection[str]) -> None:
    """Take out of a clone what earlier runs of these stages have left: they did not run on this window."""
    for path in (folder / path for name in stages for path in dag.outputs(name)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    workspace.forget_other_stages(folder, set(dag.order()) - set(stages))
