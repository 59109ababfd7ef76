"""Labels that arrived after the rows they belong to."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.errors import UserError
from tasks.dataset.windows import LateLabels
from tasks.ingest import fields, sources
from tasks.ingest.decoding import Opening
from tasks.ingest.names import ONE_LABEL, LabelSyntax
from tasks.ingest.parts import Part

MAX_SHOWN = 200  # characters of a record in a message


def read_labels(late: LateLabels, key: str, opening: Opening, syntax: LabelSyntax = ONE_LABEL) -> dict[str, str]:
    """The label of each id, or the cell of its labels; ``key`` is where ``params.yaml`` names the table. UserError: two
    labels for one id."""
    found: dict[str, str] = {}
    opening = replace(opening, names=(late.id, late.label), label=late.label, format=None)
    for file in sources.list_files(late.source, f"{key}.source"):
        for part in sources.read_parts(file, opening):
            for name in (late.id, late.label) if part.records else ():
                if name not in part.table.column_names:
                    has = ", ".join(map(repr, part.table.column_names))
                    raise UserError(f"{key}: {file} has no column {name!r}; it has {has}: name one of them")
            _add(part, late, found, key, syntax)
    return found


def _add(part: Part, late: LateLabels, found: dict[str, str], key: str, syntax: LabelSyntax) -> None:
    ids, labels = fields.names(part, late.id), fields.labels(part, late.label, syntax)
    odd = ids.several | ids.others | labels.several | labels.others
    if odd:
        shown = part.record(min(odd)).decode(errors="backslashreplace")[:MAX_SHOWN]
        raise UserError(f"{key}: {part.file}, row {part.first + min(odd)}, holds no one id and label: {shown}")
    for name, label in zip(ids.values.to_pylist(), labels.values.to_pylist(), strict=True):
        if name and label and found.setdefault(name, label) != label:
            raise UserError(f"{key}: {part.file} gives {name!r} two labels, {found[name]!r} and {label!r}: keep one")


def join_labels(rows: pa.Table, late: dict[str, str]) -> tuple[pa.Table, dict[str, int]]:
    """The rows with the labels that came later, which win over those they had, and what became of them."""
    ids, old = rows["id"].to_pylist(), rows["label"].to_pylist()
    new = [late.get(name, label) for name, label in zip(ids, old, strict=True)]
    figures = {
        "labels": len(late),
        "joined": sum(name in late for name in ids),
        "replaced": sum(before is not None and before != after for before, after in zip(old, new, strict=True)),
        "unlabelled": pc.sum(pa.array([label is None for label in new], pa.bool_())).as_py() or 0,
    }
    place = rows.column_names.index("label")
    return rows.set_column(place, rows.schema.field("label"), pa.array(new, pa.string())), figures
