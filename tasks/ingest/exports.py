"""Exports of annotation tools: one row for each text that has an answer.

``label_studio`` (JSON, JSON-MIN, csv): the fields of a task's data and each control of the labelling page are columns;
an annotation marked as ground truth counts alone. ``doccano``: a list with one label is that label. ``prodigy``: the
label is ``label``, or the one option in ``accept``.

Skipped, rejected, ignored and unanswered ones are left out and counted. Where answers to one task differ, its records
are held.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator

from tasks.core.errors import UserError
from tasks.ingest import label_studio
from tasks.ingest.answers import UNANSWERED, Answers, one_label, settle, values, with_answers
from tasks.ingest.decoding import ExportFormat, Opening
from tasks.ingest.parts import Part

REFUSED = {"reject": "rejected", "ignore": "ignored"}


def answered(parts: Iterator[Part], kind: ExportFormat, label: str | None) -> Iterator[Part]:
    """The parts of one file with labels in their column ``label``; records that hold no answer are marked."""
    if label is None:
        raise UserError(f"ingest.format is {kind}: name the column of the labels in ingest.columns.label")
    yield from READERS[kind](list(parts), label)  # what was annotated by hand fits into memory


def undeclared(parts: Iterator[Part], opening: Opening) -> Iterator[Part]:
    """The parts as they are, and a note if they look like Prodigy's, whose rejected answers would be read as labels."""
    for part in parts:
        if part.first == 0 and {"answer", "_task_hash"} <= set(part.table.column_names):
            opening.notes.lines.append(
                f"{part.file} looks like an export of Prodigy, rejected answers included: "
                "to leave them out, set `format: prodigy` under ingest"
            )
        yield part


def _doccano(parts: list[Part], label: str) -> list[Part]:
    return [with_answers(part, label, _listed(part, label)) for part in parts]


def _listed(part: Part, label: str) -> Answers:
    found = Answers([one_label(one) for one in values(part, label)])
    found.left_out = {i: UNANSWERED for i, one in enumerate(found.labels) if one is None}
    return found


def _prodigy(parts: list[Part], label: str) -> list[Part]:
    found = [_decided(part, label) for part in parts]
    settle([_inputs(part) for part in parts], found)
    return [with_answers(part, label, one) for part, one in zip(parts, found, strict=True)]


def _decided(part: Part, label: str) -> Answers:
    options = [one_label(one) for one in values(part, "accept")]
    found = Answers([own if own is not None else one for own, one in zip(values(part, label), options, strict=True)])
    for i, answer in enumerate(values(part, "answer")):
        if answer in REFUSED:
            found.left_out[i] = REFUSED[answer]
        elif found.labels[i] is None:
            found.left_out[i] = UNANSWERED
    return found


def _inputs(part: Part) -> list[Hashable]:
    """What tells the texts of records apart; None where nothing does."""
    return [one if isinstance(one, Hashable) else None for one in values(part, "_input_hash")]


READERS: dict[ExportFormat, Callable[[list[Part], str], list[Part]]] = {
    "label_studio": label_studio.answered,
    "doccano": _doccano,
    "prodigy": _prodigy,
}
