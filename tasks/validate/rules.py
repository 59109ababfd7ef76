"""The contract as rules: which expectation, on which column, and what its failure is called.

Rules check what is derived from a text (its length, the id of its first copy), never the text itself, so that no
page of results shows what somebody wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.core.paths import WindowName
from tasks.core.rows import TEXT, TEXT_PAIR, Modality, modality
from tasks.dataset.labels import SINGLE, LabelFormat
from tasks.validate import Params
from tasks.validate.image_checks import rules as image_rules

CHARACTERS_OF = {TEXT: "characters", TEXT_PAIR: "characters_of_pair"}
"""By the column of a text, the one that says how long it is."""


@dataclass(frozen=True)
class Rule:
    """One Great Expectations expectation by its class name, and the reason given where it fails."""

    reason: str
    expectation: str
    column: str
    limits: Mapping[str, Any] = field(default_factory=dict)


def row_rules(
    params: Params, window: WindowName, inputs: Sequence[str] = (TEXT,), cells: LabelFormat = SINGLE
) -> list[Rule]:
    """What each row must meet by itself; ``inputs``: the columns that are classified."""
    kind, texts = modality(inputs), [name for name in inputs if name in CHARACTERS_OF]
    rules = [
        Rule("unreadable", "ExpectColumnValuesToBeNull", "problem"),  # its value is the reason
        *(_of_text(params) if kind == "text" else _of_image(params)),
        Rule("label_missing", "ExpectColumnValuesToNotBeNull", "label"),
    ]
    if window == "current":
        rules.pop()  # labels may come later
    rules += _of_pair(params) if TEXT_PAIR in texts else []
    rules += [Rule(reason, "ExpectColumnValuesToBeNull", column) for reason, column in _optional_rules(params)]
    if params.max_characters is not None:
        rules += [_between(f"{name}_too_long", CHARACTERS_OF[name], None, params.max_characters) for name in texts]
    if params.labels is not None and cells.several:
        rules.append(Rule("label_not_allowed", "ExpectColumnValuesToBeNull", "labels_not_allowed"))
    elif params.labels is not None:
        rules.append(Rule("label_not_allowed", "ExpectColumnValuesToBeInSet", "label", {"value_set": params.labels}))
    return rules


def _of_text(params: Params) -> list[Rule]:
    return [
        Rule("text_missing", "ExpectColumnValuesToNotBeNull", "characters"),
        _between("text_too_short", "characters", params.min_characters, None),
    ]


def _of_pair(params: Params) -> list[Rule]:
    column = CHARACTERS_OF[TEXT_PAIR]
    return [
        Rule("text_pair_missing", "ExpectColumnValuesToNotBeNull", column),
        _between("text_pair_too_short", column, params.min_characters, None),
    ]


def _of_image(params: Params) -> list[Rule]:
    """The properties of an image that could be decoded; they are null of one that could not."""
    kinds = {True: "ExpectColumnValuesToBeInSet", False: "ExpectColumnValuesToBeBetween"}
    return [
        Rule(reason, kinds["value_set" in limits], column, limits)
        for reason, column, limits in image_rules(params.image)
    ]


def _optional_rules(params: Params) -> list[tuple[str, str]]:
    """The reasons, and the columns that say why, of the rules that the section switches on."""
    optional = {
        ("script_not_allowed", "letters_outside"): params.scripts is not None,
        ("character_not_allowed", "forbidden_characters"): params.forbidden_characters,
        ("time_outside", "time_outside"): params.earliest or params.latest,
        ("value_unlike_type", "mistyped_columns"): params.columns,
        ("value_missing", "columns_empty"): params.required,
        ("personal_data", "personal_data"): params.privacy == "quarantine",
    }
    return [names for names, is_on in optional.items() if is_on]


def copy_rules(params: Params, kind: Modality = "text") -> list[Rule]:
    """What the rows that meet the row rules must meet among each other."""
    rules = [
        Rule("conflicting_label", "ExpectColumnValuesToBeNull", "conflicts_with"),
        Rule(f"duplicate_{kind}", "ExpectColumnValuesToBeNull", "copy_of"),
    ]
    if params.unique:
        rules.append(Rule("value_not_unique", "ExpectColumnValuesToBeNull", "columns_taken"))
    return rules


def table_rules(params: Params, window: WindowName) -> list[Rule]:
    """What the window as a whole must meet; columns of a table with one row."""
    rules = [
        _between("max_quarantined", "share_quarantined", None, params.max_quarantined),
        _between("min_rows", "rows_validated", params.min_rows, None),
    ]
    if window == "reference":  # labels of current may come later
        rules.append(_between("min_classes", "classes", params.min_classes, None))
    return rules


def class_rules(params: Params) -> list[Rule]:
    """What the share of each label must meet."""
    rules = []
    if params.min_class_share is not None:
        rules.append(_between("min_class_share", "share_of_class", params.min_class_share, None))
    if params.max_class_share is not None:
        rules.append(_between("max_class_share", "share_of_class", None, params.max_class_share))
    return rules


def _between(reason: str, column: str, least: float | None, most: float | None) -> Rule:
    return Rule(reason, "ExpectColumnValuesToBeBetween", column, {"min_value": least, "max_value": most})
