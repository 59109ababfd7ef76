"""Both runs' answers to the test rows that neither has learnt from: paired figures, and the answers that differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from threadpoolctl import threadpool_limits

from flows.runs import Run
from flows.runs.old_params import section_of
from tasks.core.errors import UserError
from tasks.core.rows import contents
from tasks.core.tables import in_order_of, read_table
from tasks.dataset import layout
from tasks.dataset.labels import LabelFormat
from tasks.evaluate import Params, Slices
from tasks.evaluate.__main__ import evaluate, labels_of
from tasks.report.answers import shown

MIN_ROWS = 30
"""Of both runs' test rows: fewer tell no difference that a person would act on."""
NO_SLICES = Slices(text_length=False, time=False, script=False, image=False, words=False, worst=0)
EXAMPLES = 3  # of each change
SCORED = layout.window("reference").scored


@dataclass(frozen=True)
class Example:
    """A test row that the two answer differently, masked."""

    text: str
    picture: str | None
    """A small copy of an image, as a data URI."""
    confidences: tuple[float, float]


@dataclass(frozen=True)
class Changed:
    """Test rows of one label that one run takes for this and the other for that."""

    truth: str
    said: tuple[str, str]
    rows: int
    examples: tuple[Example, ...]

    @property
    def right(self) -> int | None:
        """Which of the two is right, 0 or 1; None: neither."""
        return self.said.index(self.truth) if self.truth in self.said else None


@dataclass(frozen=True)
class Paired:
    """What both runs make of the same rows."""

    rows: int
    test_rows: tuple[int, int]
    """Of each run, of which ``rows`` are in both."""
    figures: Mapping[str, Any]
    """As ``metrics/evaluate.json`` has them, the second run in the baseline's place."""
    cells: tuple[tuple[str, str, int, int], ...]
    """True label, predicted label, and how many rows each run puts there, where the two differ."""
    changed: tuple[Changed, ...]
    """The most frequent first."""

    @property
    def alone_right(self) -> tuple[int, int]:
        """Rows that one run has right and the other wrong."""
        found = Counter({one.right: 0 for one in self.changed})
        for one in self.changed:
            found[one.right] += one.rows
        return found[0], found[1]


def paired(one: Run, other: Run) -> Paired:
    """Both on the rows that are in both test splits. UserError: these are too few, or a file is gone."""
    tests = [_table(run, layout.split("test"), "test rows") for run in (one, other)]
    answers = [_table(run, SCORED, "scores") for run in (one, other)]
    common = tests[0].filter(pc.is_in(tests[0]["id"], value_set=tests[1]["id"]))
    if len(common) < MIN_ROWS:
        raise UserError(
            f"their test splits share {len(common)} of {len(tests[0])} and {len(tests[1])} rows; "
            f"a comparison needs {MIN_ROWS} that neither was trained on"
        )
    cells, of_other = (_cells_of(run) for run in (one, other))
    if of_other.several != cells.several:
        raise UserError("one gives a row a label, the other a list of them")
    said = _of_rows(answers, common)
    labels = common["label"].to_pylist()
    if len(set(labels)) < 2:
        raise UserError(f"the {len(common)} test rows that they share are all of one label")
    splits = {"train": common.slice(0, 0), "validation": common.slice(0, 0), "test": common}
    section = section_of(Params, "evaluate", one.params).model_copy(update={"slices": NO_SLICES, "measures": ()})
    with threadpool_limits(1):  # as the stage does, for the same digits
        figures = evaluate(splits, said[0], said[1], section, int(one.params.get("seed", 7)), cells=cells)
    predictions = [table["prediction"].to_pylist() for table in said]
    return Paired(
        len(common),
        (len(tests[0]), len(tests[1])),
        figures,
        tuple(_cells(labels, *predictions)),
        tuple(_changed(common, labels, said, *predictions)),
    )


def _cells_of(run: Run) -> LabelFormat:
    """How the run writes labels, and their order."""
    order = map(str, run.params.get("label_order") or ())
    return LabelFormat(run.params.get("task", "single_label"), tuple(order))


def _table(run: Run, path: Any, what: str) -> pa.Table:
    file = run.output(path)
    if file is None:
        raise UserError(f"the {what} of {run.name} are not on this machine: `dvc fetch` may bring {path} back")
    return read_table(file)


def _of_rows(answers: list[pa.Table], rows: pa.Table) -> list[pa.Table]:
    """The answers to these rows in their order, with a probability for each label that either run knows."""
    known = dict.fromkeys(label for table in answers for label in labels_of(table))
    found = []
    for table in answers:
        if missing := len(rows) - pc.sum(pc.is_in(rows["id"], value_set=table["id"])).as_py():
            raise UserError(f"{missing} test rows have no score: run `dvc repro`")
        kept = in_order_of(table, rows["id"])
        for label in [label for label in known if label not in labels_of(table)]:
            kept = kept.append_column(f"probability_{label}", pa.array(np.zeros(len(kept))))
        if "decision" not in kept.column_names:  # of an earlier release
            kept = kept.append_column("decision", kept["prediction"])
        found.append(kept)
    return found


def _cells(truth: list[str], one: list[str], other: list[str]) -> Iterator[tuple[str, str, int, int]]:
    """The cells of the confusion matrix whose rows differ in number, the largest difference first."""
    counts = [Counter(zip(truth, said, strict=True)) for said in (one, other)]
    cells = [(*cell, counts[0][cell], counts[1][cell]) for cell in {**counts[0], **counts[1]}]
    yield from sorted((its for its in cells if its[2] != its[3]), key=lambda its: (-abs(its[2] - its[3]), its))


def _changed(
    rows: pa.Table, truth: list[str], said: list[pa.Table], one: list[str], other: list[str]
) -> Iterator[Changed]:
    """The answers that differ, by true label and what each said; the examples are those of the highest confidence."""
    places: dict[tuple[str, str, str], list[int]] = {}
    for i, cell in enumerate(zip(truth, one, other, strict=True)):
        if cell[1] != cell[2]:
            places.setdefault(cell, []).append(i)
    confidences = [table["confidence"].to_pylist() for table in said]
    for (label, *answers), its in sorted(places.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        surest = sorted(its, key=lambda i: (-max(sides[i] for sides in confidences), i))[:EXAMPLES]
        examples = tuple(
            Example(*shown(contents(rows.slice(i, 1))[0]), (confidences[0][i], confidences[1][i])) for i in surest
        )
        yield Changed(label, (answers[0], answers[1]), len(its), examples)
