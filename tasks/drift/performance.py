"""The accuracy on the current rows, and whether covariate shift, label shift or concept drift explains a change.

Accuracy is measured where there are labels, and estimated from the confidences where there are none. The estimates
assume that the confidences are as well calibrated as on the reference: they follow covariate shift, and miss concept
drift, which only labels show.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tasks.drift.estimates import (
    Estimate,
    accuracy_under_label_shift,
    estimated_accuracy,
    labelled,
    measured_accuracy,
)
from tasks.drift.rows import Rows

MIN_LABELLED = 30  # rows with a label, for an accuracy
INPUTS = ("text: ", "vocabulary", "embeddings: ")  # what the signals of the inputs begin with
METHOD = "CBPE: the mean, over the current rows, of how often the reference was right at their confidence (Platt's fit)"
SOME = "the rows that have a label, however they were chosen"
NOT_KNOWN: dict[str, Any] = {
    "estimated_accuracy": None,
    "error": None,
    "interval": None,
    "method": METHOD,
    "atc": None,
    "measured_accuracy": None,
    "measured_interval": None,
    "measured_rows": 0,
    "measured_over": None,
    "reference_accuracy": None,
    "reference_interval": None,
    "reference_rows": 0,
}


def performance(reference: Rows, current: Rows, seed: int) -> dict[str, Any]:
    """What ``metrics/drift.json`` says under that name; None where labels or confidences are missing."""
    return NOT_KNOWN | _on_reference(reference) | _estimated(reference, current, seed) | _measured(current)


def _on_reference(reference: Rows) -> dict[str, Any]:
    known = labelled(reference)
    if known.sum() < MIN_LABELLED:
        return {}
    found = measured_accuracy(reference)
    return {
        "reference_accuracy": _round(found.value),
        "reference_interval": _interval(found),
        "reference_rows": int(known.sum()),
    }


def _estimated(reference: Rows, current: Rows, seed: int) -> dict[str, Any]:
    if not _can_estimate(reference, current):
        return {}
    cbpe, atc = (
        {
            "estimated_accuracy": _round(estimate.value),
            "error": _round(estimate.error),
            "interval": _interval(estimate),
        }
        for estimate in estimated_accuracy(reference, current, seed)
    )
    return cbpe | {"atc": atc}


def _measured(current: Rows) -> dict[str, Any]:
    count = int(labelled(current).sum())
    if count < MIN_LABELLED:
        return {"measured_rows": count}
    found = measured_accuracy(current)
    return {
        "measured_accuracy": _round(found.value),
        "measured_interval": _interval(found),
        "measured_rows": count,
        "measured_over": "all rows" if count == current.count else SOME,
    }


def kind_of_change(reference: Rows, current: Rows, signals: dict[str, Any], seed: int) -> dict[str, Any]:
    """Which kind of change the data show: ``covariate``, ``label``, ``concept``; None where that is not known.

    Covariate and label follow from the signals. Concept: the measured accuracy lies outside the interval expected under
    covariate shift (from the confidences), and outside the one expected under label shift (from the reference's
    recalls). Concept drift that leaves the accuracy as it was is not detected.
    """
    inputs = [signal["significant"] for name, signal in signals.items() if name.startswith(INPUTS)]
    labels = [signals[name]["significant"] for name in ("labels",) if name in signals]
    found = {"covariate": any(inputs) if inputs else None, "label": any(labels) if labels else None}
    return found | _concept(reference, current, seed)


def _concept(reference: Rows, current: Rows, seed: int) -> dict[str, Any]:
    came = labelled(current)
    if came.sum() < MIN_LABELLED or not _can_estimate(reference, current):
        return {"concept": None, "accuracy_if_inputs_changed": None, "accuracy_if_labels_changed": None}
    confidence = {"confidence": current.numbers["confidence"]}
    answered = Rows(current.count, None, confidence, current.categories, groups=current.groups, cells=current.cells)
    with_label = answered.take(np.flatnonzero(came))
    accuracy = measured_accuracy(with_label).value
    by_inputs, _ = estimated_accuracy(reference, with_label, seed)
    by_labels = accuracy_under_label_shift(reference, with_label, seed)
    explained = by_inputs.holds(accuracy) or (by_labels is not None and by_labels.holds(accuracy))
    return {
        "concept": None if by_labels is None and not explained else not explained,
        "accuracy_if_inputs_changed": _interval(by_inputs),
        "accuracy_if_labels_changed": None if by_labels is None else _interval(by_labels),
    }


def _can_estimate(reference: Rows, current: Rows) -> bool:
    both = "confidence" in reference.numbers and "confidence" in current.numbers
    return both and bool(labelled(reference).sum() >= MIN_LABELLED)


def _interval(estimate: Estimate) -> list[float]:
    return [_round(estimate.low), _round(estimate.high)]


def _round(value: float) -> float:
    return round(float(value), 4)
