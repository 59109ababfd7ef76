"""Put a model into production, or take it back: ``driftline promote`` and ``rollback``, or under one name::

    driftline promote --dry-run    python -m flows.promotion               judge this commit's model; tag nothing
    driftline promote              python -m flows.promotion --promote     ... and promote it if the gate says so
    driftline promote --force      python -m flows.promotion --force       ... whatever it says; the tag says so too
    driftline champion             python -m flows.promotion champion      the champion's version and commit
    driftline history              python -m flows.promotion history       every version, and who was champion when
    driftline rollback [V]         python -m flows.promotion rollback [V]  take the champion's predecessor, or V

The champion is a commit with a GTO tag. The verdict stands in the tag's message, in a git note on the commit, and with
the run on Prefect's server.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State

from flows.champion import proposal, registry
from flows.champion.proposal import Outcome
from flows.machine.home import Home
from flows.notify.markdown import escaped_lines, fenced
from flows.runs import ending
from flows.runs.names import run_name
from tasks.gate import Rule


@flow(name="promotion", flow_run_name=lambda: run_name("promotion"), persist_result=False)
@ending.errors_as_state
def promotion(
    repository: str | None = None,
    commit: str = "HEAD",
    promote: bool = False,
    force: bool = False,
    rule: Rule | None = None,
    push: str | None = None,
) -> Outcome | State[Any]:
    """Judge a model against the champion, and promote it when asked.

    Args:
        repository: The repository's folder. Default: the one this code lies in.
        commit: The commit, branch or run whose model is judged.
        promote: Make it the champion when the verdict says so.
        force: Make it the champion whatever the verdict says.
        rule: The gate's rule. Default: gate.rule of params.yaml.
        push: A git remote that gets the new tags.
    """
    outcome = proposal.propose(Home.of(repository), commit, promote, force, rule, push)
    create_markdown_artifact(key="promotion", markdown=markdown(outcome), description="The gate's verdict")
    return outcome


def markdown(outcome: Outcome) -> str:
    """What a person reads on Prefect's server: the words, and every figure below."""
    figures = outcome.verdict.model_dump_json(indent=2)
    return f"{escaped_lines(outcome.words)}\n\n{fenced(figures, 'json')}"


def history(home: Home) -> list[str]:
    """A line for each event, the oldest first."""
    words = {"registration": "registered", "assignment": "champion"}
    return [
        f"{event.moment:%Y-%m-%d %H:%M:%S}  {event.version}  {words.get(event.what, event.what)}: "
        f"{(event.message.splitlines() or [''])[0]}"
        for event in registry.history(home.origin)
    ]


if __name__ == "__main__":
    from flows.cli.production import promotion as command
    from tasks.core.cli import run

    run(command)
