"""The two-sample permutation test over many signals at once, and its correction for their number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.drift.permutation import Floats, Part, Population, Signal, Units, assignments, exchangeable


@dataclass(frozen=True)
class Move:
    """The question of a signal whose share of yes differs most between the sides."""

    question: str
    reference: float
    current: float

    @property
    def effect(self) -> float:
        """The absolute change in the share."""
        return abs(self.current - self.reference)


@dataclass(frozen=True)
class Change:
    """Counts of yes in the rows called current [batch, questions], in all [questions]; rows there [batch], in all.

    The count in all may differ from one of the batch to the next: [batch, questions] then.
    """

    yes: Floats
    total: Floats
    rows: Floats
    all_rows: float

    def standardised(self) -> Floats:
        """The squared difference of the shares over its variance under the null hypothesis; 0 where all answer alike.

        The difference is taken between whole numbers, so that ties stay ties.
        """
        total, rows = np.atleast_2d(self.total), self.rows[:, None]
        squares = self.yes * self.all_rows
        squares -= total * rows
        squares *= squares
        spread = total * (self.all_rows - total)
        squares *= np.divide(self.all_rows, spread, out=np.zeros_like(spread), where=spread > 0)
        squares /= rows * (self.all_rows - rows)
        return squares


@dataclass(frozen=True)
class Tested:
    """What permuting a population showed.

    ``scores`` [permutations + 1, signals]: every signal's statistic, the observed one first. ``moves`` [signals]: what
    moved most in each. ``permuted``: the counts of the first permuted assignments, for further questions.
    """

    scores: Floats
    moves: list[Move]
    permuted: Change


def permuted(population: Population, permutations: int, seed: int | Sequence[int]) -> Tested:
    """Every signal's statistic, as observed and as permuted."""
    rng = np.random.default_rng(seed)
    units = exchangeable(population, rng)
    parts = [part for signal in population.signals for part in signal.parts]
    counts = np.hstack([_counts(part, units) for part in parts])
    sizes = units.membership.sum(axis=1).astype(np.float64)
    scores: list[Floats] = []
    changes: list[Change] = []  # the observed one, and the first batch
    for assignment in assignments(units, permutations, rng):
        yes = (assignment @ counts).astype(np.float64)
        change = Change(yes, counts.sum(axis=0, dtype=np.float64), assignment @ sizes, float(sizes.sum()))
        scores.append(signal_statistics(change, population.signals))
        changes = [*changes, change][:2]
    return Tested(np.vstack(scores), _moves(changes[0], population.signals), changes[1])


def _counts(part: Part, units: Units) -> NDArray[np.float32]:
    """How many rows of each unit say yes [units, questions]."""
    counts = (units.membership @ part.answers).toarray()
    return (np.cumsum(counts, axis=1) if part.ordered else counts).astype(np.float32)


def signal_statistics(change: Change, signals: Sequence[Signal]) -> Floats:
    """The power mean of a part's standardised squares, the largest over the parts of a signal [batch, signals].

    The third power (of the family of Pan et al. 2014) lies between the mean, which sees all questions moving a little,
    and the largest, which sees one moving much: of 5 % foreign rows it found far more than the mean, at no loss.
    """
    widths = np.array([part.answers.shape[1] for signal in signals for part in signal.parts])
    parts = np.array([len(signal.parts) for signal in signals])
    cubes = change.standardised() ** 3
    means = np.cbrt(np.add.reduceat(cubes, np.cumsum(widths) - widths, axis=1) / widths)
    largest: Floats = np.maximum.reduceat(means, np.cumsum(parts) - parts, axis=1)
    return largest


def _spans(signals: Sequence[Signal]) -> Iterator[tuple[Signal, list[slice]]]:
    """Each signal with its parts' columns."""
    start = 0
    for signal in signals:
        ends = start + np.cumsum([part.answers.shape[1] for part in signal.parts])
        yield signal, [slice(int(a), int(b)) for a, b in zip([start, *ends[:-1]], ends, strict=True)]
        start = int(ends[-1])


def _moves(change: Change, signals: Sequence[Signal]) -> list[Move]:
    current = change.yes[0] / change.rows[0]
    reference = (change.total - change.yes[0]) / (change.all_rows - change.rows[0])
    effects = np.abs(current - reference)
    moves = []
    for signal, spans in _spans(signals):
        part, span = max(zip(signal.parts, spans, strict=True), key=lambda pair: effects[pair[1]].max())
        most = int(np.argmax(effects[span]))
        place = span.start + most
        moves.append(Move(part.question(most), float(reference[place]), float(current[place])))
    return moves


def p_values(statistics: Floats) -> Floats:
    """Each statistic's share of statistics as large or larger in its own column, itself included [draws, signals]."""
    draws = len(statistics)
    ordered = np.sort(statistics, axis=0)
    below = [np.searchsorted(ordered[:, j], statistics[:, j], side="left") for j in range(statistics.shape[1])]
    return (draws - np.column_stack(below)) / draws


def adjusted(p: Floats) -> Floats:
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


def critical(p: Floats, level: float) -> float:
    """The largest p-value that a single signal may have to be significant at the family-wise level; 0 where none may.

    ``p`` [draws, signals]. That of the signal with the smallest p-value: the step-down asks no more of the others.
    """
    smallest = np.sort(p.min(axis=1))
    share = np.searchsorted(smallest, smallest, side="right") / len(smallest)
    passing = smallest[share <= level]
    return float(passing[-1]) if len(passing) else 0.0
