"""Data quality as a signal: for what reasons, and how often, incoming rows were refused in each window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.sparse import csr_array, vstack

from tasks.drift import Params
from tasks.drift.permutation import Part, Population, Signal


def population(reference: Mapping[str, Any], current: Mapping[str, Any], params: Params) -> tuple[Population, ...]:
    """All rows that came in, and which reasons refused them; none where a window had no rows or nothing was refused.

    The arguments are what ``validate`` writes of a window: ``rows`` and, for each of the ``reasons``, how many. Only
    those counts are known, so a row is taken to have one reason at most, and its group is not.
    """
    windows = [(int(window["rows"]), dict(window["reasons"])) for window in (reference, current)]
    reasons = sorted({name for _, counts in windows for name in counts} - set(params.reasons_not_compared))
    if not reasons or min(rows for rows, _ in windows) < params.minimum_rows:
        return ()
    answers = vstack([_answers(rows, [counts.get(name, 0) for name in reasons]) for rows, counts in windows], "csr")
    side = np.repeat([False, True], [rows for rows, _ in windows])
    part = Part(csr_array(answers), [f"quarantined: {name}" for name in reasons].__getitem__)
    return (Population(side, (Signal("quarantine", (part,), params.smallest_effect.quarantine),)),)


def _answers(rows: int, counts: list[int]) -> csr_array:
    """[rows, reasons] with that many ones in each column."""
    columns = np.repeat(np.arange(len(counts)), counts)
    of_row = np.concatenate(
        [np.arange(count) + start for count, start in zip(counts, np.cumsum([0, *counts]), strict=False)]
    )
    ones = np.ones(len(columns), dtype=np.float32)
    return csr_array((ones, (of_row.astype(np.int64) % rows, columns)), shape=(rows, len(counts)))
