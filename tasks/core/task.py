"""The tasks that ``task`` in ``params.yaml`` may name, and the keys that a task does not take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

Task = Literal["single_label", "multi_label", "ordinal"]

NOT_TAKEN: Mapping[Task, Mapping[str, object]] = {
    "single_label": {"ingest.label_separator": None, "label_order": None},
    "multi_label": {
        "label_order": None,
        "ingest.columns.image": None,
        "windows.reference.columns.image": None,
        "windows.current.columns.image": None,
        "ingest.format": None,
        "finetune.loss": "cross_entropy",
        "finetune.label_smoothing": 0,
        "finetune.class_weights": False,
        "finetune.decision": {},
        "score.precision": "fp32",
        "evaluate.measures": [],
    },
    "ordinal": {"ingest.label_separator": None},
}
"""By task, each key that it does not take, and the value that asks for nothing."""


def refused(values: Mapping[str, Any], task: Task) -> Iterator[str]:
    """The keys of ``params.yaml`` that ask for what the task does not do."""
    for key, nothing in NOT_TAKEN[task].items():
        found = _at(values, key)
        if found is not None and found != nothing:
            yield key


def _at(values: Any, key: str) -> Any:
    """The value at a dotted key; None where there is none."""
    for part in key.split("."):
        if not isinstance(values, Mapping):
            return None
        values = values.get(part)
    return values
