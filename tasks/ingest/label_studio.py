"""Label Studio's exports: JSON holds tasks with their annotations, JSON-MIN and csv a record for each annotation."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tasks.ingest.answers import DIFFER, UNANSWERED, Answers, one_label, settle, values, with_answers, with_column
from tasks.ingest.parts import UNPARSEABLE, Part

CANCELLED = "cancelled"
OF_TASK = ("annotations", "completions", "data", "drafts", "predictions", "meta")
"""Columns of a task that are taken apart, or that no row needs."""


def answered(parts: list[Part], label: str) -> list[Part]:
    """The parts of one file with a row's columns."""
    if any("annotations" in part.table.column_names or "completions" in part.table.column_names for part in parts):
        return [_tasks(part, label) for part in parts]
    found = [_single(part, label) for part in parts]
    settle([values(part, "id") for part in parts], found)
    return [with_answers(part, label, one) for part, one in zip(parts, found, strict=True)]


def _single(part: Part, label: str) -> Answers:
    found = Answers([_chosen(one) for one in values(part, label)])
    found.left_out = {i: UNANSWERED for i, one in enumerate(found.labels) if one is None}
    return found


def _chosen(found: Any) -> Any:
    """The choice, or several, of ``"a"``, ``{"choices": [...]}`` or, in csv, the latter as JSON."""
    if isinstance(found, str) and found.startswith('{"choices":'):
        found = json.loads(found)
    return one_label(found.get("choices") if isinstance(found, dict) else found)


def _tasks(part: Part, label: str) -> Part:
    """Each task as a record: the fields of its data, and the answer to the control that is called ``label``."""
    fields = [one if isinstance(one, dict) else {} for one in values(part, "data")]
    found = Answers([None] * part.records)
    annotations = zip(values(part, "annotations"), values(part, "completions"), strict=True)
    for i, (new, old) in enumerate(annotations):
        try:
            _answer(found, i, new or old or [], label)
        except (AttributeError, TypeError):  # what is written there is no annotation
            found.problems[i] = UNPARSEABLE
    made = replace(part, table=part.table.drop_columns([name for name in OF_TASK if name in part.table.column_names]))
    for name in dict.fromkeys(name for one in fields for name in one):
        made = with_column(made, name, [one.get(name) for one in fields])
    return with_answers(made, label, found)


def _answer(found: Answers, place: int, annotations: list[dict[str, Any]], label: str) -> None:
    """Note the answer of a task's annotations, or why it has none."""
    given = [one for one in annotations if not one.get("was_cancelled")]
    truth = [one for one in given if one.get("ground_truth")] or given
    answers = [one for one in (_result(annotation, label) for annotation in truth) if one is not None]
    if not answers:
        found.left_out[place] = CANCELLED if annotations and not given else UNANSWERED
    elif any(one != answers[0] for one in answers):
        found.problems[place] = DIFFER
    else:
        found.labels[place] = answers[0]


def _result(annotation: dict[str, Any], label: str) -> Any:
    """What an annotation answers to a control of choices; None where nothing."""
    for one in annotation.get("result") or ():
        if one.get("from_name") == label:
            return one_label((one.get("value") or {}).get("choices"))
    return None
