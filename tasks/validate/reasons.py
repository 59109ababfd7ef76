"""Why each row that may not pass may not: rules on the row, then on what the rows that met them share."""

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
from tasks.dataset.schema import REASONS
from tasks.validate import Params, own_rules
from tasks.validate.duplicates import copies, taken
from tasks.validate.expectations import Judge
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
    judging: Judge,
    personal: Mapping[int, str],
    let_out: Released,
) -> Reasons:
    """The reasons by id, without those that ``let_out`` says no longer hold.

    ``raw`` holds the texts as they came, ``rows`` as they would pass; ``personal`` names by position what personal data
    a text holds.
    """
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    kind = modality(rows.column_names)
    unreadable = rows.filter(pc.is_valid(rows["problem"]))
    problems = dict(zip(unreadable["id"].to_pylist(), unreadable["problem"].to_pylist(), strict=True))
    rules = _with_own(row_rules(section, window, kind))
    failures = judging.failures(f"{window}_rows", _observed(raw, rows, section, personal), rules)
    for key in failures.pop("unreadable", []):
        if (key, problems[key]) not in let_out:
            reasons[key].append(problems[key])
    held = set(reasons)
    for reason, ids in failures.items():
        for key in ids:
            if key not in held and (key, reason) not in let_out:  # what cannot be read is not judged for what it lacks
                reasons[key].append(reason)
    _add_shared(rows, section, window, judging, let_out, reasons)
    return reasons


def _observed(raw: pa.Table, rows: pa.Table, section: Params, personal: Mapping[int, str]) -> pd.DataFrame:
    """What the row rules look at: of texts as they came, of images what was seen."""
    seen = rows if modality(rows.column_names) == "image" else raw
    observed = observe(seen, section, personal)
    for rule in own_rules.RULES:
        if rule.column not in observed:
            if rule.column not in seen.column_names:
                raise UserError(f"{OWN_RULES}: {rule.reason}: the rows have no column {rule.column!r}")
            observed[rule.column] = seen[rule.column].to_pandas()
    return observed


def _with_own(rules: list[Rule]) -> list[Rule]:
    """The rules, and those of tasks/validate/own_rules.py. UserError where an own one is too much like another."""
    judged = {(rule.expectation, rule.column) for rule in rules}
    reasons = {rule.reason for rule in rules}
    for rule in own_rules.RULES:
        if (rule.expectation, rule.column) in judged or rule.reason in reasons:
            raise UserError(f"{OWN_RULES}: {rule.reason}: another rule has this reason, or this expectation and column")
        judged.add((rule.expectation, rule.column))
        reasons.add(rule.reason)
    return [*rules, *own_rules.RULES]


def _add_shared(
    rows: pa.Table, section: Params, window: WindowName, judging: Judge, let_out: Released, reasons: Reasons
) -> None:
    """Add the reasons of rows that share with others what they may not."""
    good, kind = passing(rows, reasons), modality(rows.column_names)
    found = _shared(good, section, {name for name, reason in let_out if reason == "conflicting_label"})
    for reason, ids in judging.failures(f"{window}_copies", found, copy_rules(section, kind)).items():
        for key in ids:
            if (key, reason) not in let_out and (reason != f"duplicate_{kind}" or key not in reasons):
                reasons.setdefault(key, []).append(reason)


def _shared(good: pa.Table, section: Params, settled: set[str]) -> pd.DataFrame:
    """What ``copy_rules`` look at."""
    ids, labels = good["id"].to_pylist(), good["label"].to_pylist()
    if modality(good.column_names) == "image":
        found = copies(ids, good["image_pixels"].to_pylist(), labels, settled, key=str)
    else:
        found = copies(ids, (text.as_py() for text in good["text"]), labels, settled)
    found.insert(0, "id", good["id"].to_pandas())
    held = {name: taken(good[name].to_pandas()) for name in section.unique}
    words = [", ".join(compress(held, row)) or None for row in zip(*held.values(), strict=True)]
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
