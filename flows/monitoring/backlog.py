"""Windows that closed while nothing watched them: one run watches one window, and has the next run follow at once."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from itertools import islice
from uuid import UUID

import httpx
from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.states import Scheduled

from flows.machine.home import Home
from flows.monitoring import watch
from flows.parameters import Window
from flows.runs.names import named
from flows.runs.renamed import KINDS
from flows.windows.ranges import TimeRange

log = logging.getLogger(__name__)

SOON = timedelta(seconds=10)  # when this run is over, and no longer counts for a concurrency limit


def catch_up(home: Home, window: Window) -> str:
    """What there is to say of windows that wait; "" where none does or a window was named.

    A run of a deployment starts the next one, so that a service that was away for weeks is up to date the same day.
    """
    if window.since:
        return ""
    planned = watch.plan(home, None, None, window.days)
    waiting = list(islice(watch.waiting(home, planned, window.days, datetime.now(UTC)), watch.MOST))
    if not waiting:
        return ""
    count = len(waiting)
    more = f"{count}{' or' * (count == watch.MOST)} more window{'s have' if count > 1 else ' has'} closed"
    deployment = runtime.deployment.id
    if not deployment:
        return f"{more}, the next is {waiting[0]}: driftline monitor --each watches them all"
    try:
        _follow(UUID(str(deployment)), UUID(str(runtime.flow_run.id)), waiting[0])
    except httpx.HTTPError as error:
        log.warning(f"the next window waits for the schedule: {error!r}")
        return f"{more}, the next is {waiting[0]}, which waits for the schedule"
    return f"{more}, the next is {waiting[0]}, which is watched now"


def _follow(deployment: UUID, run: UUID, window: TimeRange) -> None:
    """A run after this one with its parameters, named for its window; one alone, also where this run is tried again."""
    with get_client(sync_client=True) as client:
        given = client.read_flow_run(run).parameters
        following = client.create_flow_run_from_deployment(
            deployment,
            parameters=given,
            state=Scheduled(scheduled_time=datetime.now(UTC) + SOON),
            idempotency_key=f"after {run}",
        )
        name = named(KINDS[watch.FLOW], given.get("repository"), window, following.id)
        client.set_flow_run_name(following.id, name)
