"""What older commits and records call by another name than today: keys of metrics files, flows, deployments.

A champion or a record may be older than the code that reads it. Whoever renames a metrics key adds a row to
``METRICS``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import NamedTuple, cast

from pydantic import JsonValue


class Renamed(NamedTuple):
    """One metrics key: the stage whose file holds it, and its dotted paths."""

    stage: str
    old: str
    new: str


METRICS: tuple[Renamed, ...] = (
    Renamed("drift", "sight", "detectable_effect"),
    Renamed("drift", "detectable_effect.smallest_share_of_foreign_rows", "detectable_effect.min_contaminated_share"),
    Renamed(
        "drift", "detectable_effect.smallest_share_by_signal", "detectable_effect.min_contaminated_share_by_signal"
    ),
    Renamed("drift", "detectable_effect.false_alarms_a_year", "detectable_effect.false_alarms_per_year"),
    Renamed(
        "drift", "detectable_effect.past_windows_that_differ_as_much", "detectable_effect.past_windows_as_different"
    ),
    Renamed("evaluate", "behaviour.kept", "behaviour.target_met"),
    Renamed("evaluate", "decisions.share_decided", "decisions.coverage"),
    Renamed("evaluate", "slices.least_rows", "slices.min_rows"),
    Renamed("finetune", "kept_step", "selected_step"),
    Renamed("finetune", "trained_parameters", "trainable_parameters"),
    Renamed("finetune", "last_layer_for_first_token_only", "cls_only_last_layer"),
    Renamed("tokenize", "reads", "modality"),
)
"""In the order in which the keys were renamed; a path through a list of objects stands for each of them."""

SCHEDULED_TRAINING, MONITORING, APPROVAL, REBUILD = "scheduled-training", "monitoring", "approval", "rebuild"
PRUNING = "pruning"
"""The flows that are deployed. The name stands in every record and on Prefect's server."""

KINDS = {
    SCHEDULED_TRAINING: "training",
    REBUILD: "verify",
    MONITORING: "monitoring",
    APPROVAL: "approval",
    PRUNING: "prune",
}
"""How the names of a flow's runs begin."""

FLOWS = {"nightly-training": SCHEDULED_TRAINING, "weekly-verify": REBUILD, "promotion-on-approval": APPROVAL}
"""Old name of a flow to today's."""

DEPLOYMENTS = (("nightly-training", "nightly"), ("weekly-verify", "weekly"), ("promotion-on-approval", "approval"))
"""Flow and deployment as earlier releases registered them and today's does not: ``driftline serve`` retires them."""


def flow_today(name: str) -> str:
    """Today's name of the flow that a record names."""
    return FLOWS.get(name, name)


def flow_ever(name: str) -> list[str]:
    """Every name that a flow of today has had, today's first."""
    return [name, *(old for old, new in FLOWS.items() if new == name)]


def metrics_today(
    stage: str, metrics: Mapping[str, JsonValue], renamed: Iterable[Renamed] = METRICS
) -> dict[str, JsonValue]:
    """The content of ``metrics/<stage>.json`` of any commit, under today's keys; the argument is not changed."""
    found = copy.deepcopy(dict(metrics))
    for row in renamed:
        if row.stage == stage:
            _move(found, row.old.split("."), row.new.split("."))
    return found


def _move(values: dict[str, JsonValue], old: list[str], new: list[str]) -> None:
    """Take the value at one path to another; what stands at the new one already is newer and stays."""
    if old[0] == new[0] and len(old) > 1 and len(new) > 1:
        below = values.get(old[0])
        for each in below if isinstance(below, list) else [below]:
            if isinstance(each, dict):
                _move(each, old[1:], new[1:])
        return
    holder: JsonValue = values
    for name in old[:-1]:
        holder = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(holder, dict) or old[-1] not in holder:
        return
    value = holder.pop(old[-1])
    target = values
    for name in new[:-1]:
        target = cast("dict[str, JsonValue]", target.setdefault(name, {}))
    target.setdefault(new[-1], value)
