"""How many current predictions are right, and whether inputs, labels or the relation of the two explain a change.

Accuracy is counted where labels came, and estimated from the confidences where they did not. The estimates take for
granted that a confidence means what it meant on the reference: they follow a change of the inputs, and cannot see that
the same input now has another label. Only labels can.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tasks.drift.estimates import Estimate, estimated, labelled, measured, right, under_label_change
from tasks.drift.rows import Rows

LEAST_LABELLED = 30  # rows with a label, for an accuracy
INPUTS = ("text: ", "vocabulary", "embeddings: ")  # what the signals of the inputs begin with
METHOD = "CBPE: the mean, over the current rows, of how often the reference was right at their confidence (Platt's fit)"
SOME = "the rows that have a label, however they were chosen"
NOTHING: dict[str, Any] = {
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
    "reference_rows": 0,
}


def performance(reference: Rows, current: Rows, seed: int) -> dict[str, Any]:
    """What ``metrics/drift.json`` says under that name; None where labels or confidences are missing."""
    return NOTHING | _on_reference(reference) | _estimated(reference, current, seed) | _measured(current)


def _on_reference(reference: Rows) -> dict[str, Any]:
    known = labelled(reference)
    if known.sum() < LEAST_LABELLED:
        return {}
    return {"reference_accuracy": _round(right(reference)[known].mean()), "reference_rows": int(known.sum())}


def _estimated(reference: Rows, current: Rows, seed: int) -> dict[str, Any]:
    if not _can_estimate(reference, current):
        return {}
    cbpe, atc = (
        {
            "estimated_accuracy": _round(estimate.value),
            "error": _round(estimate.error),
            "interval": _interval(estimate),
        }
        for estimate in estimated(reference, current, seed)
    )
    return cbpe | {"atc": atc}


def _measured(current: Rows) -> dict[str, Any]:
    count = int(labelled(current).sum())
    if count < LEAST_LABELLED:
        return {"measured_rows": count}
    found = measured(current)
    return {
        "measured_accuracy": _round(found.value),
        "measured_interval": _interval(found),
        "measured_rows": count,
        "measured_over": "all rows" if count == current.count else SOME,
    }


def change(reference: Rows, current: Rows, signals: dict[str, Any], seed: int) -> dict[str, Any]:
    """Which kind of change the data show: ``covariate``, ``label``, ``concept``; None where they cannot tell.

    Covariate and label are the gate's signals. Concept: the accuracy measured lies outside what the confidences lead to
    expect (inputs changed, their labels' chances did not), and outside what the labels' shares lead to expect (the
    shares changed, the texts of a label did not). A change that leaves the accuracy as it was is not seen.
    """
    inputs = [signal["significant"] for name, signal in signals.items() if name.startswith(INPUTS)]
    labels = [signals[name]["significant"] for name in ("labels",) if name in signals]
    found = {"covariate": any(inputs) if inputs else None, "label": any(labels) if labels else None}
    return found | _concept(reference, current, seed)


def _concept(reference: Rows, current: Rows, seed: int) -> dict[str, Any]:
    came = labelled(current)
    if came.sum() < LEAST_LABELLED or not _can_estimate(reference, current):
        return {"concept": None, "accuracy_if_inputs_changed": None, "accuracy_if_labels_changed": None}
    with_label = current.take(np.flatnonzero(came))
    accuracy = measured(with_label).value
    by_inputs, _ = estimated(reference, with_label, seed)
    by_labels = under_label_change(reference, with_label, seed)
    explained = by_inputs.holds(accuracy) or (by_labels is not None and by_labels.holds(accuracy))
    return {
        "concept": None if by_labels is None and not explained else not explained,
        "accuracy_if_inputs_changed": _interval(by_inputs),
        "accuracy_if_labels_changed": None if by_labels is None else _interval(by_labels),
    }


def _can_estimate(reference: Rows, current: Rows) -> bool:
    both = "confidence" in reference.numbers and "confidence" in current.numbers
    return both and bool(labelled(reference).sum() >= LEAST_LABELLED)


def _interval(estimate: Estimate) -> list[float]:
    return [_round(estimate.low), _round(estimate.high)]


def _round(value: float) -> float:
    return round(float(value), 4)
