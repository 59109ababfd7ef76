"""Put a model into production, or take it back: ``python -m flows.promotion``.

::

    python -m flows.promotion                 judge this commit's model against the champion; tags nothing
    python -m flows.promotion --promote       ... and make it the champion when the verdict says so
    python -m flows.promotion --force         ... whatever it says; the tag says so too
    python -m flows.promotion champion        the champion's version and commit
    python -m flows.promotion history         every version, and who was champion since when
    python -m flows.promotion rollback [V]    make the champion's predecessor, or the version named, champion again

The champion is a commit with a GTO tag. The verdict stands in the tag's message, in a git note on the commit, and with
the run on Prefect's server. Exit code 0: as asked; 1: not promoted, because of the verdict; 2: refused.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, cast, get_args

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Failed

from flows.champion import proposal, registry
from flows.champion.proposal import Outcome
from flows.machine.home import Home
from flows.runs.names import run_name
from tasks.core.cli import run
from tasks.core.errors import UserError
from tasks.gate import Rule


@flow(name="promotion", flow_run_name=lambda: run_name("promotion"), persist_result=False)
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
    try:
        home = Home.of(repository)
        outcome = proposal.propose(home, commit, promote, force, rule, push)
    except UserError as failure:
        return Failed(message=str(failure))
    create_markdown_artifact(key="promotion", markdown=markdown(outcome), description="The gate's verdict")
    return outcome


def markdown(outcome: Outcome) -> str:
    """What a person reads on Prefect's server: the words, and every figure below."""
    figures = json.dumps(outcome.verdict, indent=2, ensure_ascii=False)
    return f"{outcome.words}\n\n```json\n{figures}\n```"


def history(home: Home) -> list[str]:
    """A line for each event, the oldest first."""
    words = {"registration": "registered", "assignment": "champion"}
    return [
        f"{event.moment:%Y-%m-%d %H:%M:%S}  {event.version}  {words.get(event.what, event.what)}: "
        f"{(event.message.splitlines() or [''])[0]}"
        for event in registry.history(home.origin)
    ]


def judge(home: Home, given: argparse.Namespace) -> None:
    """The flow, from the command line."""
    proposal.candidate(home, given.commit)  # what is refused at once is so before a server has started
    asked = {name: getattr(given, name) for name in ("commit", "promote", "force", "rule", "push")}
    state = promotion(str(home.origin), **asked, return_state=True)
    if not state.is_completed():
        raise UserError(str(state.message))
    outcome = cast("Outcome", state.result())
    print(outcome.words)
    if given.promote and not outcome.promoted:
        sys.exit(1)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m flows.promotion", description=(__doc__ or "").split("\n\n")[0])
    made.add_argument("act", nargs="?", choices=("judge", "champion", "history", "rollback"), default="judge")
    made.add_argument("version", nargs="?", help="with rollback: the version to take, as history names it")
    made.add_argument("--commit", default="HEAD", help="the model to judge: a commit, branch, or run's record")
    made.add_argument("--promote", action="store_true", help="make it the champion when the verdict says so")
    made.add_argument("--force", action="store_true", help="make it the champion whatever the verdict says")
    made.add_argument("--rule", choices=get_args(Rule), help="instead of gate.rule")
    made.add_argument("--push", metavar="REMOTE", help="a git remote that gets the new tags")
    made.add_argument("--repository", metavar="FOLDER", help="whose champion it is (default: that of this code)")
    return made


def main() -> None:
    """Do what the command line asks for."""
    given = parser().parse_args()
    home = Home.of(given.repository)
    if given.version and given.act != "rollback":
        raise UserError(f"{given.act} takes no version; only rollback does")
    if given.act == "judge":
        judge(home, given)
    elif given.act == "rollback":
        print("\n".join(proposal.rollback(home, given.version, given.push)))
    elif given.act == "history":
        print("\n".join(history(home)) or "no version is registered yet")
    else:
        found = registry.champion(home.origin)
        print(f"{found.name} {found.commit}" if found else "none yet")


if __name__ == "__main__":
    run(main)
