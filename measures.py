"""Your own evaluation measures: name them in ``evaluate.measures`` of params.yaml (docs/evaluation.md).

A measure takes numpy arrays: the true labels [rows], the predicted labels [rows], the probabilities [rows, labels], and
the list of labels, which are the columns of the probabilities. It returns a number. This file is yours: an upgrade
leaves it as it is.
"""

import numpy as np
from sklearn.metrics import balanced_accuracy_score


def balanced_accuracy(truth: np.ndarray, predicted: np.ndarray, probability: np.ndarray, labels: list[str]) -> float:
    """The mean recall over the labels."""
    return float(balanced_accuracy_score(truth, predicted))
