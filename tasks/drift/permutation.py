"""The two-sample permutation test over many signals at once.

A signal asks yes/no questions about a row, so that its statistic is a function of the counts of yes on the two sides.
All permutations of all signals are then one product of an assignment matrix with the counts, the counts are whole
numbers (exact in float32 below 2^24, whatever the order of summation), and the signals are permuted jointly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

MOST_UNITS = 10_000  # beyond this, rows are permuted in random blocks: the cost of a permutation stays the same
FEWEST_BLOCKS = 25  # but a small side is never cut into fewer blocks than this
BATCH = 128  # permutations per product


@dataclass(frozen=True)
class Part:
    """Questions that are judged together: ``answers`` [rows, questions] is one where a row says yes.

    ``question`` puts one of them into words. Where ``ordered``, the columns are the bins of one quantity, and a
    question is "at most this bin".
    """

    answers: csr_array
    question: Callable[[int], str]
    ordered: bool = False


@dataclass(frozen=True)
class Signal:
    """A named quantity under watch. Its statistic is the largest of its parts' statistics."""

    name: str
    parts: tuple[Part, ...]
    smallest_effect: float


@dataclass(frozen=True)
class Population:
    """Rows that may be exchanged under the null hypothesis: ``current`` [rows], ``groups`` [rows] that stay whole."""

    current: Bools
    signals: tuple[Signal, ...]
    groups: Integers | None = None


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
class Units:
    """What is moved as a whole: rows, groups or blocks of them. ``of_row`` [rows]; ``current``, ``moving`` [units]."""

    of_row: Integers
    current: Bools
    moving: Bools

    @cached_property
    def membership(self) -> csr_array:
        """[units, rows], one where the row belongs to the unit."""
        rows = len(self.of_row)
        ones = np.ones(rows, dtype=np.float32)
        return csr_array((ones, (self.of_row, np.arange(rows))), shape=(len(self.current), rows))


def exchangeable(population: Population, rng: np.random.Generator, most: int = MOST_UNITS) -> Units:
    """The units of a population: groups where it has them, rows otherwise, in random blocks where those are many.

    A group with rows on both sides counts once on each, which errs towards no alarm. Blocks are equally large and lie
    on one side, so exchanging them is a subgroup of all permutations and the test stays exact; the few units left
    over stay where they are.
    """
    rows = np.arange(len(population.current)) if population.groups is None else population.groups
    _, first, of_row = np.unique(2 * rows + population.current, return_index=True, return_inverse=True)
    side = population.current[first]
    smaller = int(min(side.sum(), (~side).sum()))
    size = max(1, min(-(-len(side) // most), smaller // FEWEST_BLOCKS))
    return Units(of_row, side, np.ones_like(side)) if size == 1 else _blocks(of_row, side, size, rng)


def _blocks(of_row: Integers, side: Bools, size: int, rng: np.random.Generator) -> Units:
    block = np.empty(len(side), dtype=np.int64)
    sides: list[bool] = []
    moving: list[bool] = []
    for which in (False, True):
        members = rng.permutation(np.flatnonzero(side == which))
        block[members] = len(sides) + np.arange(len(members)) // size
        whole, rest = divmod(len(members), size)
        sides += [which] * (whole + bool(rest))
        moving += [True] * whole + [False] * bool(rest)
    return Units(block[of_row], np.array(sides), np.array(moving))


def assignments(units: Units, permutations: int, rng: np.random.Generator) -> Iterator[NDArray[np.float32]]:
    """Batches [≤ BATCH, units] of who is current: the observed assignment first, then the permuted ones."""
    yield units.current[None].astype(np.float32)
    for start in range(0, permutations, BATCH):
        batch = np.tile(units.current, (min(BATCH, permutations - start), 1))
        batch[:, units.moving] = rng.permuted(batch[:, units.moving], axis=1)
        yield batch.astype(np.float32)


def permuted(population: Population, permutations: int, seed: int | Sequence[int]) -> tuple[Floats, list[Move]]:
    """Every signal's statistic [permutations + 1, signals], the observed one first, and what moved most in each."""
    rng = np.random.default_rng(seed)
    units = exchangeable(population, rng)
    parts = [part for signal in population.signals for part in signal.parts]
    counts = np.hstack([_counts(part, units) for part in parts])
    sizes = units.membership.sum(axis=1).astype(np.float64)
    scores: list[Floats] = []
    moves: list[Move] = []
    for assignment in assignments(units, permutations, rng):
        yes = (assignment @ counts).astype(np.float64)
        change = _Change(yes, counts.sum(axis=0, dtype=np.float64), assignment @ sizes, float(sizes.sum()))
        scores.append(_statistics(change, population.signals))
        moves = moves or _moves(change, population.signals)
    return np.vstack(scores), moves


def _counts(part: Part, units: Units) -> NDArray[np.float32]:
    """How many rows of each unit say yes [units, questions]."""
    counts = (units.membership @ part.answers).toarray()
    return (np.cumsum(counts, axis=1) if part.ordered else counts).astype(np.float32)


@dataclass(frozen=True)
class _Change:
    """Counts of yes in the rows called current [batch, questions], in all [questions]; rows there [batch], in all."""

    yes: Floats
    total: Floats
    rows: Floats
    all_rows: float

    def difference(self) -> Floats:
        """Current's share of yes minus the reference's. The numerator is a whole number, so that ties stay ties."""
        rows = self.rows[:, None]
        difference: Floats = (self.yes * self.all_rows - self.total * rows) / (rows * (self.all_rows - rows))
        return difference

    def standardised(self) -> Floats:
        """The squared difference over its variance under the null hypothesis; 0 where everyone gives one answer."""
        share = self.total / self.all_rows
        spread = share * (1 - share)
        rows = self.rows[:, None]
        variance = spread * self.all_rows / (rows * (self.all_rows - rows))
        squares = self.difference() ** 2
        return np.divide(
            squares, variance, out=np.zeros_like(squares), where=np.broadcast_to(spread > 0, squares.shape)
        )


def _spans(signals: Sequence[Signal]) -> Iterator[tuple[Signal, list[slice]]]:
    """Each signal with its parts' columns."""
    start = 0
    for signal in signals:
        ends = start + np.cumsum([part.answers.shape[1] for part in signal.parts])
        yield signal, [slice(int(a), int(b)) for a, b in zip([start, *ends[:-1]], ends, strict=True)]
        start = int(ends[-1])


def _statistics(change: _Change, signals: Sequence[Signal]) -> Floats:
    """The mean standardised square of a part, the largest over the parts of a signal [batch, signals]."""
    squares = change.standardised()
    return np.column_stack(
        [np.max([squares[:, span].mean(axis=1) for span in spans], axis=0) for _, spans in _spans(signals)]
    )


def _moves(change: _Change, signals: Sequence[Signal]) -> list[Move]:
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
