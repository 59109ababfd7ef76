"""Labels that look alike, and the written rule that merges them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.errors import UserError
from tasks.dataset.labels import SINGLE, LabelFormat
from tasks.validate import Params
from tasks.validate.label_looks import look

MISSING_WORDS = frozenset({"null", "none", "nan", "nat", "n/a", "#n/a", "na", "nil", "-", "?", "undefined", "<na>"})
"""What programs and people write where there is no label."""
MAX_SHOWN = 5


@dataclass(frozen=True)
class LabelFindings:
    """What looks wrong about a window's labels; empty where nothing does."""

    look_alikes: Sequence[Mapping[str, int]] = ()
    """Groups of labels that a person would read as one, with how many rows have each, the most frequent first."""
    missing_words: Mapping[str, int] = field(default_factory=dict)
    """Labels that look like a word for no label."""
    merged: Mapping[str, int] = field(default_factory=dict)
    """How many rows had each label that ``validate.merge_labels`` names."""

    def figures(self) -> dict[str, object]:
        """For the metrics: only what was found."""
        found = {
            "look_alike_labels": [dict(group) for group in self.look_alikes],
            "missing_label_words": dict(self.missing_words),
            "merged_labels": dict(self.merged),
        }
        return {name: value for name, value in found.items() if value}

    def sentences(self) -> list[str]:
        """One line for each kind of finding, with the key that settles it."""
        said = []
        if self.look_alikes:
            shown = [list(group) for group in self.look_alikes[:MAX_SHOWN]]
            rule = json.dumps({other: most for most, *others in shown for other in others})
            groups = "; ".join(_counted(group) for group in self.look_alikes[:MAX_SHOWN])
            more = f"; and {len(self.look_alikes) - MAX_SHOWN} more" if len(self.look_alikes) > MAX_SHOWN else ""
            said.append(f"labels that look alike: {groups}{more}: if they are one, say validate.merge_labels: {rule}")
        if self.missing_words:
            rule = json.dumps(dict.fromkeys(self.missing_words))
            words = _counted(self.missing_words)
            said.append(f"labels that look like none: {words}: if they are, say validate.merge_labels: {rule}")
        if self.merged:
            said.append(f"labels merged by validate.merge_labels: {_counted(self.merged)}")
        return said


def with_order(section: Params, cells: LabelFormat) -> Params:
    """The section with the labels of ``label_order`` as those that are allowed, unless it names some of them itself.

    UserError: it names one that has no place in the order.
    """
    if not cells.order:
        return section
    if beside := sorted({*(section.labels or ())} - {*cells.order}):
        raise UserError(
            f"params.yaml: validate.labels names {beside[0]!r}, which label_order lacks: add it there in its place, or "
            "take it out of validate.labels"
        )
    return section if section.labels is not None else section.model_copy(update={"labels": [*cells.order]})


def merge_labels(
    rows: pa.Table, rule: Mapping[str, str | None], cells: LabelFormat = SINGLE
) -> tuple[pa.Table, dict[str, int]]:
    """The rows with the labels that the rule puts in the place of others, and how many had each.

    Of a row with several labels each is replaced by itself, and one that becomes none is left out.
    """
    if not rule:
        return rows, {}
    labels = rows["label"]
    counts = {name: rows_with for name, rows_with in cells.count(labels.to_pylist()).items() if name in rule}
    if cells.several:
        merged = [None if cell is None else _merged(cell, rule, cells) for cell in labels.to_pylist()]
        labels = pa.chunked_array([pa.array(merged, pa.string())])
    for old, new in () if cells.several else rule.items():
        labels = pc.if_else(pc.equal(labels, old), pa.scalar(new, pa.string()), labels)
    place = rows.column_names.index("label")
    return rows.set_column(place, rows.schema.field("label"), labels), dict(sorted(counts.items()))


def _merged(cell: str, rule: Mapping[str, str | None], cells: LabelFormat) -> str:
    return cells.cell(new for label in cells.labels(cell) if (new := rule.get(label, label)) is not None)


def find_look_alikes(counts: Mapping[str, int], merged: Mapping[str, int] | None = None) -> LabelFindings:
    """What looks wrong about labels, by how many rows have each."""
    groups: dict[str, list[str]] = {}
    for label in sorted(counts, key=lambda label: (-counts[label], label)):
        if shape := look(label):
            groups.setdefault(shape, []).append(label)
    alike = [{label: counts[label] for label in group} for group in groups.values() if len(group) > 1]
    words = {label: counts[label] for label in sorted(counts) if look(label) in MISSING_WORDS}
    return LabelFindings(alike, words, merged or {})


def _counted(group: Mapping[str, int]) -> str:
    """Labels as Python writes them, so that a sign nobody sees shows."""
    return ", ".join(f"{label!r} {count}" for label, count in group.items())
