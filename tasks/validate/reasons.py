"""Why each row that may not pass may not: rules on the row, then on what the rows that met them share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import compress

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.paths import Window
from tasks.core.rows import modality
from tasks.dataset.schema import REASONS
from tasks.validate import Params
from tasks.validate.duplicates import copies, taken
from tasks.validate.expectations import Judge
from tasks.validate.profile import observe
from tasks.validate.releases import Released
from tasks.validate.rules import copy_rules, row_rules

Reasons = dict[str, list[str]]


def row_reasons(
    raw: pa.Table,
    rows: pa.Table,
    section: Params,
    window: Window,
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
    failures = judging.failures(
        f"{window}_rows", _observed(raw, rows, section, personal), row_rules(section, window, kind)
    )
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
    return observe(rows if modality(rows.column_names) == "image" else raw, section, personal)


def _add_shared(
    rows: pa.Table, section: Params, window: Window, judging: Judge, let_out: Released, reasons: Reasons
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
