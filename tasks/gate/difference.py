"""How much better the challenger is, how sure that is, and what these rows could have shown at all."""

from __future__ import annotations

from dataclasses import dataclass
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
    "+ half of what exchanging the answers to one row changes, since answers come in whole rows"
)


@dataclass(frozen=True)
class Difference:
    """Macro-F1 of the challenger minus the champion's."""

    value: float
    low: float
    high: float
    """The paired 95 % bootstrap interval."""
    standard_error: float
    chance: float
    """That exchanging answers at random shows as much or more: the p-value of the randomization test."""
    step: float

    @property
    def resolvable(self) -> float | None:
        """The smallest true difference that rule *better* finds with POWER; None when all answers are the same."""
        z = Z + NormalDist().inv_cdf(POWER)
        return z * self.standard_error + self.step if self.standard_error else None

    def passes(self, section: Params) -> bool:
        """Whether the rule holds.

        *better* asks the randomization test too: on few differing answers the percentile interval is too narrow (at
        four to none it lies above 0, which chance alone does once in sixteen times), the test is exact.
        """
        if section.rule == "not_worse":
            return self.low > -section.margin
        return self.low > 0 and self.chance <= LEVEL

    def chance_if_equal(self, section: Params) -> float:
        """About how often *not_worse* would let a challenger pass that is exactly as good."""
        if not self.standard_error:
            return 1.0
        return NormalDist().cdf(section.margin / self.standard_error - Z)


def measure(pair: Paired, seed: int, times: int) -> Difference:
    """The difference on the rows as they are, and under ``times`` resamples and as many exchanges of answers."""
    random, observed = np.random.default_rng(seed), pair.observed()
    drawn, exchanged = pair.redrawn(random, times), pair.answers_exchanged(random, times)
    low, high = interval(drawn)
    as_much = int((exchanged >= observed - 1e-12).sum())
    return Difference(observed, low, high, float(drawn.std(ddof=1)), (1 + as_much) / (1 + times), pair.step())
