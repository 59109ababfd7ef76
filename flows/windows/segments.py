"""Where a window changed, and which labels settle the question soonest. No Prefect."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol, TypeVar

from flows.parameters import Word
from flows.windows.verdict import Frozen, Z
from tasks.recommendation import most_lost

HALF_WIDTHS = (0.1, 0.05, 0.02)
"""Of the interval of accuracy, for which the labels are counted."""
MAX_LABELS = 100_000
"""More labels than this nobody asks for."""


class Described(Protocol):
    """What is known of a segment, as ``metrics/drift.json`` has it."""

    @property
    def segment(self) -> int:
        """Its number."""

    @property
    def share(self) -> float:
        """Of the window's rows."""

    @property
    def reference_share(self) -> float:
        """Of the reference's rows."""

    @property
    def estimated_loss(self) -> float | None:
        """Its part in the window's loss of accuracy."""

    @property
    def slice(self) -> str | None:
        """The column whose value it is; None: a cluster or a predicted class."""


Found = TypeVar("Found", bound=Described)


class Carrier(Frozen):
    """The segment that carries an alarm."""

    segment: int
    name: str
    rows: int
    share: float
    reference_share: float
    estimated_loss: float | None
    estimated_loss_interval: tuple[float, float] | None = None
    """95 %; None: no loss is known, or an earlier release made it."""
    slice: str | None = None
    """The column whose value it is; None: a cluster or a predicted class."""

    def in_words(self) -> str:
        """In a line."""
        lost, ends = "", self.estimated_loss_interval
        if self.estimated_loss is not None:
            interval = f" [{ends[0]:+.3f}, {ends[1]:+.3f}]" if ends else ""
            lost = f", estimated loss of accuracy there {self.estimated_loss:+.3f}{interval}"
        shares = f"{self.share:.0%} of the window's rows, {self.reference_share:.0%} of the reference's"
        return f"where: {self.name}: {self.rows:,} rows, {shares}{lost} of the window's"


class Needed(Frozen):
    """How many labels of rows drawn at random settle what."""

    widths: dict[str, int]
    """By half the width of the 95 % interval of accuracy."""
    settles: int | None
    """That tell a loss as large as predicted from the one that is tolerated; None: none is known, or too many."""

    def in_words(self) -> str:
        """In a line."""
        found = ", ".join(f"{count:,} for ±{width}" for width, count in self.widths.items())
        settles = f"; {self.settles:,} settle whether the loss is more than tolerated" if self.settles else ""
        return f"labels needed, of rows chosen at random: {found}{settles}"


def carrier(word: Word, segments: Iterable[Found]) -> Found | None:
    """The segment that carries the verdict: of a harmful window the one that lost most, else the one that grew most.
    None where nothing changed, or no segment lost or grew.
    """
    known = sorted(segments, key=lambda one: one.segment)
    if word == "harmful":
        lost = most_lost([(one.slice, one.share, one.estimated_loss) for one in known])
        if lost is not None:
            return known[lost]
    if word not in ("harmful", "unusual", "changed"):
        return None
    grown = [one for one in known if one.share > one.reference_share]
    return max(grown, key=lambda one: one.share - one.reference_share, default=None)


def labels_for(half_width: float, accuracy: float) -> int:
    """So many rows, drawn at random, for a 95 % interval of accuracy of this half width: Wilson's (1927).

    ``accuracy``: as it is expected, 0 to 1.
    """
    low, high = 1, MAX_LABELS
    while low < high:
        count = (low + high) // 2
        if _half_width(count, accuracy) <= half_width:
            high = count
        else:
            low = count + 1
    return low


def _half_width(count: int, accuracy: float) -> float:
    return Z * math.sqrt(accuracy * (1 - accuracy) / count + Z**2 / (4 * count**2)) / (1 + Z**2 / count)


def needed(accuracy: float, loss: float | None, tolerated: float) -> Needed:
    """For the usual widths, and to tell the predicted loss from the tolerated one."""
    gap = 0.0 if loss is None else abs(loss - tolerated)
    settles = labels_for(gap, accuracy) if gap else MAX_LABELS
    widths = {f"{width:g}": labels_for(width, accuracy) for width in HALF_WIDTHS}
    return Needed(widths=widths, settles=settles if settles < MAX_LABELS else None)
