"""The intervals of the measures: the bootstrap (Efron 1979) over rows, or over whole groups of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tasks.evaluate.own_measures import Further
from tasks.evaluate.weighted import PER_CLASS, Measures, Predictions
from tasks.statistics.measures import Counts, Floats, interval


def resampled(groups: Counts, seed: int, times: int) -> Iterator[Counts]:
    """How often each row is drawn, [rows], ``times`` times.

    ``groups`` [rows] numbers each row's group from 0: as many groups are drawn as there are, with all their rows.
    """
    random, kinds = np.random.default_rng(seed), int(groups.max()) + 1
    by_row = kinds == len(groups)
    for _ in range(times):
        drawn = np.bincount(random.integers(0, kinds, kinds), minlength=kinds)
        yield drawn if by_row else drawn[groups]


def resampled_measures(
    models: list[Predictions],
    groups: Counts,
    seed: int,
    times: int,
    bins: int,
    further: Sequence[Further] = (),
) -> list[dict[str, Floats]]:
    """The measures of each model under the same ``times`` resamples of the rows; ``further``: those of each beside the
    built-in ones."""
    sources: list[list[Measures | Further]] = [
        [Measures(predictions, bins), *further[i : i + 1]] for i, predictions in enumerate(models)
    ]
    drawn = [[_merged(source, weights) for source in sources] for weights in resampled(groups, seed, times)]
    return [{name: np.array([each[i][name] for each in drawn]) for name in drawn[0][i]} for i in range(len(models))]


def _merged(sources: Sequence[Measures | Further], weights: Counts) -> dict[str, Floats]:
    return {
        name: value
        for source in sources
        for name, value in (source.resampled if isinstance(source, Measures) else source.weighted)(weights).items()
    }


def percentile_interval(values: Floats) -> list[float] | None:
    """The 95 % percentile interval of draws [n], those where the measure is undefined left out; None if all are."""
    defined = values[~np.isnan(values)]
    return list(interval(defined)) if len(defined) else None


def model_intervals(drawn: dict[str, Floats], labels: list[str]) -> dict[str, object]:
    """Intervals of one model's measures, and of PER_CLASS by label."""
    by_class = {
        label: {name: percentile_interval(drawn[name][:, k]) for name in PER_CLASS} for k, label in enumerate(labels)
    }
    overall = {name: percentile_interval(values) for name, values in drawn.items() if name not in PER_CLASS}
    return {**overall, "classes": by_class}
