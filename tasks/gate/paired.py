"""Two models' predictions of the same rows, resampled: by the bootstrap, and by swapping the predictions.

Macro-F1 depends on the rows only through the counts of their cells (``tasks.statistics.measures``), so both work on
counts. A unit is resampled whole: a row, or the rows of a group. Units with the same cells are of one kind.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from tasks.dataset.labels import SINGLE, LabelFormat
from tasks.statistics.measures import Cells, Counts, Floats

CHAMPION, CHALLENGER = 0, 1


@dataclass(frozen=True)
class Paired:
    """The cells of both models' predictions, and the units they come in."""

    cells: Cells
    """For every cell the one with the two predictions swapped is there too, perhaps of no row."""
    swapped: Counts
    """The position of that one, [cells]."""
    unit_cells: csr_array
    """How many rows of each cell a unit of each kind holds, [kinds, cells]."""
    unit_counts: Counts
    """Units of each kind, [kinds]."""

    def difference(self, counts: Counts, resample: bool = False) -> Floats:
        """Macro-F1 of the challenger minus the champion's under each row of ``counts`` [n, cells]: [n]."""
        challenger, champion = (self.cells.macro_f1(model, counts, resample) for model in (CHALLENGER, CHAMPION))
        return challenger - champion

    def observed(self) -> float:
        """The difference on the rows as they are."""
        return float(self.difference(self.cells.counts[None])[0])

    def bootstrap(self, random: np.random.Generator, times: int) -> Floats:
        """Differences under the bootstrap over units (Efron 1979): [times]."""
        units = int(self.unit_counts.sum())
        drawn = random.multinomial(units, self.unit_counts / units, size=times)
        return self.difference(drawn @ self.unit_cells, resample=True)

    def swaps(self, random: np.random.Generator, times: int, share: float = 0.5) -> Floats:
        """Differences when each unit's two predictions are swapped with probability ``share``: [times].

        With 0.5 this is the null distribution of the approximate randomization test (Yeh 2000, "More accurate tests
        for the statistical significance of result differences").
        """
        moved = random.binomial(self.unit_counts, share, size=(times, len(self.unit_counts)))
        change = self.unit_cells[:, self.swapped] - self.unit_cells
        return self.difference(self.cells.counts + moved @ change)

    def step(self) -> float:
        """Half of what swapping one row changes the difference by, on average over the rows that differ."""
        differing = np.flatnonzero((self.swapped != np.arange(len(self.swapped))) & (self.cells.counts > 0))
        if not len(differing):
            return 0.0
        moved = np.repeat(self.cells.counts[None], len(differing), axis=0)
        rows = np.arange(len(differing))
        moved[rows, differing] -= 1
        moved[rows, self.swapped[differing]] += 1
        changes = abs(self.difference(moved) - self.observed()) / 2
        return float(np.average(changes, weights=self.cells.counts[differing]))


def pair_cells(
    truth: Sequence[str],
    champion: Sequence[str],
    challenger: Sequence[str],
    groups: Sequence[object] | None = None,
    written: LabelFormat = SINGLE,
) -> Paired:
    """Count the rows; rows of one group, where ``groups`` [rows] names them, form one unit. None: a row by itself."""
    rows = list(zip(truth, champion, challenger, strict=True))
    found = sorted({cell for row in rows for cell in (row, (row[0], row[2], row[1]))})
    position = {cell: i for i, cell in enumerate(found)}
    number = {label: i for i, label in enumerate(sorted({label for cell in found for label in cell}))}
    codes = np.array([[number[label] for label in cell] for cell in found], np.int64).T
    counts = np.bincount([position[row] for row in rows], minlength=len(found))
    cells = Cells(codes[0], codes[1:], counts, len(number), written.matrix(list(number)))
    swapped = np.array([position[(t, b, a)] for t, a, b in found], np.int64)
    kinds = Counter(_units([position[row] for row in rows], groups))
    return Paired(cells, swapped, _matrix(list(kinds), len(found)), np.array(list(kinds.values()), np.int64))


def _units(places: list[int], groups: Sequence[object] | None) -> list[tuple[int, ...]]:
    """The cells of each unit's rows."""
    if groups is None:
        return [(place,) for place in places]
    members: defaultdict[object, list[int]] = defaultdict(list)
    for i, (place, group) in enumerate(zip(places, groups, strict=True)):
        members[("row", i) if group is None else group].append(place)
    return [tuple(sorted(each)) for each in members.values()]


def _matrix(kinds: list[tuple[int, ...]], cells: int) -> csr_array:
    rows = np.repeat(np.arange(len(kinds)), [len(kind) for kind in kinds])
    columns = np.array([place for kind in kinds for place in kind])
    return csr_array((np.ones(len(columns), np.int64), (rows, columns)), shape=(len(kinds), cells))
