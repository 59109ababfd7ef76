"""Measures of the probabilities themselves."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

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
    return {**figures, "calibration_error": calibration_error(truth, probability, bins)}


def equal_bins(confidence: Floats, bins: int) -> list[Counts]:
    """Row numbers in ``bins`` of equally many rows (fewer where there are fewer rows), by rising confidence."""
    return np.array_split(np.argsort(confidence, kind="stable"), min(bins, len(confidence)))


def calibration_error(truth: Counts, probability: Floats, bins: int) -> float:
    """Expected calibration error (Naeini et al. 2015) of the confidences, over bins of equally many rows."""
    confidence, right = probability.max(axis=1), probability.argmax(axis=1) == truth
    parts = equal_bins(confidence, bins)
    return float(sum(abs(confidence[part].mean() - right[part].mean()) * len(part) for part in parts) / len(truth))
