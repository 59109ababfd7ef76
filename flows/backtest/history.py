"""The repository's own history: every row that its pipeline lets pass, in order of time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import chdir
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flows.machine.home import Home
from flows.monitoring import labelling
from flows.parameters import WindowSettings
from flows.pipeline.graph import Dag
from flows.pipeline.result import Result
from flows.runs import workspace
from flows.training import as_task, in_order
from flows.windows.ranges import TimeRange, as_text, as_utc, next_window, reference_start, set_windows
from tasks.core import params, paths
from tasks.core.errors import UserError
from tasks.core.tables import read_table
from tasks.dataset import layout
from tasks.dataset.windows import Windows
from tasks.dataset.windows import load as load_windows
from tasks.ingest import Params as Ingest

Ints = npt.NDArray[np.int64]
STAGE = "validate@reference"
FAR_FUTURE = "2200-01-01"  # later than any row


@dataclass(frozen=True)
class History:
    """Rows as ``validate`` leaves them, by time, with the windows that ``params.yaml`` names."""

    rows: pa.Table
    windows: Windows

    @cached_property
    def times(self) -> npt.NDArray[np.datetime64]:
        """datetime64[us] [rows]."""
        found: npt.NDArray[np.datetime64] = self.rows["timestamp"].cast(pa.timestamp("us")).to_numpy()
        return found

    @property
    def newest(self) -> datetime:
        """The time of the last row."""
        found: datetime = self.times[-1].item()
        return found.replace(tzinfo=UTC)

    def within(self, window: TimeRange) -> Ints:
        """Which rows fall into the window."""
        return np.flatnonzero((self.times >= _utc64(window.since)) & (self.times < _utc64(window.until)))

    def before(self, until: datetime) -> Ints:
        """Which rows a model is trained on whose reference reaches to ``until``."""
        since, times = reference_start(self.windows.reference, until), self.times
        return np.flatnonzero((times < _utc64(until)) & (times >= _utc64(since) if since else True))


def _utc64(at: datetime) -> np.datetime64:
    return np.datetime64(at.replace(tzinfo=None), "us")


def prepare(home: Home, folder: Path, windows: WindowSettings) -> None:
    """Put these windows, the labels that came back, what landed, and what DVC tracks into a clone."""
    set_windows(folder / paths.PARAMS, windows)
    with chdir(folder):
        labelling.copy_labels(home, folder, ["reference"])
        workspace.land(home, folder)
        workspace.materialise(folder)


def reproduce(folder: Path, targets: Sequence[str]) -> list[Result]:
    """Bring stages and what they need up to date in a clone. Raises StageFailed."""
    with chdir(folder):
        dag = Dag()
        return list(in_order(dag, dag.order(targets), as_task(dag)))


def read(home: Home, folder: Path, until: datetime | None) -> History:
    """All rows before ``until``, through ``ingest`` and ``validate`` in a clone."""
    windows = load_windows(folder / paths.PARAMS)
    _refuse_without_history(windows, params.load(Ingest, "ingest", folder / paths.PARAMS))
    end = as_text(until) or FAR_FUTURE
    whole: WindowSettings = {"reference": {"from": None, "until": end}, "current": {"from": end, "until": None}}
    prepare(home, folder, whole)
    reproduce(folder, [STAGE])
    rows = read_table(folder / layout.window("reference").validated)
    return History(rows.sort_by([("timestamp", "ascending"), ("id", "ascending")]), windows)


def _refuse_without_history(windows: Windows, ingest: Ingest) -> None:
    if windows.current.source:
        raise UserError(
            "windows.current has a source of its own, and a backtest replays one history: name a source that holds "
            "both windows' rows as ingest.source"
        )
    columns = windows.reference.columns or ingest.columns
    for name in ("timestamp", "label"):
        if getattr(columns, name) is None:
            raise UserError(f"ingest.columns.{name} names no column: without it there is no history to replay")


def closed_windows(
    history: History, since: datetime | None, until: datetime | None, days: float | None
) -> list[TimeRange]:
    """The windows of the schedule, one after the other, that have closed by ``until`` or by the newest row.

    UserError: none has.
    """
    windows = history.windows
    if since is not None:
        length = TimeRange(since, since + timedelta(days=days)) if days else TimeRange.of(windows.current)
        first = length.same_length_from(since) if length else None
    else:
        first = next_window(windows, None, days)
    if first is None:
        raise UserError("windows.current names no range, so it is open how long a window is: name --since and --days")
    end, found = until or history.newest, []
    while first.until <= end:
        found.append(first)
        first = first.same_length_from(first.until)
    if not found:
        raise UserError(
            f"no window closes by {as_text(end)}: the first would be {first}; name --since, --until or --days"
        )
    return found


def refuse_one_class(history: History, first: TimeRange) -> None:
    """The first model needs two labels to learn from."""
    labels = sorted(set(history.rows["label"].take(pa.array(history.before(first.since))).to_pylist()))
    if len(labels) < 2:
        what = f"only {labels[0]!r}" if labels else "no row"
        raise UserError(f"before {as_text(first.since)} there is {what} to learn from: name a later --since")


def optional_date(text: str | None) -> datetime | None:
    """A date of the command line, if one was named."""
    return as_utc(text) if text else None
