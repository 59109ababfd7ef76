"""Accuracy and label shares from window to window: the past windows of the reference, then the current one."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from tasks.report.charts import Axis, axis
from tasks.report.inputs import Inputs, Record

Z = 1.959964
MAX_MARKS = 6  # dates below the strip
MAX_LABELS = 5
"""Labels whose shares are followed; the others are summed up."""


@dataclass(frozen=True)
class Point:
    """The accuracy in one window."""

    when: str
    value: float
    low: float
    high: float
    rows: int
    measured: bool
    """Else estimated from the confidences."""
    current: bool
    marked: bool
    """Whether its date is written below: of many windows, of some."""
    x: float
    """Per cent from the left; the others from the top."""
    y: float = 0.0
    top: float = 0.0
    height: float = 0.0


@dataclass(frozen=True)
class Strip:
    """Accuracy over windows."""

    axis: Axis
    points: list[Point]


def wilson(right: int, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), by hand: statsmodels takes longer to import than this stage runs."""
    share, square = right / rows, Z * Z / rows
    middle = (share + square / 2) / (1 + square)
    half = Z * math.sqrt(share * (1 - share) / rows + square / (4 * rows)) / (1 + square)
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))  # the share itself is in it


def accuracy_strip(inputs: Inputs) -> Strip | None:
    """None where fewer than two windows have an accuracy."""
    found = [*_past(inputs.drift), *_now(inputs)]
    if len(found) < 2:
        return None
    over = axis(min(low for _, _, low, *_ in found), min(1.0, max(high for _, _, _, high, *_ in found)), 3)
    points = []
    for i, (when, value, low, high, rows, measured, current) in enumerate(found):
        top, bottom = (round(100 - over.place(end), 2) for end in (min(high, over.high), low))
        at = round(100 * (i + 0.5) / len(found), 2)
        y = round(100 - over.place(value), 2)
        marked = (len(found) - 1 - i) % math.ceil(len(found) / MAX_MARKS) == 0
        points.append(
            Point(when, value, low, high, rows, measured, current, marked, at, y, top, round(bottom - top, 2))
        )
    return Strip(over, points)


Found = tuple[str, float, float, float, int, bool, bool]


def _past(drift: Record) -> list[Found]:
    """The past windows with labels, the oldest first."""
    windows = (drift.get("distances") or {}).get("past") or []
    found: list[Found] = []
    for its in sorted(windows, key=lambda one: str(one["from"])):
        if its.get("labelled"):
            low, high = wilson(its["right"], its["labelled"])
            when = f"{its['from'][:10]} to {its['until'][:10]}"
            found.append((when, its["right"] / its["labelled"], low, high, its["labelled"], True, False))
    return found


def _now(inputs: Inputs) -> list[Found]:
    its = inputs.drift["performance"]
    measured = its.get("measured_accuracy") is not None
    value = its.get("measured_accuracy") if measured else its.get("estimated_accuracy")
    span = its.get("measured_interval") if measured else its.get("interval")
    if value is None or span is None:
        return []
    rows = its["measured_rows"] if measured else inputs.drift["rows"]["current"]
    return [("the current window", value, span[0], span[1], rows, measured, True)]


@dataclass(frozen=True)
class Shares:
    """The labels of one window."""

    when: str
    rows: int
    """Those that somebody labelled."""
    shares: list[tuple[float, float, float]]
    """Of each label: share and its 95 % interval."""


def label_shares(inputs: Inputs) -> tuple[list[str], list[Shares]]:
    """The most frequent labels, and their shares in each window; nothing where no past window has dates."""
    windows = (inputs.drift.get("distances") or {}).get("past") or []
    if inputs.dated is None or not windows:
        return [], []
    counts = [
        (f"{its['from'][:10]} to {its['until'][:10]}", *_counted(inputs, its["from"], its["until"]))
        for its in sorted(windows, key=lambda one: str(one["from"]))
    ]
    now = inputs.validate["current"]
    labelled = now.get("labelled", sum(now["labels"].values()))  # stated where a row may have several
    counts.append(("the current window", labelled, Counter(now["labels"])))
    total: Counter[str] = sum((its for *_, its in counts), Counter())
    labels = [label for label, _ in sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))][:MAX_LABELS]
    return labels, [
        Shares(when, rows, [(its[one] / rows, *wilson(its[one], rows)) for one in labels])
        for when, rows, its in counts
        if rows
    ]


def _counted(inputs: Inputs, since: str, until: str) -> tuple[int, Counter[str]]:
    """The reference rows of a half-open range, and how many have each label."""
    assert inputs.dated is not None
    rows = inputs.dated
    ends = [pa.scalar(datetime.fromisoformat(end), rows["timestamp"].type) for end in (since, until)]
    inside = pc.and_(pc.greater_equal(rows["timestamp"], ends[0]), pc.less(rows["timestamp"], ends[1]))
    labels: list[str] = rows["label"].filter(inside).to_pylist()
    return len(labels), inputs.cells.count(labels)
