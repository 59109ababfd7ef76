"""Whether the challenger is calibrated."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import log_loss

from tasks.dataset.labels import LabelFormat
from tasks.gate import Params
from tasks.gate.tables import Pair, Predictions
from tasks.statistics.calibration import bin_numbers, calibration_error
from tasks.statistics.measures import Floats, interval

DIGITS = 6


def calibration_check(pair: Pair, section: Params, seed: int) -> dict[str, Any]:
    """Both models' figures, and whether the challenger's are within the limits: ``passes`` is null where not known."""
    challenger = _figures(pair, pair.challenger, section, seed)
    limits = {"calibration_error": section.max_calibration_error, "log_loss": section.max_log_loss}
    active = {name: limit for name, limit in limits.items() if limit is not None}
    exceeded = [sentence for name, limit in active.items() if (sentence := _exceeds(name, limit, challenger))]
    unknown = [name for name in active if name not in challenger]
    return {
        "passes": False if exceeded else None if unknown or not active else True,
        "reason": "; ".join([*exceeded, *_skipped(unknown, bool(active))]) or "within the limits",
        "limits": limits,
        "challenger": challenger,
        "champion": _figures(pair, pair.champion, section, seed),
    }


def _skipped(unknown: list[str], limited: bool) -> list[str]:
    if not limited:
        return ["not checked: no limit is set"]
    return [f"{name} not checked: the challenger's table has no probabilities" for name in unknown]


def _exceeds(name: str, limit: float, figures: dict[str, float]) -> str:
    """The sentence on a limit that is exceeded; a calibration error that chance alone explains exceeds none."""
    if name not in figures or figures[name] <= max(limit, figures.get(f"{name}_by_chance", 0)):
        return ""
    return f"{name.replace('_', ' ')} {figures[name]:.4f} is above {limit:g}"


def _figures(pair: Pair, model: Predictions, section: Params, seed: int) -> dict[str, float]:
    """The figures that the model's table allows."""
    truth, written = pair.truth, pair.written
    figures: dict[str, float] = {}
    if model.confidence is not None:
        correct = np.array([a == b for a, b in zip(truth, model.predicted, strict=True)], np.float64)
        bin_of_row, rng = bin_numbers(model.confidence, section.calibration_bins), np.random.default_rng(seed)
        by_chance = [
            calibration_error(model.confidence - (rng.random(len(truth)) < model.confidence), bin_of_row)
            for _ in range(section.resamples)
        ]
        figures["calibration_error"] = calibration_error(model.confidence - correct, bin_of_row)
        figures["calibration_error_by_chance"] = interval(np.array(by_chance))[1]
    if model.probability:
        figures["log_loss"] = _log_loss(truth, model.probability, written)
    return {name: round(value, DIGITS) for name, value in figures.items()}


def _log_loss(truth: list[str], probability: dict[str, Floats], written: LabelFormat) -> float:
    """In nats, with several labels to a row the mean over them; one that the model does not know has probability 0."""
    labels = sorted({*written.count(truth), *probability})
    shares = np.column_stack([probability.get(label, np.zeros(len(truth))) for label in labels])
    if written.several:
        there = written.holds(truth, labels).ravel()
        return float(log_loss(there, shares.ravel(), labels=[False, True]))
    return float(log_loss(truth, shares / shares.sum(axis=1, keepdims=True), labels=labels))
