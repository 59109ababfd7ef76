"""One runner serves a checkout: a lock sees to that on its machine, and the server knows of a copy on another."""

from __future__ import annotations

import logging
import time

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.objects import DeploymentStatus
from prefect.client.schemas.responses import DeploymentResponse

from flows.machine.home import Home
from flows.notify.markdown import unescaped
from flows.schedule.deployments import on_this_machine
from tasks.core.errors import UserError

log = logging.getLogger(__name__)

SILENT_SECONDS = 90.0
"""Prefect takes a runner for gone that has not asked for a minute, and looks every 15 s."""
LOOK_SECONDS = 3.0


def require_sole(client: SyncPrefectClient, home: Home, seconds: float = SILENT_SECONDS) -> None:
    """Wait for the runner on another machine, which may have just ended. UserError: it goes on."""
    deadline = time.monotonic() + seconds
    while other := _elsewhere(client, home):
        where = unescaped((other.description or other.name).splitlines()[-1])
        if time.monotonic() > deadline:
            raise UserError(
                f"this checkout is served already ({where}): if this is a copy of it, `driftline identity --new` makes "
                "it one of its own; if it was moved here, end the other"
            )
        log.info(f"waiting for another runner to be silent ({where})")
        time.sleep(LOOK_SECONDS)


def _elsewhere(client: SyncPrefectClient, home: Home) -> DeploymentResponse | None:
    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[home.tag]))
    found = client.read_deployments(deployment_filter=ours, limit=200)
    served = [one for one in found if one.status is DeploymentStatus.READY and not one.work_pool_name]
    return next((one for one in served if not (one.description or "").endswith(on_this_machine())), None)
