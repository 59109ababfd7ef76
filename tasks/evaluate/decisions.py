"""How the decision thresholds do on the test rows: coverage and precision."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from statsmodels.stats.proportion import proportion_confint

from tasks.statistics.measures import COVERAGE


def decision_results(truth: list[str], decisions: pa.ChunkedArray, labels: list[str]) -> dict[str, Any]:
    """Coverage; the rows decided and their precision with Wilson's interval, in all and by label."""
    made = [
        (label, label == true) for true, label in zip(truth, decisions.to_pylist(), strict=True) if label is not None
    ]
    return {
        "abstained": len(truth) - len(made),
        "coverage": len(made) / len(truth),
        **_of([hit for _, hit in made]),
        "by_label": {label: _of([hit for decision, hit in made if decision == label]) for label in labels},
    }


def _of(hits: list[bool]) -> dict[str, Any]:
    if not hits:
        return {"rows": 0, "precision": None, "interval": None}
    bounds = proportion_confint(sum(hits), len(hits), alpha=1 - COVERAGE, method="wilson")
    interval = [float(bound) for bound in bounds]
    return {"rows": len(hits), "precision": sum(hits) / len(hits), "interval": interval}
