"""How much better the challenger is, its uncertainty, and the difference that these rows can detect."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from statistics import NormalDist

import numpy as np

from tasks.gate import Params
from tasks.gate.paired import Paired
from tasks.statistics.measures import COVERAGE, interval

LEVEL = round((1 - COVERAGE) / 2, 6)  # one side of the interval
POWER = 0.8
Z = NormalDist().inv_cdf(1 - LEVEL)
METHOD = (
    f"(z{1 - LEVEL:.3f} + z{POWER:g}) × the standard error of the difference (paired bootstrap of these rows) "
    "+ half of what swapping the predictions of one row changes, since rows are whole"
)


@dataclass(frozen=True)
class Difference:
    """Macro-F1 of the challenger minus the champion's."""

    value: float
    low: float
    high: float
    """The paired 95 % bootstrap interval."""
    standard_error: float
    p_value: float
    """Of the randomization test, one-sided."""
    step: float
    """Half of what swapping the predictions of one row changes."""

    @property
    def detectable(self) -> float | None:
        """The smallest true difference that *better* detects with POWER; None where all predictions are the same."""
        z = Z + NormalDist().inv_cdf(POWER)
        return z * self.standard_error + self.step if self.standard_error else None

    def passes(self, section: Params) -> bool:
        """Whether the rule holds.

        *better* needs the randomization test too: where few predictions differ, the percentile interval is too narrow
        (at four to none it lies above 0, which happens by chance once in sixteen times), while the test is exact.
        """
        if section.rule == "not_worse":
            return self.low > -section.margin
        return self.low > 0 and self.p_value <= LEVEL

    def undecided(self, section: Params) -> bool:
        """Whether the rows are too few: they show neither the rule nor its opposite, and would miss the margin."""
        least = -section.margin if section.rule == "not_worse" else 0.0
        shown = self.passes(section) or self.high <= least
        return not shown and self.detectable is not None and self.detectable > section.margin

    def rows_to_detect_margin(self, rows: int, section: Params) -> int | None:
        """About how many rows detect a difference as large as the margin, the error falling with their square root."""
        return None if self.detectable is None else ceil(rows * (self.detectable / section.margin) ** 2)

    def pass_rate_if_equal(self, section: Params) -> float:
        """About how often a challenger that is exactly as good passes *not_worse*."""
        if not self.standard_error:
            return 1.0
        return NormalDist().cdf(section.margin / self.standard_error - Z)


def measure_difference(pair: Paired, seed: int, times: int) -> Difference:
    """The difference on the rows, under ``times`` bootstrap resamples and as many swaps of predictions."""
    random, observed = np.random.default_rng(seed), pair.observed()
    drawn, swapped = pair.bootstrap(random, times), pair.swaps(random, times)
    low, high = interval(drawn)
    as_much = int((swapped >= observed - 1e-12).sum())
    return Difference(observed, low, high, float(drawn.std(ddof=1)), (1 + as_much) / (1 + times), pair.step())
