"""Whether the challenger's probabilities can be believed."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import log_loss

from tasks.gate import Params
from tasks.gate.tables import Pair, Predictions
from tasks.statistics.measures import Floats, interval

DIGITS = 6


def judge(pair: Pair, section: Params, seed: int) -> dict[str, Any]:
    """Both models' figures, and whether the challenger's keep the limits: true, false, or null with the words why."""
    mine = _figures(pair.truth, pair.challenger, section, seed)
    limits = {"calibration_error": section.max_calibration_error, "log_loss": section.max_log_loss}
    asked = {name: limit for name, limit in limits.items() if limit is not None}
    broken = [words for name, limit in asked.items() if (words := _broken(name, limit, mine))]
    unknown = [name for name in asked if name not in mine]
    return {
        "within": False if broken else None if unknown or not asked else True,
        "words": "; ".join([*broken, *_skipped(unknown, bool(asked))]) or "within its limits",
        "limits": limits,
        "challenger": mine,
        "champion": _figures(pair.truth, pair.champion, section, seed),
    }


def _skipped(unknown: list[str], asked: bool) -> list[str]:
    if not asked:
        return ["not judged: no limit is set"]
    return [f"{name} not judged: the challenger's table has no probabilities for it" for name in unknown]


def _broken(name: str, limit: float, figures: dict[str, float]) -> str:
    """What to say of a limit that is broken; a calibration error that chance alone would show breaks none."""
    if name not in figures or figures[name] <= max(limit, figures.get(f"{name}_by_chance", 0)):
        return ""
    return f"{name.replace('_', ' ')} {figures[name]:.4f} is above {limit:g}"


def _figures(truth: list[str], model: Predictions, section: Params, seed: int) -> dict[str, float]:
    """What the model's table allows to say."""
    figures: dict[str, float] = {}
    if model.confidence is not None:
        right = np.array([a == b for a, b in zip(truth, model.said, strict=True)], np.float64)
        error = calibration_error(model.confidence, right[None], section.calibration_bins)
        drawn = np.random.default_rng(seed).random((section.resamples, len(truth))) < model.confidence
        by_chance = interval(calibration_error(model.confidence, drawn.astype(np.float64), section.calibration_bins))[1]
        figures |= {"calibration_error": float(error[0]), "calibration_error_by_chance": by_chance}
    if model.probability:
        figures["log_loss"] = _log_loss(truth, model.probability)
    return {name: round(value, DIGITS) for name, value in figures.items()}


def calibration_error(confidence: Floats, right: Floats, bins: int) -> Floats:
    """Expected calibration error (Naeini et al. 2015) of ``confidence`` [rows] over bins of equally many rows, for each
    row of ``right`` [n, rows]: [n]."""
    parts = np.array_split(np.argsort(confidence, kind="stable"), min(bins, len(confidence)))
    gaps = [abs(right[:, part].mean(axis=1) - confidence[part].mean()) * len(part) for part in parts]
    error: Floats = np.sum(gaps, axis=0) / len(confidence)
    return error


def _log_loss(truth: list[str], probability: dict[str, Floats]) -> float:
    """In nats; a label that the model does not know has probability 0."""
    labels = sorted({*truth, *probability})
    shares = np.column_stack([probability.get(label, np.zeros(len(truth))) for label in labels])
    return float(log_loss(truth, shares / shares.sum(axis=1, keepdims=True), labels=labels))
