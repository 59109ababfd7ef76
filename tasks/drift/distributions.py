"""Evidently's part of the page: how each column is distributed on the two sides, with the gate's verdict on it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasks.drift.rows import CATEGORIES, MODE, Rows

if TYPE_CHECKING:
    from tasks.drift.verdict import Verdict

CLIPPED_AT = 0.99  # quantile; larger numbers are drawn at the edge
METHOD = "driftline"
LABELLED = "accuracy of labelled rows"  # however they were chosen
EPOCH = datetime(1970, 1, 1)
SIGNALS = {"confidence": "confidence", "prediction": "predictions", "label": "labels", MODE: "image: mode"}
# Text from the data goes into a script and from there into plotly, which reads a few HTML tags: neither sees any.
ESCAPES = str.maketrans({"<": "‹", ">": "›", "\u2028": " ", "\u2029": " "})
IDENTITY = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?<=metric_)[0-9a-f]{32}")


@dataclass(frozen=True)
class EvidentlyReport:
    """Evidently's page of a comparison, and its JSON snapshot for a workspace, with the verdict's figures."""

    page: str
    snapshot: str


EMPTY = EvidentlyReport(
    "<!DOCTYPE html>\n<html lang='en'><head><meta charset='UTF-8'></head><body></body></html>", "{}\n"
)


def evidently_report(verdict: Verdict, reference: Rows, current: Rows) -> EvidentlyReport:
    """Evidently's report of these rows: one section for each column that is a signal, those that alarm first.

    Its own tests, whose false-alarm rate nobody states, are off: "drift detected" is the gate's alarm, and the drift
    score its effect, over all rows.
    """
    columns = _columns(verdict, reference)
    if not columns:
        return EMPTY
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import MeanValue, ValueDrift

    _register(verdict["signals"], columns)
    names = [name for name in columns if name in (*CATEGORIES, MODE)]
    numbers = figures(verdict)
    definition = DataDefinition(
        numerical_columns=[*(name for name in columns if name not in names), *numbers], categorical_columns=names
    )
    caps = _caps(reference, current)
    now, before = (
        Dataset.from_pandas(evidently_frame(rows, caps)[list(columns)].assign(**numbers), data_definition=definition)
        for rows in (current, reference)
    )
    drifts = [ValueDrift(column=name, method=METHOD, threshold=None) for name in columns]
    when = EPOCH if current.times is None else current.times.max().astype("datetime64[s]").item()
    page, snapshot = (
        Report(metrics, include_tests=False).run(now, before, timestamp=when)
        for metrics in (drifts, [*drifts, *(MeanValue(column=name) for name in numbers)])
    )
    return EvidentlyReport(
        _numbered_ids(str(page.get_html_str(as_iframe=False))), _numbered_ids(snapshot.dumps()) + "\n"
    )


def figures(verdict: Verdict) -> dict[str, float]:
    """The numbers of the verdict by name, for curves over time."""
    found = {f"change: {name}": signal["effect"] for name, signal in verdict["signals"].items()}
    accuracies = {"estimated": "estimated accuracy", "measured": LABELLED, "reference": "reference accuracy"}
    found |= {name: verdict["performance"][f"{key}_accuracy"] for key, name in accuracies.items()}
    found["drifted"] = None if verdict["drifted"] is None else float(verdict["drifted"])
    return {name: value for name, value in found.items() if value is not None}


def _columns(verdict: Verdict, rows: Rows) -> dict[str, str]:
    """The columns that are signals, and which; alarms first, then by effect."""
    found = {name: SIGNALS.get(name, f"{rows.modality}: {name}") for name in (*rows.categories, *rows.numbers)}
    signals = verdict["signals"]
    known = [(name, signal) for name, signal in found.items() if signal in signals]
    return dict(sorted(known, key=lambda pair: (not signals[pair[1]]["alarm"], -signals[pair[1]]["effect"])))


def _caps(reference: Rows, current: Rows) -> dict[str, float]:
    """The largest value drawn of each number: one text of a million words would hide the others."""
    both = {
        name: [reference.numbers[name], values] for name, values in current.numbers.items() if name in reference.numbers
    }
    return {name: float(np.quantile(np.concatenate(values), CLIPPED_AT)) for name, values in both.items()}


def evidently_frame(rows: Rows, caps: dict[str, float]) -> pd.DataFrame:
    """The rows as Evidently is given them: numbers capped, categories without markup; [rows]."""
    numbers = {name: np.minimum(values, caps[name]) for name, values in rows.numbers.items() if name in caps}
    categories = {
        name: [None if value is None else str(value).translate(ESCAPES) for value in values]
        for name, values in rows.categories.items()
    }
    return pd.DataFrame({**numbers, **categories})


def _register(signals: dict[str, Any], columns: dict[str, str]) -> None:
    """Register a test with Evidently that returns the verdict on a column."""
    from evidently.legacy.calculations.stattests import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    def gate(
        reference: pd.Series[Any], _current: pd.Series[Any], _kind: object, _threshold: float
    ) -> tuple[float, bool]:
        signal = signals[columns[str(reference.name)]]
        return signal["effect"], signal["alarm"]

    name = "the gate's (score: largest change in a share of rows)"
    register_stattest(StatTest(METHOD, name, [ColumnType.Numerical, ColumnType.Categorical]), gate)


def _numbered_ids(page: str) -> str:
    """Evidently names its parts at random; numbered instead, the same rows give the same page."""
    found = dict.fromkeys(IDENTITY.findall(page))
    numbers = {
        old: f"{i:08x}-0000-0000-0000-000000000000" if "-" in old else f"{i:032x}" for i, old in enumerate(found)
    }
    return IDENTITY.sub(lambda match: numbers[match[0]], page)
