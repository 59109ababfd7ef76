"""The two-sample permutation test over many signals at once, and its correction for their number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.drift.permutation import Floats, Indicators, Population, Signal, Units, assignments, exchangeable_units


@dataclass(frozen=True)
class LargestChange:
    """The indicator of a signal whose share of rows differs most between the two sides."""

    indicator: str
    reference: float
    current: float

    @property
    def effect(self) -> float:
        """The absolute change in the share."""
        return abs(self.current - self.reference)


@dataclass(frozen=True)
class Counts:
    """Rows that have an indicator: among those called current [batch, indicators], in all [indicators]; and all rows.

    ``total`` may differ from one of the batch to the next: [batch, indicators] then.
    """

    current: Floats
    total: Floats
    current_rows: Floats
    """[batch]"""
    total_rows: float

    def standardised(self) -> Floats:
        """The squared difference of the shares over its variance under the null hypothesis; 0 where that is 0.

        The difference is taken between whole numbers, so that ties stay ties.
        """
        total, rows = np.atleast_2d(self.total), self.current_rows[:, None]
        squares = self.current * self.total_rows
        squares -= total * rows
        squares *= squares
        spread = total * (self.total_rows - total)
        squares *= np.divide(self.total_rows, spread, out=np.zeros_like(spread), where=spread > 0)
        squares /= rows * (self.total_rows - rows)
        return squares


@dataclass(frozen=True)
class PermutationResult:
    """The permutation test of one population.

    ``statistics`` [permutations + 1, signals]: the observed one first. ``changes`` [signals]: the largest in each.
    ``permuted``: the counts of the first batch of permutations, for the power at a given effect.
    """

    statistics: Floats
    changes: list[LargestChange]
    permuted: Counts


def permutation_test(population: Population, permutations: int, seed: int | Sequence[int]) -> PermutationResult:
    """Every signal's statistic, as observed and as permuted."""
    rng = np.random.default_rng(seed)
    units = exchangeable_units(population, rng)
    per_unit = np.hstack([_counts(each, units) for signal in population.signals for each in signal.indicators])
    sizes = units.membership.sum(axis=1).astype(np.float64)
    statistics: list[Floats] = []
    first: list[Counts] = []  # the observed one, and the first batch
    for assignment in assignments(units, permutations, rng):
        current = (assignment @ per_unit).astype(np.float64)
        counts = Counts(current, per_unit.sum(axis=0, dtype=np.float64), assignment @ sizes, float(sizes.sum()))
        statistics.append(signal_statistics(counts, population.signals))
        first = [*first, counts][:2]
    return PermutationResult(np.vstack(statistics), _largest_changes(first[0], population.signals), first[1])


def _counts(indicators: Indicators, units: Units) -> NDArray[np.float32]:
    """How many rows of each unit have each indicator [units, indicators]."""
    counts = (units.membership @ indicators.values).toarray()
    return (np.cumsum(counts, axis=1) if indicators.cumulative else counts).astype(np.float32, copy=False)


def signal_statistics(counts: Counts, signals: Sequence[Signal]) -> Floats:
    """The power mean of the standardised squares of a set of indicators, the largest of a signal's [batch, signals].

    The third power (of the family of Pan et al. 2014) lies between the mean, which finds a small change of all
    indicators, and the largest, which finds a large change of one: of 5 % contaminated rows it found far more than the
    mean, at no loss.
    """
    widths = np.array([width for signal in signals for each in signal.indicators for width in each.widths])
    sets = np.array([sum(len(each.widths) for each in signal.indicators) for signal in signals])
    cubes = counts.standardised() ** 3
    means = np.cbrt(np.add.reduceat(cubes, np.cumsum(widths) - widths, axis=1) / widths)
    largest: Floats = np.maximum.reduceat(means, np.cumsum(sets) - sets, axis=1)
    return largest


def _columns(signals: Sequence[Signal]) -> Iterator[list[tuple[Indicators, slice]]]:
    """Each signal's sets of indicators with their columns."""
    start = 0
    for signal in signals:
        ends = start + np.cumsum([each.values.shape[1] for each in signal.indicators])
        columns = [slice(int(a), int(b)) for a, b in zip([start, *ends[:-1]], ends, strict=True)]
        yield list(zip(signal.indicators, columns, strict=True))
        start = int(ends[-1])


def _largest_changes(counts: Counts, signals: Sequence[Signal]) -> list[LargestChange]:
    current = counts.current[0] / counts.current_rows[0]
    reference = (counts.total - counts.current[0]) / (counts.total_rows - counts.current_rows[0])
    effects = np.abs(current - reference)
    found = []
    for sets in _columns(signals):
        each, columns = max(sets, key=lambda pair: effects[pair[1]].max())
        place = int(np.argmax(effects[columns]))
        column = columns.start + place
        found.append(LargestChange(each.name(place), float(reference[column]), float(current[column])))
    return found


def p_values(statistics: Floats) -> Floats:
    """Each statistic's share of statistics as large or larger in its own column, itself included [draws, signals]."""
    draws = len(statistics)
    ordered = np.sort(statistics, axis=0)
    below = [np.searchsorted(ordered[:, j], statistics[:, j], side="left") for j in range(statistics.shape[1])]
    return (draws - np.column_stack(below)) / draws


def adjusted_p_values(p: Floats) -> Floats:
    """Family-wise p-values [signals] of the first row of ``p`` [draws, signals].

    Step-down min-p over the same permutations: Westfall and Young, Resampling-Based Multiple Testing (1993), algorithm
    2.8; whatever the dependence between the signals, the chance of any false alarm is the level.
    """
    order = np.argsort(p[0], kind="stable")
    smallest = np.minimum.accumulate(p[:, order[::-1]], axis=1)[:, ::-1]  # over this signal and the less significant
    stepped = np.maximum.accumulate((smallest <= smallest[0]).mean(axis=0))
    result = np.empty_like(stepped)
    result[order] = stepped
    return result


def critical_p_value(p: Floats, level: float) -> float:
    """The largest p-value that a single signal may have to be significant at the family-wise level; 0 where none may.

    ``p`` [draws, signals]. That of the signal with the smallest p-value: the step-down is no stricter for the others.
    """
    smallest = np.sort(p.min(axis=1))
    share = np.searchsorted(smallest, smallest, side="right") / len(smallest)
    passing = smallest[share <= level]
    return float(passing[-1]) if len(passing) else 0.0
