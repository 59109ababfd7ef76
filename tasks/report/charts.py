"""Positions in the charts, in per cent of their width and height, so that they fit any screen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.report.inputs import Record

STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Axis:
    """A stretch of numbers with round ones marked."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Per cent of the way from low to high."""
        return round(100 * (value - self.low) / (self.high - self.low), 2)

    def written(self, value: float) -> str:
        """A tick with as many digits as the ticks need to differ."""
        gap = self.ticks[1] - self.ticks[0] if len(self.ticks) > 1 else 1.0
        digits = max(0, -math.floor(math.log10(gap)))
        if not math.isclose(round(gap, digits), gap):
            digits += 1
        return f"{value:.{digits}f}"


def axis(low: float, high: float, ticks: int = 5) -> Axis:
    """An axis from a round number to a round number over ``low`` and ``high``, in about so many steps."""
    if high - low < 1e-9:
        low, high = low - 0.05, high + 0.05
    raw = (high - low) / ticks
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(times * power for times in STEPS if times * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    marks = tuple(round(i * step, 10) for i in range(first, last + 1))
    return Axis(marks[0], marks[-1], marks)


@dataclass(frozen=True)
class Whisker:
    """A figure and its interval, in per cent of an axis."""

    name: str
    value: float
    low: float
    high: float
    at: float
    start: float
    width: float


@dataclass(frozen=True)
class Intervals:
    """Figures with their intervals over one axis."""

    axis: Axis
    whiskers: list[Whisker]


def intervals(figures: Sequence[tuple[str, float, Sequence[float]]]) -> Intervals:
    """Name, value and [low, high] of each figure, over the axis that holds them all; at most up to 1."""
    over = axis(min(low for _, _, (low, _) in figures), min(1.0, max(high for _, _, (_, high) in figures)))
    return Intervals(
        over,
        [
            Whisker(
                name,
                value,
                low,
                high,
                over.place(value),
                over.place(low),
                round(over.place(high) - over.place(low), 2),
            )
            for name, value, (low, high) in figures
        ],
    )


@dataclass(frozen=True)
class Line:
    """One curve: its points in per cent from the left and from the top."""

    name: str
    points: list[tuple[float, float]]

    @property
    def path(self) -> str:
        """For an SVG polyline."""
        return " ".join(f"{x},{y}" for x, y in self.points)


@dataclass(frozen=True)
class Curves:
    """The losses over the training."""

    y: Axis
    x: list[tuple[float, str]]
    """Marks of the epochs: where, and which."""
    lines: list[Line]


def curves(records: Sequence[Record]) -> Curves | None:
    """The losses after each epoch; None where there are fewer than two points to join."""
    names = [name for name in ("train_loss", "validation_loss") if any(name in record for record in records)]
    if len(records) < 2 or not names:
        return None
    losses = [record[name] for record in records for name in names if name in record]
    y = axis(0.0, max(losses), 4)
    first, last = records[0]["epoch"], records[-1]["epoch"]
    x = Axis(first, last, ())
    lines = [
        Line(
            name.replace("_loss", ""),
            [(x.place(r["epoch"]), round(100 - y.place(r[name]), 2)) for r in records if name in r],
        )
        for name in names
    ]
    every = math.ceil(len(records) / 10)
    marks = [(x.place(record["epoch"]), f"{record['epoch']:g}") for record in records[::-1][::every][::-1]]
    return Curves(y, marks, lines)


@dataclass(frozen=True)
class Diagram:
    """The reliability diagram, in per cent from the left and from the top of a square."""

    axis: Axis
    """Of both sides."""
    intervals: list[str]
    """The 95 % interval of a perfectly calibrated model, of each bin: an upright SVG polyline."""
    points: list[tuple[float, float]]
    """Confidence and accuracy of each bin."""


def reliability(bins: Sequence[Record]) -> Diagram:
    """Bins by rising confidence; the axis begins below whatever is lowest and ends at 1."""
    lowest = min(min(its["confidence"], its["accuracy"], its["expected"][0]) for its in bins)
    over = axis(min(lowest, 0.95), 1.0)

    def at(confidence: float, share: float) -> tuple[float, float]:
        return over.place(confidence), round(100 - over.place(share), 2)

    intervals = [[at(its["confidence"], bound) for bound in its["expected"]] for its in bins]
    upright = [" ".join(f"{x},{y}" for x, y in interval) for interval in intervals]
    return Diagram(over, upright, [at(its["confidence"], its["accuracy"]) for its in bins])
