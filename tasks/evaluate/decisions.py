"""What came of the decisions: how many texts are acted on, and how often that is right."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from statsmodels.stats.proportion import proportion_confint

from tasks.statistics.measures import COVERAGE

DIGITS = 6


def decided(truth: list[str], decisions: pa.ChunkedArray, labels: list[str]) -> dict[str, Any]:
    """Of all rows and of each label acted on: rows, and the share of right ones with Wilson's interval."""
    right = [(said, said == its) for its, said in zip(truth, decisions.to_pylist(), strict=True) if said is not None]
    return {
        "abstained": len(truth) - len(right),
        "share_decided": round(len(right) / len(truth), DIGITS),
        **_of([hit for _, hit in right]),
        "by_label": {label: _of([hit for said, hit in right if said == label]) for label in labels},
    }


def _of(hits: list[bool]) -> dict[str, Any]:
    if not hits:
        return {"rows": 0, "precision": None, "interval": None}
    bounds = proportion_confint(sum(hits), len(hits), alpha=1 - COVERAGE, method="wilson")
    interval = [round(float(bound), DIGITS) for bound in bounds]
    return {"rows": len(hits), "precision": round(sum(hits) / len(hits), DIGITS), "interval": interval}
