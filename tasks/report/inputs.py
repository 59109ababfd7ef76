"""What the page is made of: the figures and tables that the other stages wrote."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from tasks.core import params, paths
from tasks.core.files import read_json, reading
from tasks.core.params import General
from tasks.core.paths import WINDOWS, WindowName
from tasks.core.rows import Modality, modality
from tasks.core.tables import columns_of, in_order_of, read_table
from tasks.dataset import layout, windows
from tasks.dataset.labels import LabelFormat
from tasks.dataset.windows import Windows

Record = Mapping[str, Any]
SPLITS: tuple[Literal["train", "validation", "test"], ...] = ("train", "validation", "test")
QUARANTINE = ["id", "label", "source_file", "source_row", "source_bytes", "reasons"]


@dataclass(frozen=True)
class Inputs:
    """The metrics of every stage, the two quarantines and the curves of the training."""

    general: General
    windows: Windows
    ingest: Mapping[WindowName, Record]
    validate: Mapping[WindowName, Record]
    split: Record
    tokenize: Record
    finetune: Record
    baseline: Record
    evaluate: Record
    drift: Record
    curves: list[dict[str, float]]
    """One for each line of the csv; an empty field is left out."""
    quarantine: Mapping[WindowName, pa.Table]
    """With the columns QUARANTINE and the one that holds texts or images."""
    answers: pa.Table | None = None
    """The test rows with what the model says of them; None where only metrics are read."""
    dated: pa.Table | None = None
    """Label and timestamp of every row of the splits; None likewise."""

    @property
    def cells(self) -> LabelFormat:
        """How labels are written."""
        return LabelFormat(self.general.task)

    @property
    def is_linear(self) -> bool:
        """Whether the model is of the baseline's family."""
        return self.general.model.family == "linear"

    @property
    def reads(self) -> Modality:
        """What the rows are."""
        found: Modality = self.tokenize.get("modality", "text")
        return found


def read_inputs() -> Inputs:
    """Everything from its path; what is missing is refused by its name."""
    return Inputs(
        general=params.general(),
        windows=windows.load(),
        ingest={window: read_json(paths.metrics("ingest", window)) for window in WINDOWS},
        validate={window: read_json(paths.metrics("validate", window)) for window in WINDOWS},
        split=read_json(paths.metrics("split")),
        tokenize=read_json(paths.metrics("tokenize")),
        finetune=read_json(paths.metrics("finetune")),
        baseline=read_json(paths.metrics("baseline")),
        evaluate=read_json(paths.metrics("evaluate")),
        drift=read_json(paths.metrics("drift")),
        curves=read_curves(paths.CURVES),
        quarantine={window: _quarantine(layout.window(window).quarantine) for window in WINDOWS},
        answers=_answers(layout.split("test"), layout.window("reference").scored),
        dated=pa.concat_tables(read_table(layout.split(name), ["label", "timestamp"]) for name in SPLITS),
    )


def _answers(test: Path, scored: Path) -> pa.Table:
    """The test rows beside their scores, which hold the validation rows too."""
    rows = read_table(test, ["id", "label", modality(columns_of(test))])
    said = in_order_of(read_table(scored), rows["id"])
    for name in said.column_names:
        if name not in rows.column_names:
            rows = rows.append_column(name, said[name])
    return rows


def _quarantine(path: Path) -> pa.Table:
    return read_table(path, [*QUARANTINE, modality(columns_of(path))])


def read_curves(path: Path) -> list[dict[str, float]]:
    """The lines of ``reports/curves.csv`` as numbers."""
    with reading(path, "a table of numbers", csv.Error), path.open(newline="", encoding="utf-8") as file:
        return [{name: float(value) for name, value in line.items() if value} for line in csv.DictReader(file)]
