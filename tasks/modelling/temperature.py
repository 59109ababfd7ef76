"""The temperature that calibrates a classifier (Guo et al. 2017, "On Calibration of Modern Neural Networks")."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
LOG_RANGE = (-3.0, 3.0)  # of log(temperature)
STEPS = 100  # of Newton's method, halving where it leaves the range; eight are enough
CLOSE = 1e-12


def fit_temperature(logits: npt.NDArray[Any], labels: Counts) -> float:
    """The temperature that maximises the likelihood of held-out ``labels`` [rows] given ``logits`` [rows, labels].

    Its logarithm has a standard normal prior, which weighs less than one row: without it, the temperature would be 0
    when every row is classified correctly.
    """
    held_out, log, (low, high) = logits.astype(np.float64), 0.0, LOG_RANGE
    for _ in range(STEPS):
        slope, curvature = _derivatives(held_out, labels, log)
        low, high = (log, high) if slope < 0 else (low, log)
        newton = log - slope / curvature if curvature > 0 else low
        before, log = log, newton if low < newton < high else (low + high) / 2
        if abs(log - before) < CLOSE:
            break
    return float(np.exp(log))


def _derivatives(logits: Floats, labels: Counts, log: float) -> tuple[float, float]:
    """Of the cost by the logarithm of the temperature."""
    scaled = logits * np.exp(-log)
    shares = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    mean = (shares * scaled).sum(axis=1)
    over = mean - scaled[np.arange(len(labels)), labels]
    spread = (shares * (scaled - mean[:, None]) ** 2).sum(axis=1)
    return float(log - over.sum()), float(1 + (spread + over).sum())


def cross_entropy(logits: npt.NDArray[Any], labels: Counts) -> float:
    """Mean of −log p(label), in nats, in float64."""
    scaled = logits.astype(np.float64)
    scaled -= scaled.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(labels)), labels]))
