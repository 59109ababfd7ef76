"""The model beside the baseline on the current rows that have labels: whether the gap holds as the world moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from tasks.drift.estimates import labelled
from tasks.drift.performance import MIN_LABELLED
from tasks.drift.rows import Rows
from tasks.statistics.measures import RESAMPLES, Counts, Floats, cells, interval

DIGITS = 6
AT_ONCE = 100  # resamples: with many labels there are nearly as many cells as rows


def beside_baseline(current: Rows, baseline: Sequence[str], seed: int) -> dict[str, Any] | None:
    """Accuracy and macro-F1 of both on the labelled rows, and the 95 % interval of the paired difference, model minus
    baseline (bootstrap over rows); None below MIN_LABELLED rows. ``baseline``: its predictions, in the rows' order."""
    known = np.flatnonzero(labelled(current))
    if len(known) < MIN_LABELLED:
        return None
    truth, model = (current.categories[name][known].tolist() for name in ("label", "prediction"))
    beside = [baseline[i] for i in known.tolist()]
    answers = sorted({*truth, *model, *beside})
    counted = cells(answers, truth, model, beside, holds=current.cells.matrix(answers))
    measures: dict[str, Callable[[int, Counts], Floats]]
    measures = {"accuracy": counted.accuracy, "macro_f1": partial(counted.macro_f1, resample=True)}
    whole, rng = counted.counts[None], np.random.default_rng(seed)
    parts = (counted.resampled(rng, AT_ONCE) for _ in range(RESAMPLES // AT_ONCE))
    drawn = np.hstack([[measure(0, part) - measure(1, part) for measure in measures.values()] for part in parts])
    found: dict[str, Any] = {"rows": len(known), "baseline": {}, "difference": {}, "interval": {}}
    for (name, measure), differences in zip(measures.items(), drawn, strict=True):
        own, its = (round(float(measure(i, whole)[0]), DIGITS) for i in (0, 1))
        found[name], found["baseline"][name], found["difference"][name] = own, its, round(own - its, DIGITS)
        found["interval"][name] = [round(end, DIGITS) for end in interval(differences)]
    return found
