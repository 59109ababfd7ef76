"""Data quality as a signal: the reasons for which incoming rows were quarantined in each window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.sparse import csr_array, vstack

from tasks.drift import Params
from tasks.drift.permutation import Indicators, Population, Signal


def quarantine_population(
    reference: Mapping[str, Any], current: Mapping[str, Any], params: Params
) -> tuple[Population, ...]:
    """All rows that came in, by the reasons of their quarantine; none where a window has few rows or no such reason.

    The arguments are what ``validate`` writes of a window: ``rows`` and, for each of the ``reasons``, how many. Only
    those counts are known, so a row is taken to have one reason at most, and its group is not.
    """
    windows = [(int(window["rows"]), dict(window["reasons"])) for window in (reference, current)]
    reasons = sorted({name for _, counts in windows for name in counts} - set(params.ignored_reasons))
    if not reasons or min(rows for rows, _ in windows) < params.min_rows:
        return ()
    values = vstack([_values(rows, [counts.get(name, 0) for name in reasons]) for rows, counts in windows], "csr")
    side = np.repeat([False, True], [rows for rows, _ in windows])
    indicators = Indicators(csr_array(values), [f"quarantined: {name}" for name in reasons].__getitem__)
    return (Population(side, (Signal("quarantine", (indicators,), params.smallest_effect.quarantine),)),)


def _values(rows: int, counts: list[int]) -> csr_array:
    """[rows, reasons] with as many ones in each column."""
    columns = np.repeat(np.arange(len(counts)), counts)
    of_row = np.concatenate(
        [np.arange(count) + start for count, start in zip(counts, np.cumsum([0, *counts]), strict=False)]
    )
    ones = np.ones(len(columns), dtype=np.float32)
    return csr_array((ones, (of_row.astype(np.int64) % rows, columns)), shape=(rows, len(counts)))
