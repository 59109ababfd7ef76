"""Whether an arm is better than another, or not worse, over several splits of the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tasks.statistics.measures import RESAMPLES, Cells, interval

Counts = npt.NDArray[np.int64]
MARGIN = 0.01  # of macro-F1: what counts as not worse
CLASSES = 2


@dataclass(frozen=True)
class Judged:
    """What two arms that were fitted on one split say of some rows."""

    rows: Counts
    """Their numbers among all rows: a row that two splits judge is one row."""
    truth: Counts
    base: Counts
    arm: Counts

    def cells(self) -> tuple[Cells, Counts]:
        """The distinct (truth, base, arm), and the cell of each row."""
        stacked = np.stack([self.truth, self.base, self.arm])
        distinct, cell, counts = np.unique(stacked, axis=1, return_inverse=True, return_counts=True)
        return Cells(distinct[0], distinct[1:], counts, CLASSES), cell.reshape(-1)


@dataclass(frozen=True)
class Difference:
    """Macro-F1, the means over the splits."""

    base: float
    arm: float
    low: float
    high: float

    @property
    def value(self) -> float:
        """Arm minus base."""
        return self.arm - self.base

    @property
    def verdict(self) -> str:
        """By the 95 % interval of the difference."""
        if self.low > 0:
            return "better"
        if self.high < 0:
            return "worse" if self.low <= -MARGIN else "not worse"
        return "not worse" if self.low > -MARGIN else "cannot be told"


@lru_cache(8)
def _drawn(rows: int, seed: int, times: int) -> Counts:
    """How often each row is drawn, [times, rows]."""
    return np.random.default_rng(seed).multinomial(rows, np.full(rows, 1 / rows), times)


def pooled(splits: Sequence[Judged], seed: int = 0, times: int = RESAMPLES) -> Difference:
    """The mean over the splits of the difference of macro-F1, and its paired bootstrap interval.

    Rows are drawn once for all splits, each with all that the splits say of it: neither rows that every split judges
    nor those that are in the test rows of two splits count as new evidence.
    """
    every, places = np.unique(np.concatenate([one.rows for one in splits]), return_inverse=True)
    drawn = _drawn(len(every), seed, times)
    scores, gains, start = [], np.zeros(times), 0
    for one in splits:
        found, cell = one.cells()
        of_rows = drawn[:, places[start : start + len(one.rows)]]
        counts = of_rows @ np.eye(len(found.truth), dtype=np.int64)[cell]
        scores.append([float(found.macro_f1(model, found.counts[None])[0]) for model in (0, 1)])
        gains += (found.macro_f1(1, counts, resample=True) - found.macro_f1(0, counts, resample=True)) / len(splits)
        start += len(one.rows)
    base, arm = np.mean(scores, axis=0)
    return Difference(float(base), float(arm), *interval(gains))
