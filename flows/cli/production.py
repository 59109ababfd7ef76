"""Which model is in production."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from flows.cli.options import HomeOption, PushOption, examples
from flows.errors import FlowError
from flows.machine.prefect_address import ServerOption
from tasks.core.cli import FAILED
from tasks.core.errors import UserError
from tasks.gate import Rule

if TYPE_CHECKING:
    from flows.champion.proposal import Outcome

PANEL = "The model in production"
commands = typer.Typer()

CommitOption = Annotated[str, typer.Option("--commit", help="The model: a commit, a branch or a run's record.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Promote whatever the gate says; the tag says so too.")]
RuleOption = Annotated[Rule | None, typer.Option("--rule", help="Used in place of gate.rule.")]
VersionArgument = Annotated[str | None, typer.Argument(metavar="VERSION", help="As `history` names it.")]


@commands.command(
    rich_help_panel=PANEL,
    epilog=examples(
        "promote --dry-run   # only judge; tags nothing",
        "promote             # make this commit's model the champion if the gate says so",
        "promote --commit training-mails-20261123-020000-3f2a --push origin",
    ),
)
def promote(
    commit: CommitOption = "HEAD",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only judge it against the champion.")] = False,
    force: ForceOption = False,
    rule: RuleOption = None,
    push: PushOption = None,
    server: ServerOption = None,
    *,
    home: HomeOption,
) -> None:
    """Judge a model against the champion and promote it.

    The champion is a commit with a tag; the verdict is in the tag's message. Exit code 1: the gate says no.
    """
    from flows.champion import proposal
    from flows.machine.server import some_server
    from flows.promotion import promotion

    proposal.candidate(home, commit)  # what is refused at once is so before a server starts
    with some_server():
        state = promotion(str(home.origin), commit, not dry_run, force, rule, push, return_state=True)
    if not state.is_completed():
        raise FlowError(str(state.message))
    outcome = cast("Outcome", state.result())
    print(outcome.words)
    if not dry_run and not outcome.promoted:
        raise typer.Exit(FAILED)


@commands.command(rich_help_panel=PANEL, epilog=examples("champion"))
def champion(home: HomeOption) -> None:
    """Show the champion's version and commit."""
    from flows.champion import registry

    found = registry.champion(home.origin)
    print(f"{found.name} {found.commit}" if found else "none yet")


@commands.command(rich_help_panel=PANEL, epilog=examples("history"))
def history(home: HomeOption) -> None:
    """List every version, and who was champion since when."""
    from flows.promotion import history

    print("\n".join(history(home)) or "no version is registered yet")


@commands.command(rich_help_panel=PANEL, epilog=examples("rollback", "rollback v0.0.1 --push origin"))
def rollback(version: VersionArgument = None, push: PushOption = None, *, home: HomeOption) -> None:
    """Make the champion's predecessor champion again, or a version."""
    from flows.champion import proposal

    print("\n".join(proposal.rollback(home, version, push)))


@commands.command(
    rich_help_panel=PANEL,
    epilog=examples('approve --why "checked by hand"', 'approve --decline --why "wait for October"'),
)
def approve(
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="The waiting run, if there are several.")] = None,
    decline: Annotated[bool, typer.Option("--decline", help="Answer no.")] = False,
    why: Annotated[str, typer.Option(help="For the log.")] = "",
    server: ServerOption = None,
    *,
    home: HomeOption,
) -> None:
    """Answer a run that waits for a person's approval of a model."""
    from flows.approval import reply

    name, words = reply(home, run, not decline, why)
    print(f"{words}\n\n{name}: {'declined' if decline else 'approved'}")


def promotion(
    act: Annotated[Literal["judge", "champion", "history", "rollback"], typer.Argument()] = "judge",
    version: VersionArgument = None,
    commit: CommitOption = "HEAD",
    promote_: Annotated[bool, typer.Option("--promote", help="Make it the champion when the verdict says so.")] = False,
    force: ForceOption = False,
    rule: RuleOption = None,
    push: PushOption = None,
    server: ServerOption = None,
    *,
    home: HomeOption,
) -> None:
    """`python -m flows.promotion`: promote, champion, history and rollback of `driftline` under one name."""
    if version and act != "rollback":
        raise UserError(f"{act} takes no version; only rollback does")
    if act == "champion":
        champion(home)
    elif act == "history":
        history(home)
    elif act == "rollback":
        rollback(version, push, home=home)
    else:
        promote(commit, not promote_ and not force, force, rule, push, home=home)
