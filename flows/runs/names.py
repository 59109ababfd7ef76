"""What runs are called: what is run, of which repository, which window or when it was due, the end of Prefect's id.

``monitoring-mails-20021001-20021008-3f2a``, ``training-mails-20261123-020000-3f2a``. The name is the record's too, and
so a part of a git reference. Two runs may share a time, hence the id.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext

from flows.machine import checkout
from flows.machine.home import HERE, Home
from flows.windows.ranges import TimeRange
from tasks.core.errors import UserError

NAME = re.compile(r".+-\d{8}(T\d{4})?-(\d{6}|\d{8}(T\d{4})?)-[0-9a-f]{4}")


def named(kind: str, repository: object, when: datetime | TimeRange, key: object) -> str:
    """The name of the run with that id of Prefect's, for a window or a moment at which it is due."""
    span = f"{_stamp(when.since)}-{_stamp(when.until)}" if isinstance(when, TimeRange) else f"{when:%Y%m%d-%H%M%S}"
    return f"{kind}-{_of(repository)}-{span}-{str(key)[-4:]}"


def is_named(name: str) -> bool:
    """Whether a run has a name of ours, not one that Prefect drew."""
    return NAME.fullmatch(name) is not None


def run_name(kind: str, window: TimeRange | None = None) -> str:
    """Of the running run: for its window, else for when it was due."""
    run = runtime.flow_run
    return named(kind, run.parameters.get("repository"), window or run.scheduled_start_time, run.id)


def renamed(name: str) -> str:
    """The name, which the running run has from now on."""
    running = FlowRunContext.get()
    if running and running.flow_run and name != running.flow_run.name:
        with get_client(sync_client=True) as client:
            client.set_flow_run_name(running.flow_run.id, name)
        running.flow_run.name = name  # of which Prefect's hooks hear
    return name


def mark(*tags: str) -> None:
    """Add tags to the running run, which Prefect's list shows; nothing where no flow runs."""
    if not (tags and runtime.flow_run.id):
        return
    with get_client(sync_client=True) as client:
        there = client.read_flow_run(runtime.flow_run.id).tags
        client.update_flow_run(runtime.flow_run.id, tags=[*there, *(tag for tag in tags if tag not in there)])


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%d}" if f"{moment:%H%M%S}" == "000000" else f"{moment:%Y%m%dT%H%M}"


def _of(repository: object) -> str:
    """The repository's name; of one that is gone, its folder's."""
    try:
        return Home.of(str(repository) if repository else None).name
    except UserError:
        return checkout.named(Path(str(repository or HERE)).name)
