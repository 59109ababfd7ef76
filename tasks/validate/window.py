"""The rules that a window must meet as a whole: one that is broken stops the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from tasks.core.paths import WindowName
from tasks.dataset.labels import SINGLE, LabelFormat
from tasks.validate import Params
from tasks.validate.corrections import UNCOUNTED
from tasks.validate.expectations import RuleChecker
from tasks.validate.largest_reasons import largest_reasons
from tasks.validate.rules import Rule, class_rules, table_rules

UNDATED = "timestamp_unreadable"


def broken_rules(
    figures: Mapping[str, Any],
    labels: pa.ChunkedArray,
    quarantined: pa.Table,
    section: Params,
    window: WindowName,
    checker: RuleChecker,
    cells: LabelFormat = SINGLE,
) -> list[str]:
    """A message for each table rule that the window breaks; where too much is quarantined, the reasons of most rows.

    ``labels``: of the rows that pass."""
    counts = cells.count_column(labels)
    labelled = len(labels) - labels.null_count
    summary = pd.DataFrame(
        {
            "id": ["window"],
            "share_quarantined": [_share(figures)],
            "rows_validated": [figures["validated"]],
            "classes": [len(counts)],
        }
    )
    shares = pd.DataFrame({"id": list(counts), "share_of_class": [n / labelled for n in counts.values()]})
    broken = []
    for name, table, rules in (
        ("table", summary, table_rules(section, window)),
        ("classes", shares, class_rules(section)),
    ):
        failed = checker.failures(name, [table], rules)
        for rule in rules:
            observed = table.set_index("id")[rule.column]
            keys = failed.get(rule.reason, [])
            broken += [_explain(rule, observed[key], key) for key in keys]
            if keys and rule.reason == "max_quarantined":
                broken += largest_reasons(quarantined, frozenset((UNDATED, *UNCOUNTED)))
    return broken


def _share(figures: Mapping[str, Any]) -> float:
    """The share quarantined of the rows that fall into the window and that no other row of it stands for.

    Rows without a time fall into none. They come with every current window; a short one they would outnumber. Rows that
    landed again, as they were or corrected, are counted once.
    """
    left_out = sum(figures["reasons"].get(reason, 0) for reason in (UNDATED, *UNCOUNTED))
    placed = figures["rows"] - left_out
    return (figures["quarantined"] - left_out) / placed if placed else 0.0


def _explain(rule: Rule, observed: float, key: str) -> str:
    least, most = rule.limits["min_value"], rule.limits["max_value"]
    limit = f"at most {most:g}" if most is not None else f"at least {least:g}"
    of = "" if key == "window" else f" of label {key!r}"
    return f"validate.{rule.reason}: {rule.column}{of} is {observed:.4g}, allowed is {limit}"
