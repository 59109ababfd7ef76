"""Whether the challenger is worse on a slice: each value of each declared column, corrected for their number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.stats import binom
from statsmodels.stats.multitest import multipletests

from tasks.gate import Params
from tasks.gate.tables import Pair
from tasks.statistics.measures import Counts, group_numbers

DIGITS = 6
NONE = "(none)"


def slice_check(pair: Pair, section: Params) -> dict[str, Any]:
    """Every slice with enough rows: its accuracies, and the p-value of "worse", adjusted by Holm's method (1979).

    The test is the exact sign test on the rows (or groups) where one model is right more often than the other
    (McNemar 1947): accuracy, not macro-F1, because a slice often holds a single class.
    """
    net = _net(pair)
    units = group_numbers(pair.columns[section.group] if section.group else [None] * len(pair.ids))
    found = list(_slices(pair, section))
    large = [one for one in found if len(one[2]) >= section.min_slice_rows]
    tested = [_test(column, value, rows, net, units, pair) for column, value, rows in large]
    if tested:
        adjusted = multipletests([one["p"] for one in tested], method="holm")[1]
        for one, p in zip(tested, adjusted, strict=True):
            one |= {"p": round(one["p"], DIGITS), "p_adjusted": round(float(p), DIGITS)}
            one["worse"] = bool(p <= section.slice_level)
    missing = [column for column in section.slices if column not in pair.columns]
    few = [{"column": c, "value": v, "rows": len(r)} for c, v, r in found if len(r) < section.min_slice_rows]
    return {
        "level": section.slice_level,
        "worse": [f"{one['column']} = {one['value']}" for one in tested if one["worse"]],
        "tested": tested,
        "too_few_rows": few,
        **({"missing_columns": missing} if missing else {}),
    }


def _net(pair: Pair) -> Counts:
    """1 where only the challenger is right, -1 where only the champion is: [rows]."""
    truth, champion, challenger = (
        np.array(each) for each in (pair.truth, pair.champion.predicted, pair.challenger.predicted)
    )
    net: Counts = (challenger == truth).astype(np.int64) - (champion == truth)
    return net


def _slices(pair: Pair, section: Params) -> Iterator[tuple[str, str, Counts]]:
    """Column, value and row numbers."""
    for column in filter(pair.columns.__contains__, section.slices):
        rows: defaultdict[str, list[int]] = defaultdict(list)
        for i, value in enumerate(pair.columns[column]):
            rows[NONE if value is None else value].append(i)
        yield from ((column, value, np.array(rows[value], np.int64)) for value in sorted(rows))


def _test(column: str, value: str, rows: Counts, net: Counts, units: Counts, pair: Pair) -> dict[str, Any]:
    by_unit = np.bincount(units[rows], weights=net[rows])
    gained, lost = int((by_unit > 0).sum()), int((by_unit < 0).sum())
    accuracy = [
        float(np.mean([predicted[i] == pair.truth[i] for i in rows]))
        for predicted in (pair.champion.predicted, pair.challenger.predicted)
    ]
    return {
        "column": column,
        "value": value,
        "rows": len(rows),
        "champion_accuracy": round(accuracy[0], DIGITS),
        "challenger_accuracy": round(accuracy[1], DIGITS),
        "gained": gained,
        "lost": lost,
        "p": float(binom.sf(lost - 1, gained + lost, 0.5)),
    }
