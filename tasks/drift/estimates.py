"""The accuracy measured on labelled rows, and estimated on rows without labels from their confidences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit
from statsmodels.stats.proportion import proportion_confint

from tasks.drift.permutation import Bools, Floats, Integers
from tasks.drift.rows import Rows
from tasks.drift.signals import group_codes

RESAMPLES = 200
BINS = 2_000  # of confidence; fewer distinct values are kept as they are
COVERAGE = 0.95
PRIOR = 1.0  # weight in rows of the prior that the confidences are calibrated
NEWTON_STEPS = 25


@dataclass(frozen=True)
class Estimate:
    """An accuracy and its interval [low, high]."""

    value: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """Half the interval."""
        return (self.high - self.low) / 2

    def holds(self, value: float) -> bool:
        """Whether a value lies in the interval."""
        return self.low <= value <= self.high


def labelled(rows: Rows) -> Bools:
    """Which rows have a prediction and a label [n]."""
    if not {"prediction", "label"} <= set(rows.categories):
        return np.zeros(rows.count, dtype=bool)
    known: Bools = pd.notna(rows.categories["label"])
    return known


def correct(rows: Rows) -> Bools:
    """Whether the prediction is the label [n]; False without a label."""
    return np.asarray(rows.categories["prediction"] == rows.categories["label"], dtype=bool)


def measured_accuracy(rows: Rows) -> Estimate:
    """The share of right predictions among the labelled rows, with Wilson's interval (1927).

    Rows of a group count as Kish's effective number (1965), as if all of a group were right or wrong together.
    """
    known = labelled(rows)
    share, count = float(correct(rows)[known].mean()), effective_rows(rows, known)
    low, high = proportion_confint(share * count, count, alpha=1 - COVERAGE, method="wilson")
    return Estimate(share, float(low), float(high))


def estimated_accuracy(reference: Rows, current: Rows, seed: int) -> tuple[Estimate, Estimate]:
    """The accuracy on the current rows from their confidences: by CBPE and by ATC.

    CBPE (NannyML) averages the calibrated confidences; they are calibrated by Platt scaling (1999), which extrapolates
    beyond the reference's confidences: the error of isotonic regression, the usual choice, was twice as large there.
    ATC (Garg et al. 2022) takes the confidence below which as many reference rows lie as are wrong, and counts the
    current rows below it as wrong. The intervals cover the sampling of the reference (Bayesian bootstrap, Rubin 1981,
    groups whole) and of the current rows; they do not cover miscalibration on the current rows.
    """
    known = labelled(reference)
    bins, confidence = confidence_bins(reference.numbers["confidence"][known], current.numbers["confidence"])
    of_reference, of_current = bins[: known.sum()], bins[known.sum() :]
    now = mass_of(of_current, np.full(current.count, 1 / current.count), len(confidence))
    was_correct = correct(reference)[known]
    rng = np.random.default_rng([seed, 4])
    values: list[tuple[float, float]] = []
    noise: list[float] = []
    for weights in resampled_weights(reference, known, rng):
        good, bad = (mass_of(of_reference, weights * which, len(confidence)) for which in (was_correct, ~was_correct))
        if values:  # half a row of each outcome (Jeffreys), so that no error so far does not mean none ever
            everywhere = (good + bad) / (good + bad).sum()
            good, bad = (mass + everywhere * rng.gamma(0.5) for mass in (good, bad))
        calibrated = platt(confidence, good, bad)
        values.append((float(now @ calibrated), _atc(good, bad, now)))
        noise.append(float(now @ (calibrated * (1 - calibrated))))
    sampling = np.sqrt(np.array(noise[1:]) / effective_rows(current)) * rng.standard_normal(RESAMPLES)
    cbpe, atc = (_estimate(values[0][i], np.array(values[1:])[:, i] + sampling) for i in (0, 1))
    return cbpe, atc


def calibrated_chances(rows: Rows) -> Floats | None:
    """How often a prediction of each row's confidence is right by the labels of the same rows [n]: Platt's fit.

    None without confidences, or without both outcomes to fit them to.
    """
    known = labelled(rows)
    if "confidence" not in rows.numbers or not known.any():
        return None
    confidence, was_correct = rows.numbers["confidence"], correct(rows)[known]
    bins, edges = confidence_bins(confidence[known], confidence)
    of_known, of_all = bins[: known.sum()], bins[known.sum() :]
    good, bad = (mass_of(of_known, which.astype(np.float64), len(edges)) for which in (was_correct, ~was_correct))
    return platt(edges, good, bad)[of_all]


def accuracy_under_label_shift(reference: Rows, current: Rows, seed: int) -> Estimate | None:
    """The accuracy under label shift alone: the reference's recalls, weighted by the current shares of the labels.

    None where the current rows have a label that the reference does not.
    """
    known, now_known = labelled(reference), labelled(current)
    codes, names = pd.factorize(reference.categories["label"][known], sort=True)
    now = pd.Index(names).get_indexer(pd.Index(current.categories["label"][now_known]))
    if (now < 0).any():
        return None
    shares = np.bincount(now, minlength=len(names)) / len(now)
    was_correct = correct(reference)[known]
    rng = np.random.default_rng([seed, 5])
    recalls: list[Floats] = []
    for weights in resampled_weights(reference, known, rng):
        hits = mass_of(codes, weights * was_correct, len(names)) + (0.5 if recalls else 0)
        recalls.append(hits / (mass_of(codes, weights, len(names)) + (1 if recalls else 0)))
    found = np.array(recalls)
    spread = np.sqrt((found[1:] * (1 - found[1:])) @ shares / effective_rows(current, now_known))
    return _estimate(float(found[0] @ shares), found[1:] @ shares + spread * rng.standard_normal(RESAMPLES))


def _estimate(value: float, draws: Floats) -> Estimate:
    """The interval of the draws, and the value itself where it lies outside them."""
    low, high = np.quantile(np.clip(draws, 0, 1), [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return Estimate(value, min(float(low), value), max(float(high), value))


def confidence_bins(reference: Floats, current: Floats) -> tuple[Integers, Floats]:
    """The bin of confidence of each row, the reference's first, and the confidence of each bin [bins]."""
    both = np.concatenate([reference, current])
    edges = np.unique(both)
    if len(edges) > BINS:
        edges = np.unique(np.quantile(both, np.linspace(0, 1, BINS), method="inverted_cdf"))
    return np.searchsorted(edges, both), edges


def resampled_weights(rows: Rows, known: Bools, rng: np.random.Generator) -> Iterator[Floats]:
    """The weights of the rows [known]: all one first, then of each resample; the rows of a group share theirs."""
    yield np.ones(int(known.sum()))
    groups = np.arange(int(known.sum())) if rows.groups is None else group_codes(rows.groups[known])
    _, of_row = np.unique(groups, return_inverse=True)
    for _ in range(RESAMPLES):
        yield rng.standard_exponential(int(of_row.max()) + 1)[of_row]


def mass_of(bins: Integers, weights: Floats, count: int) -> Floats:
    mass: Floats = np.bincount(bins, weights=weights, minlength=count).astype(np.float64)
    return mass


def platt(confidence: Floats, good: Floats, bad: Floats) -> Floats:
    """How often a prediction of each confidence is right [bins]: Platt scaling by Newton's method."""
    odds = np.column_stack([np.ones_like(confidence), logit(np.clip(confidence, 1e-6, 1 - 1e-6))])
    all_rows, identity = good + bad, np.array([0.0, 1.0])
    weights = identity.copy()
    for _ in range(NEWTON_STEPS):
        chance = expit(odds @ weights)
        slope = odds.T @ (good - all_rows * chance) - PRIOR * (weights - identity)
        curve = (odds * (all_rows * chance * (1 - chance))[:, None]).T @ odds + PRIOR * np.eye(2)
        step = np.linalg.solve(curve, slope)
        weights = weights + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-8:
            break
    calibrated: NDArray[np.float64] = expit(odds @ weights)
    return calibrated


def _atc(good: Floats, bad: Floats, now: Floats) -> float:
    """The share of current rows above the confidence that separates the reference's share of errors."""
    below = np.concatenate([[0.0], np.cumsum(good + bad) / (good + bad).sum()])
    return 1 - float(np.interp(bad.sum() / (good + bad).sum(), below, np.concatenate([[0.0], np.cumsum(now)])))


def effective_rows(rows: Rows, which: Bools | None = None) -> float:
    """The effective number of rows: how many independent ones carry as much information."""
    chosen = np.ones(rows.count, dtype=bool) if which is None else which
    if rows.groups is None:
        return float(chosen.sum())
    sizes = np.bincount(np.unique(group_codes(rows.groups[chosen]), return_inverse=True)[1])
    return float(sizes.sum() ** 2 / (sizes**2).sum())
