"""The check that a schedule starts: is what was recorded still what a rebuild makes?"""

from __future__ import annotations

from typing import Any

from prefect import flow, runtime
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.errors import Busy
from flows.machine.home import Home
from flows.machine.liveness import alive
from flows.machine.locks import Overlap, holding
from flows.notify import incidents
from flows.runs import verify
from flows.runs.names import run_name
from flows.runs.renamed import REBUILD
from flows.runs.verify import past_run
from tasks.core.errors import UserError

FLOW = REBUILD


@flow(name=FLOW, flow_run_name=lambda: run_name("verify"), persist_result=False)
def rebuild(
    repository: str | None = None, run: str | None = None, overlap: Overlap = "wait", notify: str | None = None
) -> State[Any]:
    """Rebuild a recorded run and compare it byte for byte; fails when it differs.

    Args:
        repository: The repository's folder. Default: the one this code lies in.
        run: The run's name. Default: the newest that ended well.
        overlap: When another run of the repository is at work: wait for it, or skip this run.
        notify: A notification block, as slack-webhook/team, told of a failure once.
    """
    name = run_name("verify")
    try:
        home = Home.of(repository)
    except UserError as failure:
        return Failed(message=str(failure))
    try:
        with alive(home, str(runtime.flow_run.id)), holding(home.workspace_lock, name, overlap):
            verdict = verify.rebuild(home, past_run(home, run))
    except Busy as busy:
        return Completed(name="Skipped", message=f"skipped: {busy}")
    except UserError as failure:
        return incidents.failed(home, FLOW, name, f"it could not be rebuilt: {failure}", notify)
    create_markdown_artifact(key="verify", markdown=f"```\n{verdict}\n```", description="A past run, rebuilt")
    if not verdict.same:
        return incidents.failed(home, FLOW, name, str(verdict), notify)
    incidents.over(home, FLOW)
    return Completed(message=str(verdict))
