"""Answers of annotators: which records have one, and where those to one task differ."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tasks.ingest.parts import Part, strings

UNANSWERED, TWICE = "not_annotated", "annotated_twice"
"""Words by which records without an answer, and further ones with the same, are counted."""
DIFFER = "annotations_differ"
"""The problem of records of one task whose answers differ."""


@dataclass
class Answers:
    """The answers of one part, record by record."""

    labels: list[Any]
    """A string, several of them as a list, or None."""
    left_out: dict[int, str] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)


def values(part: Part, name: str) -> list[Any]:
    """The values of a column, JSON decoded; None where the part has no such column."""
    if name not in part.table.column_names:
        return [None] * part.records
    found = part.table[name].to_pylist()
    places = part.not_strings.get(name, frozenset())
    return [json.loads(one) if i in places else one for i, one in enumerate(found)]


def one_label(found: Any) -> Any:
    """A list's only string, None for an empty list; anything else as it is."""
    if isinstance(found, list) and len(found) < 2 and all(isinstance(one, str) for one in found):
        return found[0] if found else None
    return None if found == "" else found


def settle(keys: Sequence[Sequence[Hashable]], answers: Sequence[Answers]) -> None:
    """Mark what answers the task of an earlier record: the same again is left out, differing ones are all held."""
    places = defaultdict(list)
    for part, found in enumerate(answers):
        for i, key in enumerate(keys[part]):
            if i not in found.left_out and key is not None:
                places[key].append((part, i))
    for same in places.values():
        labels = {json.dumps(answers[part].labels[i]) for part, i in same}
        for part, i in same[len(labels) == 1 :]:
            marks, word = (answers[part].problems, DIFFER) if len(labels) > 1 else (answers[part].left_out, TWICE)
            marks[i] = word


def with_column(part: Part, name: str, found: Sequence[Any]) -> Part:
    """The part with a column of these values; what is no string is kept as JSON."""
    others = {i: json.dumps(v, ensure_ascii=False) for i, v in enumerate(found) if not isinstance(v, str | None)}
    column, bad = strings([others.get(i, value) for i, value in enumerate(found)])
    has = name in part.table.column_names
    table = part.table.drop_columns([name]) if has else part.table
    return replace(
        part,
        table=table.append_column(name, column),
        not_strings=_with(part.not_strings, name, frozenset(others)),
        undecodable=_with(part.undecodable, name, bad),
    )


def with_answers(part: Part, label: str, found: Answers) -> Part:
    """The part with its labels, and what is left out or held."""
    made = with_column(part, label, found.labels)
    left_out = {i: word for i, word in found.left_out.items() if i not in part.unparseable}
    return replace(made, left_out=left_out, problems=found.problems)


def _with(places: Mapping[str, frozenset[int]], name: str, found: frozenset[int]) -> dict[str, frozenset[int]]:
    return {key: value for key, value in places.items() if key != name} | ({name: found} if found else {})
