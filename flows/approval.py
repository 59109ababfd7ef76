"""Promotion on approval: the gate judges, a person decides on Prefect's page, and only then are tags made.

Deployed by ``driftline serve`` and ``prefect.yaml``; started from Prefect's page or with
``prefect deployment run``, answered there or by ``driftline approve``. By hand, without waiting for anybody:
``driftline promote``.
"""

from __future__ import annotations

import logging
from typing import Annotated, Any

from prefect import runtime
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.states import Completed
from pydantic import Field

from flows.champion import proposal, registry
from flows.champion.training_window import newest_training
from flows.machine.home import Home
from flows.machine.liveness import liveness_lock
from flows.machine.server import client
from flows.notify import outbox, pointers
from flows.notify.markdown import escaped_lines, unescaped
from flows.parameters import PUBLISH, Publish
from flows.promotion import markdown
from flows.reaper import flow_runs
from flows.runs import ending, record
from flows.runs.names import mark
from flows.runs.renamed import APPROVAL
from tasks.core.errors import UserError
from tasks.gate import Rule

log = logging.getLogger(__name__)

FLOW = APPROVAL
LOOK_SECONDS = 2
MODEL = "model:"
"""Begins a tag of a run that waits: the commit it asks about."""


class Approval(RunInput):
    """What a person answers on Prefect's page."""

    approve: bool = False
    why: str = ""
    """For the log."""


@ending.deployed(FLOW)
def approval(
    repository: str | None = None,
    run: str | None = None,
    rule: Rule | None = None,
    hours: Annotated[float, Field(gt=0)] = 72.0,
    publish: Publish = PUBLISH,
    force: bool = False,
) -> State[Any]:
    """Ask the gate about a model and then a person, and promote it when both agree.

    A verdict against it ends the run. Else it is paused until somebody resumes it with an answer.

    Args:
        repository: The repository's folder. Default: the one this code lies in.
        run: The run or commit whose model it is. Default: of the trainings that ended well, the one on the newest rows.
        rule: The gate's rule. Default: gate.rule of params.yaml.
        hours: How long to wait for the answer.
        publish: Who hears that it waits, and the git remote that gets the tags.
        force: Ask the person whatever the gate says, and about a model that has seen less than the champion too.
    """
    home = Home.of(repository)
    with liveness_lock(home):
        commit, champion = proposal.candidate(home, run) if run else _newest(home), registry.champion(home.origin)
        if champion and record.same_model(home.origin, commit, champion.commit):
            return Completed(name="Nothing", message=f"the newest model is the champion already: {champion}")
        if other := _already_waiting(home, commit):
            return Completed(name="Duplicate", message=f"{other} already waits for an answer about this model")
        proposed = proposal.propose(home, commit, False, False, rule, None)
        create_markdown_artifact(key="promotion", markdown=markdown(proposed), description="The gate's verdict")
        if not (proposed.may_promote or force):
            return Completed(name="NotPromoted", message=proposed.words)
        name, key = str(runtime.flow_run.name), runtime.flow_run.id
        subject = f"{home.name}: a model waits for approval, {name}"
        outbox.tell(home, publish.notify, subject, proposed.words, *pointers.before_approval(home, name, key, hours))
        mark(f"{MODEL}{commit[:12]}")
        answer = _ask(proposed.words, hours)
        if answer is None:
            return Completed(name="Unanswered", message=f"nobody answered within {hours:g} hours; nothing was changed")
        if not answer.approve:
            return Completed(name="Declined", message=f"declined: {answer.why or 'no reason was given'}")
        log.info("approved: %s", answer.why or "no reason was given")
        return Completed(message=proposal.propose(home, commit, True, force, rule, publish.upstream).words)


def _already_waiting(home: Home, commit: str) -> str | None:
    """The name of another run that waits for an answer about the same model."""
    with get_client(sync_client=True) as server:
        for run in flow_runs(server, home, [StateType.PAUSED], [FLOW]):
            asked = [tag.removeprefix(MODEL) for tag in run.tags if tag.startswith(MODEL)]
            if any(record.same_model(home.origin, commit, other) for other in asked):
                return str(run.name)
    return None


def _newest(home: Home) -> str:
    found = newest_training(home)
    if found is None:
        raise UserError("no training has ended well yet, so there is nothing to promote: name a commit as `run`")
    return found.commit


def _ask(words: str, hours: float) -> Approval | None:
    """Pause the run until it is resumed with an answer; None when nobody does."""
    asked = Approval.with_initial_data(description=f"{escaped_lines(words)}\n\nMake it the champion?", approve=False)
    try:
        answer = pause_flow_run(wait_for_input=asked, timeout=int(hours * 3600), poll_interval=LOOK_SECONDS)
    except FlowPauseTimeout:
        return None
    assert isinstance(answer, Approval)
    return answer


def reply(home: Home, name: str | None, approve: bool, why: str) -> tuple[str, str]:
    """Answer the waiting run, or the one named: its name, and what the gate said. UserError when none waits."""
    with client() as server:
        run = _waiting(server, home, name)
        words = _shown_to_a_person(server, run)
        server.resume_flow_run(run.id, {"approve": approve, "why": why})
    return str(run.name), words


def _waiting(server: SyncPrefectClient, home: Home, name: str | None) -> FlowRun:
    waiting = list(flow_runs(server, home, [StateType.PAUSED], [FLOW]))
    found = [run for run in waiting if name in (None, run.name)]
    names = ", ".join(str(run.name) for run in waiting)
    if not waiting:
        raise UserError("no model waits for approval: start the deployment `approval` on Prefect's page to ask for one")
    if not found:
        raise UserError(f"{name} does not wait for approval; these do: {names}")
    if len(found) > 1:
        raise UserError(f"several models wait for approval, name one: {names}")
    return found[0]


def _shown_to_a_person(server: SyncPrefectClient, run: FlowRun) -> str:
    """What the run shows the person who is to answer."""
    details = run.state.state_details if run.state else None
    keys = (details.run_input_keyset if details else None) or {}
    return unescaped(server.read_flow_run_input(run.id, keys["description"])) if "description" in keys else ""
