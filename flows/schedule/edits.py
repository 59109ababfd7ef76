"""What somebody changed on Prefect's page: ``prefect.yaml`` wins, and each change that it overwrites is told first.

What ``driftline serve`` and ``deploy`` register is kept in the checkout's home. What the server has otherwise is an
edit of the page; ``driftline schedule pull`` writes it into the file (``pull.py``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentScheduleUpdate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.flows import load_flow_from_entrypoint
from pydantic import JsonValue

from flows.machine.home import Home
from flows.schedule.deployments import signature
from tasks.core.errors import UserError
from tasks.core.files import read_json, write_json
from tasks.core.params import Section, parse

FOUND = Path("Prefect's page")
ABSENT = object()
AnySchedule = DeploymentSchedule | DeploymentScheduleCreate | DeploymentScheduleUpdate
Setting = tuple[str, ...]
"""The path of a key: ``("parameters", "limits", "overlap")``."""
Settings = Mapping[Setting, JsonValue]


@dataclass(frozen=True)
class Edit:
    """One setting that the server has otherwise than it was registered."""

    setting: Setting
    registered: JsonValue | object
    found: JsonValue | object
    """``ABSENT`` where the key is on one side only."""

    def lines(self, wins: JsonValue | object) -> list[str]:
        """As a diff, from what the server has to what takes its place."""
        name = ".".join(self.setting)
        return [
            *(f"  - {name}: {_text(self.found)}" for _ in [0] if self.found is not ABSENT),
            *(f"  + {name}: {_text(wins)}" for _ in [0] if wins is not ABSENT),
        ]


def _text(value: JsonValue | object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def overwritten(client: SyncPrefectClient, home: Home, deployments: Sequence[RunnerDeployment]) -> Iterator[str]:
    """The edits that are lost when the deployments are registered now, as a diff."""
    for one in deployments:
        now = of_file(one)
        lost = [edit for edit in edits(client, home, one) if now.get(edit.setting, ABSENT) != edit.found]
        if lost:
            yield f"{one.name}: changed on Prefect's page; prefect.yaml wins (- the page, + prefect.yaml):"
            for edit in lost:
                yield from edit.lines(now.get(edit.setting, ABSENT))


def edits(client: SyncPrefectClient, home: Home, one: RunnerDeployment) -> list[Edit]:
    """What the server has of a deployment otherwise than it was registered last; without a note of that, than it is
    declared now."""
    try:
        found = of_server(client.read_deployment_by_name(f"{one.flow_name}/{one.name}"), str(one.entrypoint))
    except ObjectNotFound:
        return []
    registered = _registered(home).get(f"{one.flow_name}/{one.name}") or of_file(one)
    keys = sorted(registered.keys() | found.keys())
    pairs = [(key, registered.get(key, ABSENT), found.get(key, ABSENT)) for key in keys]
    return [Edit(*pair) for pair in pairs if pair[1] != pair[2]]


def note(home: Home, deployments: Sequence[RunnerDeployment]) -> None:
    """Keep what is registered now."""
    kept = {
        f"{one.flow_name}/{one.name}": [[list(key), value] for key, value in of_file(one).items()]
        for one in deployments
    }
    write_json(kept, _file(home))


def _registered(home: Home) -> Mapping[str, Settings]:
    kept = read_json(_file(home)) if _file(home).exists() else {}
    return {name: {tuple(key): value for key, value in pairs} for name, pairs in kept.items()}


def _file(home: Home) -> Path:
    return home.folder / "registered.json"


def of_file(one: RunnerDeployment) -> Settings:
    """The settings of a deployment as ``prefect.yaml`` declares them."""
    options = one.concurrency_options.model_dump(mode="json") if one.concurrency_options else {}
    return _settings(
        str(one.entrypoint),
        one.parameters,
        one.schedules or [],
        {
            "paused": bool(one.paused),
            "tags": sorted(one.tags),
            "description": one.description or "",
            "concurrency_limit": _limit(one.concurrency_limit, options),
        },
    )


def of_server(one: DeploymentResponse, entrypoint: str) -> Settings:
    """The same as the server has it."""
    limit = one.global_concurrency_limit.limit if one.global_concurrency_limit else None
    options = one.concurrency_options.model_dump(mode="json") if one.concurrency_options else {}
    return _settings(
        entrypoint,
        one.parameters or {},
        one.schedules,
        {
            "paused": one.paused,
            "tags": sorted(one.tags),
            "description": one.description or "",
            "concurrency_limit": _limit(limit, options),
        },
    )


def _settings(
    entrypoint: str,
    parameters: Mapping[str, Any],
    schedules: Sequence[AnySchedule],
    others: Mapping[str, Any],
) -> Settings:
    rules: JsonValue = [*sorted((schedule(one) for one in schedules), key=_text)]
    return {
        **dict(_leaves(("parameters",), _whole(entrypoint, parameters))),
        ("schedules",): rules,
        **{(key,): value for key, value in others.items()},
    }


def schedule(one: AnySchedule) -> dict[str, JsonValue]:
    """A schedule under the keys of ``prefect.yaml``, with those only that say something."""
    rule = one.schedule.model_dump(mode="json") if one.schedule else {}
    found = {key: rule.get(key) for key in ("cron", "interval", "rrule", "timezone", "anchor_date", "day_or")}
    found |= {"active": one.active, "parameters": one.parameters or None, "slug": one.slug}
    silent = {"timezone": "UTC", "day_or": True, "active": True}
    return {key: value for key, value in found.items() if value is not None and silent.get(key) != value}


def _limit(limit: int | None, options: Mapping[str, JsonValue]) -> JsonValue:
    if limit is None:
        return None
    strategy = options.get("collision_strategy") or "ENQUEUE"
    return {"limit": limit, "collision_strategy": strategy, "grace_period_seconds": options.get("grace_period_seconds")}


def _whole(entrypoint: str, parameters: Mapping[str, Any]) -> Mapping[str, JsonValue]:
    """With the defaults of the keys that are left out, which the page fills in; as they are where the flow refuses
    them."""
    try:
        return parse(_takes(entrypoint), parameters, "parameters", FOUND).model_dump(mode="json")
    except UserError:
        return dict(parameters)


@cache
def _takes(entrypoint: str) -> type[Section]:
    return signature(load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False))


def _leaves(path: Setting, value: Any) -> Iterator[tuple[Setting, JsonValue]]:
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _leaves((*path, str(key)), below)
    else:
        yield path, value
