"""Why most rows were quarantined, each reason with one row and the key that settles it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa

from tasks.redaction import excerpt
from tasks.validate import own_rules

MAX_REASONS, MAX_VALUE = 3, 80  # reasons listed, characters of a value
SETTLED_BY = {
    "record_unparseable": "correct the record",
    "header_repeated": "take the repeated header out of the file",
    "cell_error": "correct the formula, or open and save the file in a spreadsheet program, so that it has a result",
    "annotations_differ": "settle the task in the annotation tool, and export again",
    "text_undecodable": "name the file's encoding (ingest.encoding)",
    "value_undecodable": "name the file's encoding (ingest.encoding)",
    "text_not_a_string": "name the column that holds the text (ingest.columns.text)",
    "label_multiple": "keep one label for each row, or set task: multi_label",
    "label_not_a_string": "name the column that holds the label's name (ingest.columns.label)",
    "id_not_a_string": "name the column that holds the id (ingest.columns.id), or set it to null",
    "id_missing": "fill it in, or set ingest.columns.id to null",
    "id_duplicate": "set ingest.columns.id to null if it is no id",
    "id_conflict": "keep one of the rows, or set ingest.columns.id to null if it is no id",
    "columns_differ": "correct the file, or set ingest.columns_differ to say",
    "text_missing": "leave such rows out of the source, or name the right column (ingest.columns.text)",
    "text_pair_missing": "leave such rows out of the source, or name the right column (ingest.columns.text_pair)",
    "text_pair_too_long": "raise validate.max_characters",
    "text_pair_too_short": "lower validate.min_characters",
    "text_too_short": "lower validate.min_characters",
    "text_too_long": "raise validate.max_characters",
    "script_not_allowed": "add the script to validate.scripts",
    "character_not_allowed": "take the kind out of validate.forbidden_characters",
    "label_missing": "label them, or leave them out of the source",
    "label_not_allowed": "add the label to validate.labels (or label_order), or merge it by validate.merge_labels",
    "time_outside": "change validate.earliest or validate.latest",
    "value_unlike_type": "change the type in validate.columns",
    "value_missing": "take the column out of validate.required",
    "value_not_unique": "take the column out of validate.unique",
    "personal_data": "set validate.privacy to redact",
    "conflicting_label": "correct the labels, or release rows (driftline quarantine release)",
}
"""What a person does about a reason; of others, raising ``max_quarantined`` is all there is."""
LABEL_REASONS = frozenset({"label_missing", "label_not_allowed"})
OTHERWISE = "raise validate.max_quarantined if so many are right"


def largest_reasons(quarantined: pa.Table, uncounted: frozenset[str]) -> list[str]:
    """The three reasons of most rows, but for the uncounted: how many, the first row's value and place, the key."""
    by_row = quarantined["reasons"].to_pylist()
    counts = Counter(reason for reasons in by_row for reason in reasons if reason not in uncounted)
    order = sorted(counts, key=lambda reason: (-counts[reason], reason))[:MAX_REASONS]
    return [_sentence(reason, counts[reason], _first(quarantined, by_row, reason)) for reason in order]


def _first(quarantined: pa.Table, by_row: list[list[str]], reason: str) -> dict[str, Any]:
    place = next(place for place, reasons in enumerate(by_row) if reason in reasons)
    row: dict[str, Any] = quarantined.slice(place, 1).to_pylist()[0]
    return row


def _sentence(reason: str, count: int, row: dict[str, Any]) -> str:
    own = any(rule.reason == reason for rule in own_rules.RULES)
    settle = "change the rule in tasks/validate/own_rules.py" if own else SETTLED_BY.get(reason, OTHERWISE)
    return f"{count} {reason}, such as {_value(reason, row)} ({row['source_file']}, row {row['source_row']}): {settle}"


def _value(reason: str, row: dict[str, Any]) -> str:
    """What the row says: its label where that is at fault, else its text, redacted."""
    if reason in LABEL_REASONS:
        return f"the label {row['label']!r}"
    if row.get("image") is not None:
        return f"an image of {len(row['image'])} bytes"
    text = row.get("text")
    shown = excerpt((row["source_bytes"] or b"").decode(errors="replace") if text is None else text, MAX_VALUE)
    return f"{shown!r}" if shown else "an empty one"
