"""Keep what the policy of prefect.yaml says: the deployment ``prune``, which a schedule starts."""

from __future__ import annotations

from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.machine.home import Home
from flows.machine.liveness import liveness_lock
from flows.parameters import KEEP, Keep
from flows.runs import ending
from flows.runs.prune import prune
from flows.runs.renamed import PRUNING

FLOW = PRUNING


@ending.deployed(FLOW)
def pruning(repository: str | None = None, keep: Keep = KEEP, notify: str | None = None) -> State[Any]:
    """Delete what the policy does not keep, and nothing that a version or a record needs.

    Args:
        repository: The repository's folder. Default: the one this code lies in.
        keep: What is kept, and for how long.
        notify: A notification block, as slack-webhook/team, told of a failure once.
    """
    home = Home.of(repository)
    with liveness_lock(home), get_client(sync_client=True) as client:
        lines = list(prune(home, keep, client))
    return Completed(message="\n".join(lines) or "nothing to delete")
