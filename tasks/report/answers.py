"""The answers to the test rows: examples of each confusion, what a threshold costs, PR and ROC curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.core.rows import Text, contents, whole
from tasks.dataset.labels import SINGLE, LabelFormat
from tasks.images import thumbnail
from tasks.redaction import excerpt

EXAMPLES = 3  # of each cell
CHARACTERS = 300
THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
MAX_POINTS = 60  # of a curve
MAX_CURVES = 3  # of labels, those that are told worst
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Example:
    """A test row, masked."""

    text: str
    confidence: float
    picture: str | None = None
    """A small copy of an image, as a data URI."""


def mistaken(answers: pa.Table) -> Mapping[tuple[str, str], list[Example]]:
    """Examples of each wrong cell of the confusion matrix, by true and predicted label, the surest first."""
    pairs = list(zip(answers["label"].to_pylist(), answers["prediction"].to_pylist(), strict=True))
    confidences = answers["confidence"].to_pylist()
    found: dict[tuple[str, str], list[Example]] = {}
    for i in sorted(range(len(pairs)), key=lambda row: (-confidences[row], row)):
        its = found.setdefault(pairs[i], []) if pairs[i][0] != pairs[i][1] else None
        if its is not None and len(its) < EXAMPLES:
            text, picture = shown(contents(answers.slice(i, 1))[0])
            its.append(Example(text, confidences[i], picture))
    return found


def shown(content: Text | bytes | None) -> tuple[str, str | None]:
    """A text or a pair of them, masked and cut, or what is said of an image and its small copy."""
    if isinstance(content, bytes):
        return f"an image of {len(content):,} bytes", thumbnail(content)
    return excerpt(whole(content or ""), CHARACTERS), None


@dataclass(frozen=True)
class Threshold:
    """What acting only on answers of at least this confidence comes to."""

    least: float
    rows: int
    coverage: float
    accuracy: float | None
    wrong: int


def trade_off(answers: pa.Table) -> list[Threshold]:
    """Coverage and accuracy by threshold (selective classification: El-Yaniv and Wiener 2010)."""
    confidence = answers["confidence"].to_numpy().astype(np.float64)
    right = np.array(answers["prediction"].to_pylist(), object) == np.array(answers["label"].to_pylist(), object)
    found = []
    for least in THRESHOLDS:
        kept = confidence >= least
        rows = int(kept.sum())
        accuracy = float(right[kept].mean()) if rows else None
        found.append(Threshold(least, rows, rows / max(1, len(right)), accuracy, rows - int(right[kept].sum())))
    return found


@dataclass(frozen=True)
class Curve:
    """Of one label against all others, in per cent from the left and from the top."""

    label: str
    roc: str
    """For an SVG polyline: true positives over false positives."""
    pr: str
    """Precision over recall."""
    share: float
    """Of the rows that have the label: the precision of chance."""


def curves(answers: pa.Table, f1: Mapping[str, float], cells: LabelFormat = SINGLE) -> list[Curve]:
    """Of two labels that exclude each other the rarer one, else those of the lowest F1; a label without rows, or with
    all, has none."""
    holds = dict(zip(f1, cells.holds(answers["label"].to_pylist(), list(f1)).T, strict=True))
    found = [label for label in f1 if f"probability_{label}" in answers.column_names and 0 < holds[label].mean() < 1]
    if len(f1) == 2 and not cells.several:
        chosen = sorted(found, key=lambda label: (holds[label].mean(), label))[:1]
    else:
        chosen = sorted(found, key=lambda label: (f1[label], label))[:MAX_CURVES]
    return [_curve(label, holds[label], answers[f"probability_{label}"].to_numpy()) for label in chosen]


def _curve(label: str, positive: npt.NDArray[np.bool_], score: Floats) -> Curve:
    """A point after each distinct score, thinned out."""
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    hits, all_ = np.cumsum(positive[order])[last], last + 1.0
    recall, precision = hits / positive.sum(), hits / all_
    fallout = (all_ - hits) / (~positive).sum()
    kept = np.unique(np.linspace(0, len(last) - 1, min(len(last), MAX_POINTS)).round().astype(int))
    roc = [(0.0, 0.0), *zip(fallout[kept], recall[kept], strict=True)]
    pr = [(0.0, float(precision[0])), *zip(recall[kept], precision[kept], strict=True)]
    return Curve(label, _path(roc), _path(pr), float(positive.mean()))


def _path(points: list[tuple[float, float]]) -> str:
    return " ".join(f"{100 * x:.2f},{100 - 100 * y:.2f}" for x, y in points)
