"""The reasons for which rows are quarantined: row rules first, then rules across the rows that met them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import compress
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.core.errors import UserError
from tasks.core.paths import WindowName
from tasks.core.rows import inputs, modality
from tasks.core.tables import BATCH, batches
from tasks.dataset.labels import SINGLE, LabelFormat
from tasks.dataset.schema import REASONS
from tasks.validate import Params, own_rules
from tasks.validate.duplicates import copy_key, find_copies, is_repeated, may_be_repeated
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
    unreadable = rows.select(["id", "problem"]).filter(pc.is_valid(rows["problem"]))
    problems = dict(zip(unreadable["id"].to_pylist(), unreadable["problem"].to_pylist(), strict=True))
    rules = _with_own(row_rules(section, window, inputs(rows.column_names), cells))
    observed = _observed(rows if kind == "image" else raw, section, personal, cells)
    failures = checker.failures(f"{window}_rows", observed, rules)
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
    rows: pa.Table, section: Params, personal: Mapping[int, str], cells: LabelFormat
) -> Iterator[pd.DataFrame]:
    """The columns that the row rules check: of texts as they came, of images their properties."""
    start = 0
    for batch in batches(rows):
        places = range(start, start + len(batch))
        observed = observe(batch, section, {i - start: personal[i] for i in places if i in personal}, cells)
        for rule in own_rules.RULES:
            if rule.column not in observed:
                if rule.column not in batch.column_names:
                    raise UserError(f"{OWN_RULES}: {rule.reason}: the rows have no column {rule.column!r}")
                observed[rule.column] = batch[rule.column].to_pandas()
        yield observed
        start += len(batch)


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
    kind = modality(rows.column_names)
    found = _duplicate_columns(
        rows, reasons, section, {name for name, reason in released if reason == "conflicting_label"}
    )
    for reason, ids in checker.failures(f"{window}_copies", found, copy_rules(section, kind)).items():
        for key in ids:
            if (key, reason) not in released and (reason != f"duplicate_{kind}" or key not in reasons):
                reasons.setdefault(key, []).append(reason)


def _duplicate_columns(
    rows: pa.Table, reasons: Reasons, section: Params, released_ids: set[str]
) -> Iterator[pd.DataFrame]:
    """The columns that ``copy_rules`` check, of the rows without reasons."""
    good = np.array(pc.invert(named(rows, reasons)))
    left = rows.select(["id", "label", *section.unique]).filter(pa.array(good))
    is_image = modality(rows.column_names) == "image"
    names, key = (["image_pixels"], str) if is_image else (inputs(rows.column_names), copy_key)
    doubtful = may_be_repeated(_values(rows.select(names), good), len(left))
    good[good] = doubtful
    few = left.filter(pa.array(doubtful))
    texts = _values(rows.select(names), good)
    found = find_copies(few["id"].to_pylist(), texts, few["label"].to_pylist(), released_ids, key)
    found.index = pd.Index(np.flatnonzero(doubtful))
    repeated = {name: is_repeated(left[name].to_pandas()) for name in section.unique}
    words = [", ".join(compress(repeated, row)) or None for row in zip(*repeated.values(), strict=True)]
    taken = pd.Series(words or [None] * len(left), dtype=object)
    for start in range(0, max(len(left), 1), BATCH):
        ids = left["id"].slice(start, BATCH).to_pandas()
        ids.index += start
        yield pd.DataFrame({"id": ids, **found.reindex(ids.index), "columns_taken": taken[ids.index]})


def _values(columns: pa.Table, chosen: NDArray[np.bool_]) -> Iterator[Any]:
    """The rows that are chosen, one after the other: of several columns as tuples."""
    for batch in batches(columns.append_column("chosen", pa.array(chosen))):
        kept = [batch[name].filter(batch["chosen"]).to_pylist() for name in columns.column_names]
        yield from zip(*kept, strict=True) if kept[1:] else kept[0]


def failing(rows: pa.Table, reasons: Reasons) -> pa.Table:
    """The rows, all of which have reasons, with these as the column ``reasons``."""
    return rows.append_column(REASONS, pa.array([reasons[key] for key in rows["id"].to_pylist()], REASONS.type))


def named(rows: pa.Table, reasons: Reasons) -> pa.ChunkedArray:
    """Whether a row has reasons."""
    return pc.is_in(rows["id"], value_set=pa.array(list(reasons), pa.string()))
