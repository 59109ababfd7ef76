"""The strict model of ``prefect.yaml``, the one place that says when what runs and by which policy.

``driftline deploy`` reads the same file for a work pool. Prefect's own loader skips what it cannot read; here every
key that is not known, and every value that does not fit, is refused by name. Understood are literals, anchors and
``{{ $NAME }}``, a variable of the environment; Prefect's other placeholders only in keys that a work pool alone uses.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.client.schemas.schedules import SCHEDULE_TYPES, CronSchedule, IntervalSchedule, RRuleSchedule
from pydantic import BeforeValidator, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tasks.core.errors import UserError
from tasks.core.params import Section, parse
from tasks.core.yaml_files import require_bounded, require_flat

FILE = Path("prefect.yaml")
POOL_KEYS = ("work_pool", "build", "push", "pull", "triggers", "sla", "version_type")
PLACEHOLDER = re.compile(r"{{\s*([\w.\-\[\]$]+)\s*}}")  # as prefect.utilities.templating has it


class Schedule(Section):
    """When a deployment runs: one of ``cron``, ``interval`` and ``rrule``."""

    cron: str | None = None
    """Minute, hour, day of the month, month, day of the week."""
    interval: timedelta | None = Field(default=None, strict=False, gt=timedelta(0))
    """Seconds, hours:minutes:seconds or an ISO 8601 duration."""
    rrule: str | None = None
    """As iCalendar (RFC 5545) writes it."""
    timezone: str | None = None
    """UTC where it is not named."""
    anchor_date: str | None = None
    """Of an interval: the moment it is counted from."""
    day_or: bool | None = None
    """Of a cron: whether day of month and day of week are joined by or, or by and."""
    active: bool = True
    """False: it is registered and starts nothing."""
    parameters: dict[str, object] = Field(default_factory=dict)
    """Take the place of the deployment's for the runs of this schedule."""
    slug: str | None = None
    """Prefect's name of the schedule."""

    @model_validator(mode="after")
    def _prefect_takes_it(self) -> Self:
        if sum(rule is not None for rule in (self.cron, self.interval, self.rrule)) != 1:
            raise ValueError("name exactly one of cron, interval and rrule")
        if self.cron is None and self.day_or is not None:
            raise ValueError("day_or belongs to cron")
        if self.interval is None and self.anchor_date is not None:
            raise ValueError("anchor_date belongs to interval")
        try:
            self.rule()
        except ValidationError as error:
            raise ValueError(
                "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors())
            ) from None
        return self

    def rule(self) -> SCHEDULE_TYPES:
        """As Prefect has it."""
        keys = ("cron", "day_or", "interval", "anchor_date", "timezone")
        given = {key: value for key in keys if (value := getattr(self, key)) is not None}
        if self.cron is not None:
            return CronSchedule.model_validate(given)
        if self.interval is not None:
            return IntervalSchedule.model_validate(given)
        assert self.rrule is not None
        try:
            return RRuleSchedule.model_validate({**json.loads(self.rrule), **given})
        except json.JSONDecodeError:
            return RRuleSchedule.model_validate({"rrule": self.rrule, **given})


class ConcurrencyLimit(Section):
    """How many runs of a deployment may be under way, and what becomes of one more."""

    limit: int = Field(ge=1)
    """Runs at once."""
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"] = "ENQUEUE"
    """One more run waits, or is cancelled."""
    grace_period_seconds: int | None = Field(default=None, ge=60, le=86400)
    """How long a run that does not begin holds its place; null: as Prefect has it."""

    def as_prefect(self) -> ConcurrencyLimitConfig:
        """For Prefect's client."""
        strategy = ConcurrencyLimitStrategy(self.collision_strategy)
        grace = self.grace_period_seconds
        return ConcurrencyLimitConfig(limit=self.limit, collision_strategy=strategy, grace_period_seconds=grace)


def _limit(value: object) -> object:
    return {"limit": value} if isinstance(value, int) else value


class Deployment(Section):
    """One flow with its schedules and parameters."""

    name: str
    """Of the deployment; each once."""
    entrypoint: str = Field(pattern=r"^.+\.py:\w+$")
    """``path/to/file.py:function``."""
    description: str | None = None
    """Shown on Prefect's page."""
    schedules: list[Schedule] = Field(default_factory=list)
    """When it runs; without one, when somebody starts it."""
    parameters: dict[str, object] = Field(default_factory=dict)
    """What the flow takes; a key or value that it does not take is refused."""
    tags: list[str] = Field(default_factory=list)
    """Of its runs."""
    concurrency_limit: Annotated[ConcurrencyLimit | None, BeforeValidator(_limit)] = None
    """``1``, or a mapping."""
    paused: bool = False
    """True: its schedules start nothing."""
    version: str | None = None
    """Shown on Prefect's page."""
    enforce_parameter_schema: bool = True
    """Whether Prefect refuses parameters that the flow does not take."""
    work_pool: Any = None
    """`{name: driftline}`, with `job_variables` where they are needed; `driftline serve` does not use it."""
    build: Any = None
    """Of a work pool, as Prefect has it."""
    push: Any = None
    """Of a work pool, as Prefect has it."""
    pull: Any = None
    """Of a work pool, as Prefect has it."""
    triggers: Any = None
    """Of a work pool, as Prefect has it."""
    sla: Any = None
    """Of a work pool, as Prefect has it."""
    version_type: Any = None
    """Of a work pool, as Prefect has it."""

    def pool_keys(self) -> list[str]:
        """Keys that are set and that only a work pool uses."""
        return [key for key in POOL_KEYS if key in self.model_fields_set]


class PrefectYaml(Section):
    """The whole file."""

    name: str | None = None
    """What people call the repository, in every checkout; without it, the name of its folder."""
    prefect_version: str | None = Field(default=None, alias="prefect-version")
    """Written by Prefect's tools; not used."""
    definitions: Any = None
    """Anchors."""
    build: Any = None
    """Of a work pool, for all deployments."""
    push: Any = None
    """Of a work pool, for all deployments."""
    pull: Any = None
    """Of a work pool, for all deployments."""
    deployments: list[Any] = Field(min_length=1)
    """What runs; each as below."""


def read(file: Path) -> list[Deployment]:
    """The deployments that the file declares. UserError: a key or value that is not understood."""
    whole = parse(PrefectYaml, values(file), "", file)
    found = [_deployment(values, place, file) for place, values in enumerate(whole.deployments)]
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{file}: two deployments are named {name}")
    return found


def values(file: Path) -> dict[str, Any]:
    """What stands in the file, its anchors resolved. UserError: it cannot be read as a mapping."""
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)  # as Prefect reads it
    try:
        text = file.read_text(encoding="utf-8")
        require_flat(text, file)
        found = yaml.load(text)
    except IsADirectoryError:
        raise UserError(f"{file} is a folder where a file is expected: remove it") from None
    except FileNotFoundError:
        raise UserError(f"{file} does not exist: it declares what runs when (docs/reference/prefect-yaml.md)") from None
    except RecursionError:
        raise UserError(f"{file} is nested too deeply: write it flatter") from None
    except (YAMLError, ValueError, TypeError) as error:
        raise UserError(f"{file} is not valid YAML (a value that begins with {{{{ needs quotes): {error}") from None
    require_bounded(found, file)
    if not isinstance(found, dict):
        raise UserError(f"{file} must hold a mapping, as `deployments: [...]`")
    return found


def _deployment(values: object, place: int, file: Path) -> Deployment:
    name = values.get("name", place) if isinstance(values, Mapping) else place
    where = f"deployments.{name}"
    if isinstance(values, Mapping):
        values = {
            key: value if key in POOL_KEYS else resolve(value, f"{file}: {where}.{key}")
            for key, value in values.items()
        }
        schedules = values.get("schedules")
        for number, schedule in enumerate(schedules if isinstance(schedules, list) else []):
            parse(Schedule, schedule, f"{where}.schedules.{number}", file)  # here the message names the keys
    return parse(Deployment, values, where, file)


def resolve(value: Any, where: str) -> Any:
    """The value with each ``{{ $NAME }}`` replaced. UserError: a variable that is not set, another placeholder."""
    if isinstance(value, Mapping):
        return {key: resolve(each, f"{where}.{key}") for key, each in value.items()}
    if isinstance(value, list):
        return [resolve(each, f"{where}.{place}") for place, each in enumerate(value)]
    if not isinstance(value, str):
        return value

    def of(found: re.Match[str]) -> str:
        name = found[1]
        if not name.startswith("$"):
            raise UserError(
                f"{where}: {found[0]} is not understood: write the value, or {{{{ $NAME }}}} for a variable"
            )
        if (known := os.environ.get(name[1:])) is None:
            raise UserError(f"{where}: the environment variable {name[1:]} is not set")
        return known

    return PLACEHOLDER.sub(of, value)
