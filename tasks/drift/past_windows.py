"""How far each past window of the reference lies from the rest of it, as the current one does from all of it.

The stage has no memory: ``flows.windows`` puts these beside the windows that were watched since.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tasks.drift.estimates import calibrated_chances, correct, labelled
from tasks.drift.permutation import Floats, Integers, Population
from tasks.drift.rows import Rows
from tasks.drift.testing import Counts, PermutationResult, signal_statistics

MAX_WINDOWS = 1000  # the newest: as many as a nightly schedule needs for a budget of one false alarm a year, by rank
OF_ANSWERS = ("labels", "accuracy")  # signals of labels, which come late or never: harm is told from those
FLOOR = 0.1  # of what chance adds: a distance of nothing tells no window from another
WHOLE = 0.85  # of a window's length that the reference's oldest one has to have


@dataclass(frozen=True)
class PastWindow:
    """Reference rows of a range [since, until)."""

    since: np.datetime64
    until: np.datetime64
    rows: Integers
    """Which of the reference's rows."""


def past_windows(
    reference: Rows, current: Rows, min_rows: int, length: np.timedelta64 | None = None
) -> list[PastWindow]:
    """The past windows back from the reference's newest row, the newest first; none without times.

    Each is as long as ``length``, or else as the time from the current window's first row to its last. Windows with
    fewer rows than ``min_rows``, or that leave fewer, are left out, and so is an oldest one that is cut short.
    """
    if reference.times is None or current.times is None:
        return []
    long = int((length or np.ptp(current.times)).astype("timedelta64[us]").astype(np.int64))
    newest, long = reference.times.max(), max(long, 1)
    age = (newest - reference.times).astype("timedelta64[us]").astype(np.int64) // long
    step, end = np.timedelta64(long, "us"), newest + np.timedelta64(1, "us")
    found = []
    for which in np.unique(age).tolist():
        rows, since = np.flatnonzero(age == which), end - (which + 1) * step
        whole = reference.times.min() <= since + (1 - WHOLE) * step
        if whole and min_rows <= len(rows) <= reference.count - min_rows:
            found.append(PastWindow(since, since + step, rows))
    return found[:MAX_WINDOWS]


@dataclass(frozen=True)
class Distances:
    """By signal: of the current window ``now`` [signals], and of each past one ``past`` [windows, signals].

    The root mean square change of the shares, in units of their spread, without what chance adds at the sizes at hand.
    """

    now: Floats
    past: Floats

    @property
    def as_different(self) -> NDArray[np.int64]:
        """How many past windows differ by as much as the current one [signals]."""
        counts: NDArray[np.int64] = np.sum(self.past >= self.now, axis=0, dtype=np.int64)
        return counts


def distances(population: Population, result: PermutationResult, windows: list[PastWindow]) -> Distances:
    """Of the current window from the reference, and of each past window from the rest of the reference."""
    reference = np.flatnonzero(~population.current)
    expected = np.median(result.statistics, axis=0)
    now = _distance(result.statistics[0], expected, len(population.current) - len(reference), len(reference))
    if not windows:
        return Distances(now, np.zeros((0, len(now))))
    sizes = np.array([len(one.rows) for one in windows], dtype=np.float64)
    statistics = _past_statistics(population, reference, windows, sizes)
    return Distances(now, _distance(statistics, expected, sizes[:, None], len(reference) - sizes[:, None]))


def _past_statistics(population: Population, reference: Integers, windows: list[PastWindow], sizes: Floats) -> Floats:
    """The statistics of each past window against the rest of the reference [windows, signals]."""
    row = np.concatenate([one.rows for one in windows])
    of = np.repeat(np.arange(len(windows)), sizes.astype(np.int64))
    shape = len(windows) + 1, len(reference)
    everyone = np.full(len(reference), len(windows))
    places = np.concatenate([of, everyone]), np.concatenate([row, np.arange(len(reference))])
    sides = csr_array((np.ones(len(places[0]), dtype=np.float32), places), shape=shape)
    counts = np.hstack(
        [
            np.cumsum(found, axis=1) if each.cumulative else found
            for signal in population.signals
            for each in signal.indicators
            for found in [(sides @ each.values[reference]).toarray().astype(np.float64)]
        ]
    )
    return signal_statistics(Counts(counts[:-1], counts[-1], sizes, float(len(reference))), population.signals)


def _distance(statistics: Floats, expected: Floats, rows: Floats | float, others: Floats | float) -> Floats:
    distance: Floats = np.sqrt(np.maximum(statistics - expected, FLOOR * expected) * (1 / rows + 1 / others))
    return distance


def section(population: Population, found: Distances, windows: list[PastWindow], reference: Rows) -> dict[str, Any]:
    """What ``metrics/drift.json`` says under ``distances``: of the current window and of each past one, by signal.

    Signals of labels are left out. Of past windows also how many rows have a label, how many of those the model got
    right, and the accuracy that the confidences lead to expect.
    """
    names = [(i, signal.name) for i, signal in enumerate(population.signals) if signal.name not in OF_ANSWERS]
    known, right = labelled(reference), None
    if known.any():
        right = correct(reference)
    chances = calibrated_chances(reference)
    return {
        "current": {name: round(float(found.now[i]), 6) for i, name in names},
        "past": [
            {
                "from": _iso(one.since),
                "until": _iso(one.until),
                "rows": len(one.rows),
                "labelled": int(known[one.rows].sum()),
                "right": 0 if right is None else int(right[one.rows].sum()),
                "estimated_accuracy": None if chances is None else round(float(chances[one.rows].mean()), 4),
                "distances": {name: round(float(found.past[place, i]), 6) for i, name in names},
            }
            for place, one in enumerate(windows)
        ],
    }


def _iso(moment: np.datetime64) -> str:
    return f"{moment.astype('datetime64[us]')}+00:00"
