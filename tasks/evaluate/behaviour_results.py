"""Which behavioural tests the model passes, from the scores of their texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from statsmodels.stats.proportion import proportion_confint

from tasks.behaviour import AFTER, BEFORE, BehaviourTest, Expectation
from tasks.statistics.measures import COVERAGE, Floats

Passed = npt.NDArray[np.bool_]


def behaviour_results(
    tests: Sequence[BehaviourTest], scored: pa.Table, labels: list[str]
) -> tuple[list[dict[str, Any]], pa.Table]:
    """The share that passed each test, with Wilson's interval; and the cases that failed, as a table."""
    results, failed = [], [scored.schema.empty_table()]
    for test in tests:
        if not test.applies_to(labels):
            results.append(_figures(test, np.array([], bool)) | {"unknown_label": True})
            continue
        its = scored.filter(pc.equal(scored["test"], test.name))
        before, after = (its.filter(pc.equal(its["part"], part)) for part in (BEFORE, AFTER))
        passed = passes(test, _shares(before, labels), _shares(after, labels), labels)
        results.append(_figures(test, passed) | {"unknown_label": False})
        failed.append(after.filter(pa.array(~passed)))
    return results, pa.concat_tables(failed).drop_columns(["part"])


def _shares(table: pa.Table, labels: list[str]) -> Floats:
    return np.column_stack([table[f"probability_{label}"].to_numpy() for label in labels])


def passes(test: BehaviourTest, before: Floats, after: Floats, labels: list[str]) -> Passed:
    """Whether each case passes, from the probabilities [cases, labels] before and after the change: [cases]."""
    if not isinstance(test.expect, Expectation):
        same: Passed = before.argmax(axis=1) == after.argmax(axis=1)
        return same
    column = labels.index(test.expect.label_named)
    if test.expect.label is not None:
        hit: Passed = after.argmax(axis=1) == column
        return hit
    risen = after[:, column] - before[:, column]
    moved: Passed = (risen if test.expect.not_lower is not None else -risen) >= -test.tolerance
    return moved


def _figures(test: BehaviourTest, passed: Passed) -> dict[str, Any]:
    """Of a test that no text was altered by there is no share."""
    cases, right = len(passed), int(passed.sum())
    share = right / cases if cases else None
    bounds = proportion_confint(right, cases, alpha=1 - COVERAGE, method="wilson") if cases else None
    return {
        "name": test.name,
        "kind": kind(test),
        "cases": cases,
        "passed": right,
        "share": share,
        "interval": None if bounds is None else [float(bound) for bound in bounds],
        "at_least": test.at_least,
        "target_met": None if share is None or test.at_least is None else share >= test.at_least,
    }


def kind(test: BehaviourTest) -> str:
    """CheckList's name for it."""
    if not isinstance(test.expect, Expectation):
        return "invariance"
    return "minimum functionality" if test.expect.label is not None else "direction"
