"""Which contamination the verdict would have detected, and the false alarms to expect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tasks.drift import Params
from tasks.drift.past_windows import Distances
from tasks.drift.permutation import Floats, Population
from tasks.drift.rows import Rows
from tasks.drift.testing import Counts, PermutationResult, critical_p_value, p_values, signal_statistics

POWER = 0.8
YEAR = np.timedelta64(365 * 24 + 6, "h")
SHARES = np.geomspace(0.001, 0.8, 60)  # of contaminated rows: 12 % apart
OUTER = 0.1  # of the rows: where a contaminated row lies in each quantity; tried on texts by bench.drift


def detectable_effect(
    population: Population,
    results: list[PermutationResult],
    distances: Distances,
    current: Rows,
    params: Params,
) -> dict[str, Any]:
    """The section of that name in ``metrics/drift.json``, of the signals of ``population``; its result comes first."""
    smallest, by_signal = min_contaminated_share(population, results, params.level)
    as_different = distances.as_different.tolist() if len(distances.past) else None
    names = [signal.name for signal in population.signals]
    return {
        "power": POWER,
        "min_contaminated_share": smallest,
        "min_contaminated_share_by_signal": dict(zip(names, by_signal, strict=True)),
        "false_alarms_per_year": _false_alarms(current, params),
        "past_windows": len(distances.past),
        "past_windows_as_different": dict(zip(names, as_different, strict=True)) if as_different else None,
    }


def _false_alarms(current: Rows, params: Params) -> float | None:
    """The level times the verdicts in a year."""
    windows = params.windows_per_year
    if windows is None and current.times is not None and np.ptp(current.times) > np.timedelta64(0):
        windows = float(YEAR / np.ptp(current.times))
    return None if windows is None else round(params.level * windows, 2)


def min_contaminated_share(
    population: Population, results: list[PermutationResult], level: float
) -> tuple[float | None, list[float | None]]:
    """The smallest share of contaminated rows that is detected with POWER, over all signals and by each alone.

    A contaminated row lies in every quantity among the largest OUTER of the rows, holds none of the frequent words, is
    near none of the centres and of no known class. Such rows take the place of rows of permuted windows, where nothing
    else changed, and are tested at the level of the whole family. ``results``: every population's, with this one first.
    """
    statistics = np.hstack([result.statistics for result in results])
    critical = critical_p_value(p_values(statistics), level)
    if critical == 0:
        return None, [None] * len(population.signals)
    own = np.sort(statistics[:, : len(population.signals)], axis=0)
    # the largest statistic that is not significant; a constant one never is
    threshold = own[len(own) - round(critical * len(own)) - 1]
    counts = results[0].permuted
    contaminated = _contaminated(counts, population)
    powers = np.array([_power(counts, contaminated, population, share, threshold) for share in SHARES])
    smallest = [_smallest(column) for column in powers.T]
    return smallest[0], smallest[1:]


def _contaminated(counts: Counts, population: Population) -> Floats:
    """The share of contaminated rows that have each indicator [indicators]."""
    sets = [each for signal in population.signals for each in signal.indicators]
    cumulative = np.repeat([each.cumulative for each in sets], [each.values.shape[1] for each in sets])
    outer: Floats = np.clip((counts.total / counts.total_rows - (1 - OUTER)) / OUTER, 0, 1)
    return np.where(cumulative, outer, 0.0)


def _power(counts: Counts, contaminated: Floats, population: Population, share: float, threshold: Floats) -> Floats:
    """How often windows with that share of contaminated rows exceed the threshold: any signal, then each."""
    more = share * (counts.current_rows[:, None] * contaminated - counts.current)
    mixed = replace(counts, current=counts.current + more, total=counts.total + more)
    significant = signal_statistics(mixed, population.signals) > threshold
    return np.concatenate([[significant.any(axis=1).mean()], significant.mean(axis=0)])


def _smallest(powers: Floats) -> float | None:
    enough = np.flatnonzero(powers >= POWER)
    return round(float(SHARES[enough[0]]), 4) if len(enough) else None
