"""What is permuted in the two-sample test, and how.

A signal is a set of binary indicators of a row, so that its statistic is a function of the rows that have an indicator
on the two sides. All permutations of all signals are then one product of an assignment matrix with the counts, the
counts are whole numbers (exact in float32 below 2^24, whatever the order of summation), and the signals are permuted
jointly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

MAX_UNITS = 10_000  # beyond this, rows are permuted in random blocks: the cost of a permutation stays the same
MIN_BLOCKS = 25  # but a small side is never cut into fewer blocks than this
BATCH = 128  # permutations per product


@dataclass(frozen=True)
class Indicators:
    """Indicators that have one statistic together: ``values`` [rows, indicators] is one where a row has it.

    ``name`` puts one of them into words. Where ``cumulative``, the columns are the bins of one quantity, and an
    indicator is "at most this bin". Where ``alone``, each indicator has a statistic of its own.
    """

    values: csr_array
    name: Callable[[int], str]
    cumulative: bool = False
    alone: bool = False

    @property
    def widths(self) -> list[int]:
        """How many indicators each statistic is of."""
        width = self.values.shape[1]
        return [1] * width if self.alone else [width]


@dataclass(frozen=True)
class Signal:
    """A named quantity that is monitored. Its statistic is the largest of its sets of indicators."""

    name: str
    indicators: tuple[Indicators, ...]
    smallest_effect: float


@dataclass(frozen=True)
class Population:
    """Rows that may be exchanged under the null hypothesis: ``current`` [rows], ``groups`` [rows] that stay whole."""

    current: Bools
    signals: tuple[Signal, ...]
    groups: Integers | None = None


@dataclass(frozen=True)
class Units:
    """What is permuted whole: rows, groups or blocks of them. ``of_row`` [rows]; ``current``, ``moving`` [units]."""

    of_row: Integers
    current: Bools
    moving: Bools

    @cached_property
    def membership(self) -> csr_array:
        """[units, rows], one where the row belongs to the unit."""
        rows = len(self.of_row)
        ones = np.ones(rows, dtype=np.float32)
        return csr_array((ones, (self.of_row, np.arange(rows))), shape=(len(self.current), rows))


def exchangeable_units(population: Population, rng: np.random.Generator) -> Units:
    """The units of a population: groups where it has them, rows otherwise, in random blocks where those are many.

    A group with rows on both sides counts once on each, which errs towards no alarm. Blocks are equally large and lie
    on one side, so exchanging them is a subgroup of all permutations and the test stays exact; the few units left
    over stay where they are.
    """
    rows = np.arange(len(population.current)) if population.groups is None else population.groups
    _, first, of_row = np.unique(2 * rows + population.current, return_index=True, return_inverse=True)
    side = population.current[first]
    smaller = int(min(side.sum(), (~side).sum()))
    size = max(1, min(-(-len(side) // MAX_UNITS), smaller // MIN_BLOCKS))
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
