"""The accuracy on rows without labels from the reference's labels, weighted as the current inputs lie.

Measured beside the estimate from the confidences (``tasks.drift.estimates``), and not part of the product: on none of
the histories was it nearer to the truth by a margin that counts, and its interval held less often (bench/RESULTS.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.drift.embeddings import principal_axes
from tasks.drift.estimates import RESAMPLES, Estimate, calibrated_chances, correct, labelled
from tasks.drift.permutation import Bools, Floats
from tasks.drift.rows import Rows

SAMPLE = 4_000  # rows of each side, a seeded sample: the classifier and the distances hardly change beyond it
NEIGHBOUR = 5  # the distance to this one says how many reference rows lie near
FAR = 0.99  # of the reference's own distances: beyond it a row is outside its support
MOST_WEIGHT = 20.0  # of a reference row: beyond it one row speaks for too many
FOLDS = 2
CHUNK = 2_000


@dataclass(frozen=True)
class Reweighted:
    """The estimate, and how much of it rests on rows that the reference has."""

    accuracy: Estimate
    outside: float
    """Share of the current rows that lie farther from the reference than 99 % of its own rows, 0 to 1. 0.01 is what a
    window like the reference has."""
    effective_rows: float
    """Reference rows with a label that the weights leave: Kish's number (1965)."""


def reweighted(reference: Rows, current: Rows, seed: int) -> Reweighted | None:
    """The accuracy by the weights of a domain classifier, doubly robust; None without embeddings or labels.

    A logistic regression tells current rows from the reference's (Bickel, Brückner and Scheffer, JMLR 2009), each half
    scored by the other half's fit. The weighted residuals of the reference, right or wrong less its calibrated chance,
    correct the mean calibrated chance of the current rows (Dudík, Langford and Li 2011): the estimate holds if the
    weights or the confidences are right. The interval covers the sampling of both sides (Bayesian bootstrap).
    """
    if reference.embeddings is None or current.embeddings is None or not labelled(reference).any():
        return None
    rng = np.random.default_rng([seed, 6])
    before = _sample(reference.take(np.flatnonzero(labelled(reference))), rng)
    now = _sample(current, rng)
    assert before.embeddings is not None and now.embeddings is not None
    axes = principal_axes(before.embeddings, now.embeddings, rng)
    chances = _chances(before, now)
    if axes.shape[1] == 0 or chances is None:
        return None
    weights = _weights(axes, before.count, rng)
    expected = chances[before.count :]
    residuals = correct(before) - chances[: before.count]
    draws = []
    for _ in range(RESAMPLES):
        of_before, of_now = rng.standard_exponential(before.count), rng.standard_exponential(now.count)
        draws.append(_average(expected, of_now) + _average(residuals, weights * of_before))
    low, high = np.clip(np.quantile(draws, [0.025, 0.975]), 0, 1)
    value = float(np.clip(expected.mean() + _average(residuals, weights), 0, 1))
    found = Estimate(value, min(float(low), value), max(float(high), value))
    outside = float(outside_support(axes[: before.count], axes[before.count :]).mean())
    return Reweighted(found, outside, float(weights.sum() ** 2 / (weights**2).sum()))


def _sample(rows: Rows, rng: np.random.Generator) -> Rows:
    return rows if rows.count <= SAMPLE else rows.take(np.sort(rng.choice(rows.count, SAMPLE, replace=False)))


def _average(values: Floats, weights: Floats) -> float:
    return float((values * weights).sum() / weights.sum())


def _chances(before: Rows, now: Rows) -> Floats | None:
    """How often a prediction is right at each row's confidence, the reference's rows first."""
    unlabelled = np.full(now.count, None, dtype=object)
    both = Rows(
        before.count + now.count,
        numbers={"confidence": np.concatenate([before.numbers["confidence"], now.numbers["confidence"]])},
        categories={
            "prediction": np.concatenate([before.categories["prediction"], now.categories["prediction"]]),
            "label": np.concatenate([before.categories["label"], unlabelled]),
        },
    )
    return calibrated_chances(both)


def _weights(axes: Floats, before: int, rng: np.random.Generator) -> Floats:
    """How much more often inputs like each reference row come now [before], at most MOST_WEIGHT."""
    from sklearn.linear_model import LogisticRegression

    is_now = np.arange(len(axes)) >= before
    scaled = axes / np.maximum(axes.std(axis=0), 1e-9)
    fold = rng.permutation(len(axes)) % FOLDS
    odds = np.zeros(len(axes))
    for one in range(FOLDS):
        rest = fold != one
        fitted = LogisticRegression(C=0.1, max_iter=300).fit(scaled[rest], is_now[rest])
        odds[~rest] = fitted.decision_function(scaled[~rest])
    weights = np.exp(np.clip(odds[:before], -20, 20)) * before / (len(axes) - before)
    capped: Floats = np.clip(weights, 1e-3, MOST_WEIGHT)
    return capped


def outside_support(reference: Floats, current: Floats) -> Bools:
    """Which current rows lie farther from the reference's rows than 99 % of these do from each other [current]."""
    from scipy.spatial.distance import cdist

    def far(rows: Floats, neighbour: int) -> Floats:
        chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
        return np.concatenate([np.partition(cdist(one, reference), neighbour, axis=1)[:, neighbour] for one in chunks])

    own = far(reference, min(NEIGHBOUR, len(reference) - 1))  # its nearest is itself
    beyond: Bools = far(current, min(NEIGHBOUR, len(reference)) - 1) > np.quantile(own, FAR)
    return beyond
