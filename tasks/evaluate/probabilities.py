"""Measures of the probabilities themselves."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from tasks.statistics.calibration import bin_numbers, calibration_error
from tasks.statistics.measures import Counts, Floats


def probability_measures(truth: Counts, probability: Floats, bins: int) -> dict[str, float]:
    """Log loss, areas under the ROC and precision-recall curves (one class against the rest, unweighted mean over the
    classes that occur) and calibration error. ``truth`` [rows] numbers the columns of ``probability`` [rows, classes].
    """
    figures = {"log_loss": float(log_loss(truth, probability, labels=range(probability.shape[1])))}
    occurring = [k for k in range(probability.shape[1]) if 0 < (truth == k).sum() < len(truth)]
    if occurring:
        areas = [
            (roc_auc_score(truth == k, probability[:, k]), average_precision_score(truth == k, probability[:, k]))
            for k in occurring
        ]
        figures["roc_auc"], figures["pr_auc"] = (float(area) for area in np.mean(areas, axis=0))
    confidence = probability.max(axis=1)
    gap = confidence - (probability.argmax(axis=1) == truth)
    return {**figures, "calibration_error": calibration_error(gap, bin_numbers(confidence, bins))}
