"""The deployments of ``prefect.yaml`` as Prefect's runner takes them, and the parameters they give a flow."""

from __future__ import annotations

import inspect
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect import Flow
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import MissingFlowError, ScriptError
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.callables import ParameterSchema
from pydantic import create_model

from flows.machine.home import HERE, Home
from flows.notify.markdown import escaped
from flows.schedule.possible import require_possible
from flows.schedule.prefect_yaml import FILE, Deployment, Schedule, read
from tasks.core.errors import UserError
from tasks.core.params import Section, parse

REPOSITORY = "repository"
GROUPED = {
    "window": ("since", "until", "days"),
    "policy": ("every_days", "cooldown_days", "most_loss", "act", "rule", "revision"),
    "limits": ("overlap", "stage_minutes", "keep_clones"),
    "publish": ("upstream", "push", "notify"),
    "request": ("windows", "because"),
}
"""Parameters of earlier releases, and the group that now holds each."""
RENAMED = {"act": "action", "most_loss": "tolerated_loss", "push": "upstream"}
WINS = "prefect.yaml wins over changes of this page when it is registered again; `driftline schedule pull` keeps them."
"""Stands in the description of every deployment."""
ENTRYPOINTS = {
    "flows/nightly.py:nightly": "flows/scheduled_training.py:scheduled_training",
    "flows/scheduled_training.py:nightly": "flows/scheduled_training.py:scheduled_training",
    "flows/monitoring.py:monitoring": "flows/monitoring/flow.py:monitoring",
    "flows/weekly.py:weekly": "flows/rebuild.py:rebuild",
    "flows/rebuild.py:weekly": "flows/rebuild.py:rebuild",
}
"""Of earlier releases, and today's."""


def declared(home: Home) -> list[RunnerDeployment]:
    """What the repository's ``prefect.yaml`` declares, for the runner. The current folder is that of this code."""
    file = home.origin / FILE
    return [_for_runner(one, home, file) for one in read(file)]


def registered_name(name: str, home: Home) -> str:
    """What a deployment of ``prefect.yaml`` is called on a server, where other checkouts have one of that name too."""
    return f"{name}-{home.key}"


def _description(one: Deployment, home: Home) -> str:
    place = f"Repository {home.name}, checkout {home.checkout.id}: {home.origin}"
    return "\n\n".join(filter(None, (one.description, WINS, escaped(place) + on_this_machine())))


def on_this_machine() -> str:
    """How a description ends whose deployment is served here."""
    return escaped(f" on {platform.node()}")


def unused(home: Home) -> list[str]:
    """Keys that only a work pool uses, and whose they are, in words."""
    users: dict[str, list[str]] = {}
    for one in read(home.origin / FILE):
        for key in one.pool_keys():
            users.setdefault(key, []).append(one.name)
    return [f"{FILE}: {key} of {', '.join(names)} is for a work pool, not used here" for key, names in users.items()]


def parameters(home: Home, flow: Flow[..., Any], entrypoint: str) -> Section:
    """What the first deployment of the flow gives it, its defaults filled in: the start for a run by hand.

    A repository without ``prefect.yaml``, or without a deployment of the flow, leaves the flow's own defaults.
    """
    file = home.origin / FILE
    found = [one for one in read(file) if one.entrypoint == entrypoint] if file.exists() else []
    where = f"deployments.{found[0].name}.parameters" if found else ""
    return parse(signature(flow), found[0].parameters if found else {}, where, file)


def signature(flow: Flow[..., Any]) -> type[Section]:
    """The flow's parameters as a class."""
    fields: dict[str, Any] = {
        name: (one.annotation, ... if one.default is inspect.Parameter.empty else one.default)
        for name, one in inspect.signature(flow.fn, eval_str=True).parameters.items()
    }
    return create_model(flow.name, __base__=Section, **fields)


def _for_runner(one: Deployment, home: Home, file: Path) -> RunnerDeployment:
    flow = _flow(one, file)
    takes = signature(flow)
    given = _with_repository(one, takes, home, file)
    where = f"deployments.{one.name}"
    _refuse_earlier(given, takes, f"{file}: {where}.parameters")
    asked = {f"{where}.parameters": given}
    for place, schedule in enumerate(one.schedules):
        asked[f"{where}.schedules.{place}.parameters"] = {**given, **schedule.parameters}
    for place_in_file, values in asked.items():
        require_possible(home, parse(takes, values, place_in_file, file), f"{file}: {place_in_file}")
    limit = one.concurrency_limit
    deployment = RunnerDeployment.from_entrypoint(
        one.entrypoint,
        registered_name(one.name, home),
        schedules=[_schedule(each) for each in one.schedules],
        parameters=given,
        description=_description(one, home),
        tags=[*one.tags, home.name, home.tag],
        concurrency_limit=limit.as_prefect() if limit else None,
        paused=one.paused,
        version=one.version,
        enforce_parameter_schema=one.enforce_parameter_schema,
    )
    deployment._parameter_openapi_schema = _closed(deployment._parameter_openapi_schema)
    return deployment


class _Closed(ParameterSchema):
    """The parameters' schema, which Prefect's own leaves open: one that the flow does not take is refused."""

    additionalProperties: bool  # noqa: N815  JSON schema's name


def _closed(schema: ParameterSchema) -> _Closed:
    return _Closed(**schema.model_dump(exclude_unset=True), additionalProperties=False)


def _schedule(one: Schedule) -> DeploymentScheduleCreate:
    return DeploymentScheduleCreate(schedule=one.rule(), active=one.active, parameters=one.parameters, slug=one.slug)


def _flow(one: Deployment, file: Path) -> Flow[..., Any]:
    if one.entrypoint in ENTRYPOINTS:
        today = ENTRYPOINTS[one.entrypoint]
        raise UserError(f"{file}: deployments.{one.name}.entrypoint: {one.entrypoint} is now {today}")
    path = one.entrypoint.rpartition(":")[0]
    if not (HERE / path).is_file():
        raise UserError(f"{file}: deployments.{one.name}.entrypoint: {path} does not exist in {HERE}")
    try:
        return load_flow_from_entrypoint(one.entrypoint, use_placeholder_flow=False)
    except (MissingFlowError, ScriptError) as error:
        raise UserError(f"{file}: deployments.{one.name}.entrypoint: {error}") from None


def _refuse_earlier(given: Mapping[str, object], takes: type[Section], where: str) -> None:
    """Name today's place of parameters that earlier releases had at the top."""
    if isinstance(given.get("policy"), str):
        raise UserError(f"{where}.policy is now {where.rpartition(' ')[2]}.policy.refit_on: rename it")
    for group in GROUPED.keys() & takes.model_fields.keys():
        for key in GROUPED[group]:
            if key in given and key not in takes.model_fields:
                today = f"{where.rpartition(' ')[2]}.{group}.{RENAMED.get(key, key)}"
                raise UserError(f"{where}.{key} is now {today}: rename it")


def _with_repository(one: Deployment, takes: type[Section], home: Home, file: Path) -> dict[str, object]:
    """The deployment's parameters; a flow that takes a repository gets the one that is served."""
    if REPOSITORY not in takes.model_fields:
        return one.parameters
    named = one.parameters.get(REPOSITORY)
    if named is not None and Home.of(str(named)) != home:
        raise UserError(
            f"{file}: deployments.{one.name}.parameters.{REPOSITORY} is {named}, but {home.origin} is served"
        )
    return {**one.parameters, REPOSITORY: str(home.origin)}
