"""What the current window asks for: the change of accuracy beside the reference, and one sentence on what to do.

Both from ``metrics/drift.json``, for the page of ``drift`` and for the report. Whether there is an alarm, which
depends on earlier windows and on the policy too, is decided in ``flows/windows/verdict.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Record = Mapping[str, Any]
TOLERATED = 0.02
"""Loss of accuracy that nobody acts on, where the test of accuracy states no `drift.smallest_effect` for it."""
Answer = Literal["held", "lost", "unclear", "estimated lost", "estimated held", "unknown"]


@dataclass(frozen=True)
class Accuracy:
    """Accuracy on the reference and on the current window."""

    answer: Answer
    text: str
    """The figures in a sentence; empty where there are none."""
    loss: float | None = None
    most: float | None = None
    """The largest loss that the figures allow, by the 95 % interval."""
    all_labelled: bool = False
    """Whether more labels of this window could tell no more."""


def percent(share: float) -> str:
    """0.1034 → 10.3 %."""
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def accuracy(drift: Record) -> Accuracy:
    """Measured where rows have labels, else estimated from the confidences."""
    found = drift["performance"]
    before, span = found.get("reference_accuracy"), found.get("reference_interval")
    if before is None or span is None:
        return Accuracy("unknown", "")
    for kind in ("measured", "estimated"):
        now, ends = found.get(f"{kind}_accuracy"), found.get("measured_interval" if kind == "measured" else "interval")
        if now is not None and ends is not None:
            on = f" on {found['measured_rows']:,} labelled rows" if kind == "measured" else " from the confidences"
            text = f"Accuracy was {percent(before)} on the reference; now {percent(now)} ({percent(ends[0])} to "
            text += f"{percent(ends[1])}), {kind}{on}."
            low, high = _loss(before, span, now, ends)
            every = kind == "measured" and found["measured_rows"] >= drift["rows"]["current"]
            return Accuracy(_answer(kind, low, high, _tolerated(drift)), text, before - now, high, every)
    return Accuracy("unknown", "")


def _answer(kind: str, low: float, high: float, tolerated: float) -> Answer:
    if kind == "estimated":
        return "estimated lost" if low > 0 else "estimated held"
    if low > 0:
        return "lost"
    return "held" if high <= tolerated else "unclear"


def _loss(before: float, span: list[float], now: float, ends: list[float]) -> tuple[float, float]:
    """The 95 % interval of the loss: Newcombe's hybrid score interval (1998, method 10)."""
    loss = before - now
    low = loss - math.hypot(before - span[0], ends[1] - now)
    return low, loss + math.hypot(span[1] - before, now - ends[0])


def _tolerated(drift: Record) -> float:
    return float((drift["signals"].get("accuracy") or {}).get("smallest_effect", TOLERATED))


def most_lost(segments: Sequence[tuple[str | None, float, float | None]]) -> int | None:
    """The place of the segment that lost most accuracy; None where none lost any.

    ``segments``: of each the column whose value it is, its share of the rows and its part in the window's loss. What
    counts is what exceeds its share of that loss, so that a slice of nearly all rows does not carry whatever happens.
    """
    whole = sum(loss or 0.0 for column, _, loss in segments if column == segments[0][0])
    beyond = {i: loss - share * whole for i, (_, share, loss) in enumerate(segments) if loss and loss > 0}
    return max(beyond, key=beyond.__getitem__, default=None)


def recommendation(drift: Record) -> str:
    """What to do about this window, in a few words; as the title of a page and half a sentence."""
    if drift["drifted"] is None:
        return "whether the data have changed cannot be told"
    found = accuracy(drift)
    lost, most = (f"{100 * (share or 0):.1f} points" for share in (found.loss, found.most))
    look = "look at the next window" if found.all_labelled else "label more of its rows"
    if found.answer == "lost":
        changed = "the data have changed and " if drift["significant"] else ""
        return f"{changed}{lost} of accuracy are lost: refit"
    if not drift["significant"]:
        return "the data are as before"
    what = "the data have changed" if drift["drifted"] else "the data have changed a little"
    then = {
        "held": "accuracy held: nothing to do",
        "unclear": f"a loss of up to {most} of accuracy is not ruled out: {look}",
        "estimated lost": f"an estimated {lost} of accuracy are lost: label some rows to know",
        "estimated held": "accuracy held by the estimate: label a few rows to be sure",
        "unknown": "",
    }[found.answer]
    return f"{what} and {then}" if then else what
