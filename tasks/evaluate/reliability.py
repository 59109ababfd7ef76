"""The reliability diagram, and the range in which a perfectly calibrated model would lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.statistics.calibration import calibration_bins
from tasks.statistics.measures import Counts, Floats, interval


def reliability(truth: Counts, probability: Floats, bins: int, seed: int, times: int) -> dict[str, Any]:
    """The reliability diagram of ``probability`` [rows, classes]: of the likeliest class."""
    return diagram(probability.max(axis=1), probability.argmax(axis=1) == truth, bins, seed, times)


def diagram(confidence: Floats, correct: npt.NDArray[np.bool_], bins: int, seed: int, times: int) -> dict[str, Any]:
    """Over bins of equally many rows by ``confidence`` [rows]; ``correct`` [rows]: whether what it is of came true.

    Each bin has its rows, mean confidence, accuracy, and ``expected``: the interval in which the accuracies of 95 % of
    perfectly calibrated models lie (Bröcker and Smith 2007,
    "Increasing the Reliability of Reliability Diagrams"), from ``times`` simulations of these rows.
    ``calibration_error_expected`` is the same for the calibration error, which is never 0 on finitely many rows.
    """
    parts, random = calibration_bins(confidence, bins), np.random.default_rng(seed)
    # apart for each bin: [times, rows of the bin] is all that is held
    simulated = [(random.random((times, len(part))) < confidence[part]).mean(axis=1) for part in parts]
    gaps = [abs(drawn - confidence[part].mean()) * len(part) for drawn, part in zip(simulated, parts, strict=True)]
    return {
        "bins": [
            {
                "rows": len(part),
                "confidence": float(confidence[part].mean()),
                "accuracy": float(correct[part].mean()),
                "expected": _rounded(drawn),
            }
            for part, drawn in zip(parts, simulated, strict=True)
        ],
        "calibration_error_expected": _rounded(np.sum(gaps, axis=0) / len(confidence)),
    }


def _rounded(draws: Floats) -> list[float]:
    return list(interval(draws))
