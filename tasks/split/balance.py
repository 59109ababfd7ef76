"""Where a row goes that joins no other, when rows are placed by ``group`` or ``stratify`` and not by a hash.

A row's place depends only on the rows before it, so rows that are appended move none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from tasks.split import NAMES, Name

OVERALL_WEIGHT = 0.1
"""With labels: ten rows that a split lacks in all count as one row of the label."""
UNTRAINED_WEIGHT = 5.0
"""Divided by the rows so far, the most that a lacking row counts for a label that train has no row of: it is trained on
unless another split lacks about a tenth of all rows, as where most labels have one row."""

Rows = dict[Name, int]


class Balance:
    """The rows of each split so far, in all and of each label."""

    def __init__(
        self,
        shares: Mapping[Name, float],
        labels: Sequence[Sequence[object]] | None = None,
        empty_first: bool = False,
    ) -> None:
        """``labels`` [rows]: those of each row; keep the shares within each label too. ``empty_first``: fill an empty
        split first."""
        self.shares, self.labels, self.empty_first = shares, labels, empty_first
        self.rows: Rows = dict.fromkeys(NAMES, 0)
        self.of_label: defaultdict[object, Rows] = defaultdict(lambda: dict.fromkeys(NAMES, 0))

    def furthest_below(self, row: int) -> Name:
        """The split that is furthest below its share if this row comes; of equal ones the first of ``NAMES``."""
        short = self._short(self.rows)
        if self.labels is not None:
            overall, lacks = short, [self._short(self.of_label[label]) for label in self.labels[row]]
            weight = min(map(self._overall_weight, self.labels[row]))
            short = {name: sum(lack[name] for lack in lacks) + weight * overall[name] for name in NAMES}
        empty = [name for name in NAMES if not self.rows[name]] if self.empty_first else []
        return max(empty or NAMES, key=lambda name: short[name])

    def _overall_weight(self, label: object) -> float:
        trained, total = self.of_label[label]["train"] > 0, sum(self.rows.values())
        return OVERALL_WEIGHT if trained else min(OVERALL_WEIGHT, UNTRAINED_WEIGHT / max(total, 1))

    def _short(self, rows: Rows) -> dict[Name, float]:
        """How many rows each split would lack with one more row."""
        total = sum(rows.values()) + 1
        return {name: self.shares[name] * total - rows[name] for name in NAMES}

    def add(self, row: int, name: Name) -> None:
        """Count a row that went to this split."""
        self.rows[name] += 1
        for label in () if self.labels is None else self.labels[row]:
            self.of_label[label][name] += 1
