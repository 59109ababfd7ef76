"""What was changed on Prefect's page, written into ``prefect.yaml``: ``driftline schedule pull``. Comments stay."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.deployments.runner import RunnerDeployment
from pydantic import JsonValue
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from flows.machine.home import Home
from flows.schedule import edits
from flows.schedule.deployments import REPOSITORY, declared
from flows.schedule.edits import ABSENT, Edit
from flows.schedule.prefect_yaml import FILE, Schedule, read, resolve
from tasks.core.files import replacing

TEXTS = ("description", "tags")
"""What ``serve`` adds words of its own to; a person writes these by hand."""


def pull(client: SyncPrefectClient, home: Home) -> Iterator[str]:
    """Write each edit into the file, and say which. UserError where the file with them would be refused."""
    file, yaml = home.origin / FILE, YAML()
    yaml.width, yaml.preserve_quotes = 120, True
    document = yaml.load(file.read_text(encoding="utf-8"))
    written = False
    for place, one in enumerate(declared(home)):
        found = edits.edits(client, home, one)
        for edit in found:
            yield from _said(one, edit)
            if edit.setting[0] not in TEXTS:
                _write(document["deployments"], place, edit)
                written = True
    if written:
        text = StringIO()
        yaml.dump(document, text)
        with replacing(file) as part:
            part.write_text(text.getvalue(), encoding="utf-8")
            read(part)


def _said(one: RunnerDeployment, edit: Edit) -> Iterator[str]:
    by_hand = " (write this one by hand)" if edit.setting[0] in TEXTS else ""
    yield f"{one.name}{by_hand}:"
    back = Edit(edit.setting, edit.found, edit.registered)
    yield from back.lines(edit.found)


def _write(deployments: CommentedSeq, place: int, edit: Edit) -> None:
    """One edit. What other deployments share by an anchor becomes this deployment's own first."""
    path, value = edit.setting, edit.found
    if path == ("parameters", REPOSITORY):
        return
    if path == ("schedules",):
        _write_schedules(_own(deployments, place), edit.found)
        return
    holder = _own(deployments, place)
    for key in path[:-1]:
        if not isinstance(holder.get(key), Mapping):
            holder[key] = CommentedMap()
        holder = _own(holder, key)
    if value is ABSENT:
        holder.pop(path[-1], None)
    else:
        holder[path[-1]] = _plain(value)


def _own(holder: Any, key: Any) -> Any:
    """The value at a key, as a copy where an anchor shares it."""
    value = holder[key]
    if value.anchor.value is not None:
        value = copy.deepcopy(value)
        value.anchor.value = None
        holder[key] = value
    return value


def _write_schedules(deployment: CommentedMap, found: Any) -> None:
    """The schedules of the page: those that are as in the file stay as they are, others are changed in their place."""
    there = deployment.get("schedules") or CommentedSeq()
    wanted = [dict(one) for one in found]
    kept: list[int] = []
    for number, one in enumerate(there):
        if (said := _of_file(one)) in wanted:
            wanted.remove(said)
            kept.append(number)
    for number in reversed([number for number in range(len(there)) if number not in kept]):
        if wanted:
            _lay_over(there[number], wanted.pop())
        else:
            del there[number]
    there.extend(_plain(one) for one in wanted)
    deployment["schedules"] = there


def _of_file(one: Mapping[str, Any]) -> dict[str, JsonValue]:
    said = Schedule.model_validate(resolve(dict(one), "schedules"))
    return edits.schedule(
        DeploymentScheduleCreate(schedule=said.rule(), active=said.active, parameters=said.parameters, slug=said.slug)
    )


def _lay_over(there: CommentedMap, wanted: Mapping[str, JsonValue]) -> None:
    before = _of_file(there)
    for key in before.keys() - wanted.keys():
        there.pop(key, None)
    for key, value in wanted.items():
        if before.get(key) != value:
            there[key] = _plain(value)


def _plain(value: Any) -> Any:
    """As YAML of any version reads it back: words are quoted, since ``on`` and ``06:00`` are none in YAML 1.1."""
    if isinstance(value, str):
        return DoubleQuotedScalarString(value)
    if isinstance(value, Mapping):
        made = CommentedMap((key, _plain(each)) for key, each in value.items())
        made.fa.set_flow_style()
        return made
    if isinstance(value, Sequence):
        listed = CommentedSeq(_plain(each) for each in value)
        listed.fa.set_flow_style()
        return listed
    return value
