"""Calibration error over bins of equally many rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tasks.statistics.measures import Counts, Floats


def calibration_bins(confidence: Floats, bins: int) -> list[Counts]:
    """Row numbers in ``bins`` of equally many rows (fewer where there are fewer rows), by rising confidence."""
    return np.array_split(np.argsort(confidence, kind="stable"), min(bins, len(confidence)))


def bin_numbers(confidence: Floats, bins: int) -> Counts:
    """The number of each row's bin [rows]."""
    numbers = np.empty(len(confidence), np.int64)
    for number, rows in enumerate(calibration_bins(confidence, bins)):
        numbers[rows] = number
    return numbers


def calibration_error(gap: Floats, bin_of_row: Counts, weights: npt.NDArray[np.float64] | None = None) -> float:
    """Expected calibration error (Naeini et al. 2015): the mean over the rows of the absolute mean gap of their bin.

    ``gap`` [rows]: confidence minus whether the prediction is right. ``weights`` [rows]: how often each row counts.
    """
    weighted = gap if weights is None else gap * weights
    total = len(gap) if weights is None else weights.sum()
    return float(np.abs(np.bincount(bin_of_row, weighted)).sum() / total)
