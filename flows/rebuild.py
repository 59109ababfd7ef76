"""The check that a schedule starts: is what was recorded still what a rebuild makes?"""

from __future__ import annotations

from typing import Any

from prefect import runtime
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.errors import FlowError
from flows.machine.home import Home
from flows.machine.liveness import liveness_lock
from flows.machine.locks import Overlap, holding
from flows.notify.markdown import fenced
from flows.runs import ending, verify
from flows.runs.renamed import REBUILD

FLOW = REBUILD


@ending.deployed(FLOW)
def rebuild(
    repository: str | None = None,
    run: str | None = None,
    overlap: Overlap = "wait",
    notify: str | None = None,
    other_versions: list[str] | None = None,
) -> State[Any]:
    """Rebuild a recorded run and compare it, as `driftline verify` does; fails when it differs.

    Args:
        repository: The repository's folder. Default: the one this code lies in.
        run: The run's name. Default: the newest that ended well.
        overlap: When another run of the repository is at work: wait for it, or skip this run.
        notify: A notification block, as slack-webhook/team, told of a failure once.
        other_versions: Packages whose installed version may differ from environment.json's: [torch].
    """
    home, name = Home.of(repository), str(runtime.flow_run.name)
    with liveness_lock(home), holding(home.workspace_lock, name, overlap):
        found = verify.rebuild(home, verify.past_run(home, run), other_versions=other_versions or ())
    create_markdown_artifact(key="verify", markdown=fenced(str(found)), description="A past run, rebuilt")
    if not found.same:
        raise FlowError(str(found))
    return Completed(message=str(found))
