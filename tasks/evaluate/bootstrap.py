"""How sure the measures are: the bootstrap (Efron 1979) over rows, or over whole groups of rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tasks.evaluate.weighted import OVERALL, PER_CLASS, Answers, Measures
from tasks.statistics.measures import Counts, Floats, interval

DIGITS = 6  # what another processor's rounding does not reach


def resampled(groups: Counts, seed: int, times: int) -> Iterator[Counts]:
    """How often each row is drawn, [rows], ``times`` times.

    ``groups`` [rows] numbers each row's group from 0: as many groups are drawn as there are, with all their rows.
    """
    random, kinds = np.random.default_rng(seed), int(groups.max()) + 1
    by_row = kinds == len(groups)
    for _ in range(times):
        drawn = np.bincount(random.integers(0, kinds, kinds), minlength=kinds)
        yield drawn if by_row else drawn[groups]


def draws(models: list[Answers], groups: Counts, seed: int, times: int, bins: int) -> list[dict[str, Floats]]:
    """The measures of each model under the same ``times`` resamples of the rows."""
    prepared = [Measures(answers, bins) for answers in models]
    drawn = [[each.under(weights) for each in prepared] for weights in resampled(groups, seed, times)]
    return [
        {name: np.array([each[i][name] for each in drawn]) for name in (*OVERALL, *PER_CLASS)}
        for i in range(len(models))
    ]


def between(values: Floats) -> list[float] | None:
    """The 95 % percentile interval of draws [n], those where the measure is undefined left out; None if all are."""
    defined = values[~np.isnan(values)]
    return [round(value, DIGITS) for value in interval(defined)] if len(defined) else None


def of_model(drawn: dict[str, Floats], labels: list[str]) -> dict[str, object]:
    """Intervals of one model's measures, and of PER_CLASS by label."""
    return {
        **{name: between(drawn[name]) for name in OVERALL},
        "classes": {label: {name: between(drawn[name][:, k]) for name in PER_CLASS} for k, label in enumerate(labels)},
    }
