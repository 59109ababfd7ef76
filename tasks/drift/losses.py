"""Each segment's part in the window's loss of accuracy, without labels: CBPE by segment, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.drift.estimates import (
    COVERAGE,
    RESAMPLES,
    confidence_bins,
    correct,
    effective_rows,
    labelled,
    mass_of,
    platt,
    resampled_weights,
)
from tasks.drift.permutation import Bools, Floats, Integers
from tasks.drift.rows import Rows


@dataclass(frozen=True)
class Losses:
    """By segment [segments]; the accuracy of one without current rows is NaN."""

    accuracy: Floats
    """Estimated, of its current rows."""
    loss: Floats
    """Its part in the window's loss of accuracy, as a share of all rows."""
    low: Floats
    high: Floats
    """Ends of the 95 % interval of the loss."""


@dataclass(frozen=True)
class _Sides:
    """What every resample shares: by bin of confidence, the labelled reference rows and each segment's current rows."""

    bins: Integers
    """Of the labelled reference rows."""
    confidence: Floats
    """Of each bin."""
    right: Bools
    segment: Integers
    """Of the labelled reference rows."""
    now: Floats
    """Share of all current rows [segments, bins]."""


def segment_losses(
    reference: Rows, current: Rows, of_row: Integers, count: int, seed: int | Sequence[int]
) -> Losses | None:
    """Over segments that every row is in one of: ``of_row``, the reference's rows first, each below ``count``.

    The loss is the shortfall of the segment's rows from the reference's accuracy, now, as the calibrated confidences
    lead to expect it, less then; over all segments it adds up to the reference's accuracy less the estimated one. Its
    interval covers the sampling of the reference (Bayesian bootstrap, Rubin 1981, groups whole) and the chance of the
    current rows; as CBPE's it covers neither a miscalibration on the current rows nor that a segment was found on the
    rows that it describes. None without confidences, or without labels of the reference.
    """
    sides = _sides(reference, current, of_row, count)
    if sides is None:
        return None
    rng = np.random.default_rng(seed)
    found = [
        _losses(sides, weights, rng, first=i == 0)
        for i, weights in enumerate(resampled_weights(reference, labelled(reference), rng))
    ]
    chance = np.sqrt(np.array([noise for _, _, noise in found[1:]]) / effective_rows(current))
    draws = np.array([loss for loss, _, _ in found[1:]]) + chance * rng.standard_normal((RESAMPLES, count))
    low, high = np.quantile(draws, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2], axis=0)
    loss, accuracy, _ = found[0]
    return Losses(accuracy, loss, np.minimum(low, loss), np.maximum(high, loss))


def _sides(reference: Rows, current: Rows, of_row: Integers, count: int) -> _Sides | None:
    told = "confidence" in reference.numbers and "confidence" in current.numbers
    known = labelled(reference)
    if not (told and known.any()):
        return None
    bins, confidence = confidence_bins(reference.numbers["confidence"][known], current.numbers["confidence"])
    before, now = bins[: known.sum()], of_row[reference.count :] * len(confidence) + bins[known.sum() :]
    shares = mass_of(now, np.full(current.count, 1 / current.count), count * len(confidence))
    segment = of_row[: reference.count][known]
    return _Sides(before, confidence, correct(reference)[known], segment, shares.reshape(count, -1))


def _losses(sides: _Sides, weights: Floats, rng: np.random.Generator, first: bool) -> tuple[Floats, Floats, Floats]:
    """Loss, accuracy, and variance of one current row's part, by segment; as observed, or of a resample."""
    good, bad = (mass_of(sides.bins, weights * which, len(sides.confidence)) for which in (sides.right, ~sides.right))
    if not first:  # half a row of each outcome (Jeffreys), so that no error so far does not mean none ever
        everywhere = (good + bad) / (good + bad).sum()
        good, bad = (mass + everywhere * rng.gamma(0.5) for mass in (good, bad))
    chance = platt(sides.confidence, good, bad)
    accuracy = float(weights @ sides.right / weights.sum())
    then = mass_of(sides.segment, weights * (accuracy - sides.right), len(sides.now)) / weights.sum()
    share, right = sides.now.sum(axis=1), sides.now @ chance
    estimated = np.divide(right, share, out=np.full(len(share), np.nan), where=share > 0)
    return share * accuracy - right - then, estimated, sides.now @ (chance * (1 - chance))
