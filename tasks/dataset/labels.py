"""How the labels of a row stand in the column ``label``.

With ``task: single_label`` a cell is the label. With ``task: multi_label`` it is a JSON list of labels, each once and
in alphabetical order, so that equal sets are equal cells and the column stays one of text; ``[]`` says that a row has
no label. With ``task: ordinal`` a cell is the label too, and labels have an order. A null says that nobody labelled
the row.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.core import params
from tasks.core.task import Task
from tasks.dataset.label_order import lowest_first, places


@dataclass(frozen=True)
class LabelFormat:
    """How a task writes labels."""

    task: Task
    order: tuple[str, ...] = ()
    """``label_order``, the lowest first; empty: there is none, or numbers say it."""

    @property
    def several(self) -> bool:
        """Whether a row may have any number of labels."""
        return self.task == "multi_label"

    @property
    def ordered(self) -> bool:
        """Whether labels have an order."""
        return self.task == "ordinal"

    def in_order(self, labels: Iterable[str]) -> list[str]:
        """In alphabetical order, or the lowest first where labels have one. UserError: it does not say where one is."""
        return lowest_first(labels, self.order) if self.ordered else sorted(labels)

    def steps(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """Where each of ``labels``, which are in order, stands on the scale: two that differ by 1 are a step apart."""
        return places(labels, self.order)

    def labels(self, cell: str) -> tuple[str, ...]:
        """The labels of a cell."""
        return tuple(json.loads(cell)) if self.several else (cell,)

    def is_cell(self, value: str) -> bool:
        """Whether the task could have written it."""
        if not self.several:
            return True
        try:
            labels = json.loads(value)
        except ValueError:
            return False
        return isinstance(labels, list) and all(isinstance(each, str) for each in labels) and value == self.cell(labels)

    def cell(self, labels: Iterable[str]) -> str:
        """The cell of these labels; with ``single_label`` of exactly one."""
        if self.several:
            return json.dumps(sorted(set(labels)), ensure_ascii=False)
        (label,) = labels
        return label

    def count(self, cells: Iterable[str | None]) -> Counter[str]:
        """How many rows have each label."""
        return Counter(label for cell in cells if cell is not None for label in self.labels(cell))

    def count_column(self, cells: pa.ChunkedArray) -> Counter[str]:
        """The same of a column, without a list of all its cells."""
        counts: Counter[str] = Counter()
        for entry in cells.drop_null().value_counts().to_pylist():
            for label in self.labels(entry["values"]):
                counts[label] += entry["counts"]
        return counts

    def numbers_type(self) -> pa.DataType:
        """Of the column of numbers that ``tokenize`` writes."""
        return pa.list_(pa.int64()) if self.several else pa.int64()

    def numbers(self, cells: Sequence[str], labels: Sequence[str]) -> list[int] | list[list[int]]:
        """The positions among ``labels`` of each row's label, or labels; of several, others are left out."""
        place = {label: i for i, label in enumerate(labels)}
        if self.several:
            return [[place[label] for label in self.labels(cell) if label in place] for cell in cells]
        return [place[cell] for cell in cells]

    def holds(self, cells: Sequence[str | None], labels: Sequence[str]) -> NDArray[np.bool_]:
        """Whether each row has each label, [rows, labels]; no row without a cell has any."""
        place, found = {label: i for i, label in enumerate(labels)}, np.zeros((len(cells), len(labels)), bool)
        for i, cell in enumerate(cells):
            for label in () if cell is None else self.labels(cell):
                if label in place:
                    found[i, place[label]] = True
        return found

    def matrix(self, cells: Sequence[str]) -> NDArray[np.float64] | None:
        """Which labels each of some cells holds, 0 or 1, [cells, labels]; None where a cell is a label."""
        return self.holds(cells, sorted(self.count(cells))).astype(np.float64) if self.several else None


SINGLE, MULTI = LabelFormat("single_label"), LabelFormat("multi_label")


def label_format() -> LabelFormat:
    """How ``params.yaml``'s task writes labels, and their order."""
    general = params.general()
    return LabelFormat(general.task, tuple(general.label_order or ()))
