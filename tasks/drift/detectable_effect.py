"""What the verdict could have seen, and how the change it saw compares with those between windows of the past."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tasks.drift import Params
from tasks.drift.permutation import Floats, Integers, Population
from tasks.drift.rows import Rows
from tasks.drift.testing import Change, Tested, critical, p_values, signal_statistics

POWER = 0.8
YEAR = np.timedelta64(365 * 24 + 6, "h")
SHARES = np.geomspace(0.001, 0.8, 60)  # of contaminated rows: 12 % apart
MAX_WINDOWS = 60  # of the past
OUTER = 0.1  # of the rows: where foreign ones lie in each quantity; bench.drift sight has what that is worth


def sight(
    population: Population, tested: list[Tested], windows: list[Integers], current: Rows, params: Params
) -> dict[str, Any]:
    """What ``metrics/drift.json`` says under that name, of the signals of ``population``: the first of those tested."""
    smallest, alone = detectable(population, tested, params.level)
    larger = beside_the_past(population, tested[0], windows).tolist() if windows else None
    names = [signal.name for signal in population.signals]
    return {
        "power": POWER,
        "smallest_share_of_foreign_rows": smallest,
        "smallest_share_by_signal": dict(zip(names, alone, strict=True)),
        "false_alarms_a_year": _false_alarms(current, params),
        "past_windows": len(windows),
        "past_windows_that_differ_as_much": dict(zip(names, larger, strict=True)) if larger else None,
    }


def _false_alarms(current: Rows, params: Params) -> float | None:
    """The level times the verdicts in a year."""
    windows = params.windows_a_year
    if windows is None and current.times is not None and np.ptp(current.times) > np.timedelta64(0):
        windows = float(YEAR / np.ptp(current.times))
    return None if windows is None else round(params.level * windows, 2)


def detectable(population: Population, tested: list[Tested], level: float) -> tuple[float | None, list[float | None]]:
    """The smallest share of foreign rows that is significant in POWER of cases, over all signals and in each alone.

    Foreign is a row that in every quantity lies among the largest OUTER of the rows, with none of the frequent words,
    near none of the centres, of no known class. Such rows are put into permuted windows, where nothing else changed,
    and each is tested at the level of the whole family. ``tested``: every population's, this one's first.
    """
    scores = np.hstack([one.scores for one in tested])
    limit = critical(p_values(scores), level)
    if limit == 0:
        return None, [None] * len(population.signals)
    own = np.sort(scores[:, : len(population.signals)], axis=0)
    most = own[len(own) - round(limit * len(own)) - 1]  # the largest that is not significant: a constant never is
    change, foreign = tested[0].permuted, _foreign(tested[0].permuted, population)
    found = np.array([_seen(change, foreign, population, share, most) for share in SHARES])  # [shares, 1 + signals]
    smallest = [_first(column) for column in found.T]
    return smallest[0], smallest[1:]


def _foreign(change: Change, population: Population) -> Floats:
    """How many of the foreign rows say yes to each question [questions], as a share."""
    ordered = [part.ordered for signal in population.signals for part in signal.parts]
    widths = [part.answers.shape[1] for signal in population.signals for part in signal.parts]
    outer: Floats = np.clip((change.total / change.all_rows - (1 - OUTER)) / OUTER, 0, 1)
    return np.where(np.repeat(ordered, widths), outer, 0.0)


def _seen(change: Change, foreign: Floats, population: Population, share: float, most: Floats) -> Floats:
    """How often windows with that share of foreign rows pass what is not significant: any signal, then each."""
    more = share * (change.rows[:, None] * foreign - change.yes)
    passed = signal_statistics(replace(change, yes=change.yes + more, total=change.total + more), population.signals)
    return np.concatenate([[(passed > most).any(axis=1).mean()], (passed > most).mean(axis=0)])


def _first(powers: Floats) -> float | None:
    enough = np.flatnonzero(powers >= POWER)
    return round(float(SHARES[enough[0]]), 4) if len(enough) else None


def past_windows(reference: Rows, current: Rows, fewest: int) -> list[Integers]:
    """The reference rows of each past window: as long as the current one, back from the newest row; none without times.

    Windows with fewer rows than ``fewest``, or that leave fewer, are left out.
    """
    if reference.times is None or current.times is None:
        return []
    span = max(int(np.ptp(current.times.astype(np.int64))), 1)
    age = (reference.times.max() - reference.times).astype(np.int64) // span
    windows = (np.flatnonzero(age == which) for which in np.unique(age))
    most = reference.count - fewest
    return [rows for rows in windows if fewest <= len(rows) <= most][:MAX_WINDOWS]


def beside_the_past(population: Population, tested: Tested, windows: list[Integers]) -> NDArray[np.int64]:
    """How many past windows differ from the rest of the reference by as much as the current one does [signals].

    Compared is the root mean square change of the shares, in units of their spread, without what chance adds at the
    sizes at hand.
    """
    reference = np.flatnonzero(~population.current)
    chance = np.median(tested.scores, axis=0)
    now = _distance(tested.scores[0], chance, len(population.current) - len(reference), len(reference))
    counts = [_distance(*_past(population, reference, rows, chance)) for rows in windows]
    as_far: NDArray[np.int64] = np.sum([past >= now for past in counts], axis=0, dtype=np.int64)
    return as_far


def _past(population: Population, reference: Integers, rows: Integers, chance: Floats) -> tuple[Any, ...]:
    """The statistics of one past window against the rest of the reference, and the two sizes."""
    sides = csr_array(np.vstack([np.isin(reference, rows), np.ones(len(reference))]).astype(np.float32))
    counts = [
        np.cumsum(found, axis=1) if part.ordered else found
        for signal in population.signals
        for part in signal.parts
        for found in [(sides @ part.answers[reference]).toarray().astype(np.float64)]
    ]
    both = np.hstack(counts)
    change = Change(both[:1], both[1], np.array([float(len(rows))]), float(len(reference)))
    return signal_statistics(change, population.signals)[0], chance, len(rows), len(reference) - len(rows)


def _distance(statistics: Floats, chance: Floats, rows: int, others: int) -> Floats:
    distance: Floats = np.sqrt(np.maximum(statistics - chance, 0) * (1 / rows + 1 / others))
    return distance
