"""The reasons for which rows are quarantined: row rules first, then rules across the rows that met them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import compress

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.errors import UserError
from tasks.core.paths import WindowName
from tasks.core.rows import modality
from tasks.dataset.labels import SINGLE, LabelFormat
from tasks.dataset.schema import REASONS
from tasks.validate import Params, own_rules
from tasks.validate.duplicates import find_copies, is_repeated
from tasks.validate.expectations import RuleChecker
from tasks.validate.profile import observe
from tasks.validate.releases import Released
from tasks.validate.rules import Rule, copy_rules, row_rules

Reasons = dict[str, list[str]]
OWN_RULES = "tasks/validate/own_rules.py"


def row_reasons(
    raw: pa.Table,
    rows: pa.Table,
    section: Params,
    window: WindowName,
    checker: RuleChecker,
    personal: Mapping[int, str],
    released: Released,
    cells: LabelFormat = SINGLE,
) -> Reasons:
    """The reasons by id, without those that the row was released from.

    ``raw`` holds the texts as they came, ``rows`` as they would pass; ``personal`` names by position what personal data
    a text holds.
    """
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    kind = modality(rows.column_names)
    unreadable = rows.filter(pc.is_valid(rows["problem"]))
    problems = dict(zip(unreadable["id"].to_pylist(), unreadable["problem"].to_pylist(), strict=True))
    rules = _with_own(row_rules(section, window, kind, cells))
    failures = checker.failures(f"{window}_rows", _observed(raw, rows, section, personal, cells), rules)
    for key in failures.pop("unreadable", []):
        if (key, problems[key]) not in released:
            reasons[key].append(problems[key])
    unreadable_ids = set(reasons)
    for reason, ids in failures.items():
        for key in ids:
            if key not in unreadable_ids and (key, reason) not in released:
                reasons[key].append(reason)
    _add_duplicates(rows, section, window, checker, released, reasons)
    return reasons


def _observed(
    raw: pa.Table, rows: pa.Table, section: Params, personal: Mapping[int, str], cells: LabelFormat
) -> pd.DataFrame:
    """The columns that the row rules check: of texts as they came, of images their properties."""
    table = rows if modality(rows.column_names) == "image" else raw
    observed = observe(table, section, personal, cells)
    for rule in own_rules.RULES:
        if rule.column not in observed:
            if rule.column not in table.column_names:
                raise UserError(f"{OWN_RULES}: {rule.reason}: the rows have no column {rule.column!r}")
            observed[rule.column] = table[rule.column].to_pandas()
    return observed


def _with_own(rules: list[Rule]) -> list[Rule]:
    """The rules, and those of tasks/validate/own_rules.py. UserError where two rules clash."""
    used = {(rule.expectation, rule.column) for rule in rules}
    reasons = {rule.reason for rule in rules}
    for rule in own_rules.RULES:
        if (rule.expectation, rule.column) in used or rule.reason in reasons:
            raise UserError(f"{OWN_RULES}: {rule.reason}: another rule has this reason, or this expectation and column")
        used.add((rule.expectation, rule.column))
        reasons.add(rule.reason)
    return [*rules, *own_rules.RULES]


def _add_duplicates(
    rows: pa.Table, section: Params, window: WindowName, checker: RuleChecker, released: Released, reasons: Reasons
) -> None:
    """Add the reasons of duplicates: of texts or images, labels that conflict, and columns that must be unique."""
    good, kind = passing(rows, reasons), modality(rows.column_names)
    found = _duplicate_columns(good, section, {name for name, reason in released if reason == "conflicting_label"})
    for reason, ids in checker.failures(f"{window}_copies", found, copy_rules(section, kind)).items():
        for key in ids:
            if (key, reason) not in released and (reason != f"duplicate_{kind}" or key not in reasons):
                reasons.setdefault(key, []).append(reason)


def _duplicate_columns(good: pa.Table, section: Params, released_ids: set[str]) -> pd.DataFrame:
    """The columns that ``copy_rules`` check."""
    ids, labels = good["id"].to_pylist(), good["label"].to_pylist()
    if modality(good.column_names) == "image":
        found = find_copies(ids, good["image_pixels"].to_pylist(), labels, released_ids, key=str)
    else:
        found = find_copies(ids, (text.as_py() for text in good["text"]), labels, released_ids)
    found.insert(0, "id", good["id"].to_pandas())
    repeated = {name: is_repeated(good[name].to_pandas()) for name in section.unique}
    words = [", ".join(compress(repeated, row)) or None for row in zip(*repeated.values(), strict=True)]
    found["columns_taken"] = pd.Series(words or [None] * len(found), dtype=object)
    return found


def passing(rows: pa.Table, reasons: Reasons) -> pa.Table:
    """The rows without reasons, in order."""
    return rows.filter(pc.invert(_named(rows, reasons))) if reasons else rows  # to filter is to copy


def failing(rows: pa.Table, reasons: Reasons) -> pa.Table:
    """The rows with reasons, in order, ``reasons`` appended."""
    left = rows.filter(_named(rows, reasons))
    column = pa.array([reasons[key] for key in left["id"].to_pylist()], REASONS.type)
    return left.append_column(REASONS, column)


def _named(rows: pa.Table, reasons: Reasons) -> pa.ChunkedArray:
    return pc.is_in(rows["id"], value_set=pa.array(list(reasons), pa.string()))
