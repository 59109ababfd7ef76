"""Running Driftline on a machine: schedules, records, room on the disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from flows.cli.options import CopyOption, HomeOption, PushOption, examples, interruptible
from flows.errors import FlowError
from flows.machine.home import Home
from flows.machine.prefect_address import ServerOption
from tasks.core.cli import FAILED, file_option, from_caller
from tasks.core.errors import UserError

if TYPE_CHECKING:
    from flows.pipeline.result import Result

PANEL = "This machine"
commands = typer.Typer()

ListenOption = Annotated[str, typer.Option("--host", help="Where its server listens; 0.0.0.0: for others too.")]
PortOption = Annotated[int | None, typer.Option("--port", min=1, max=65535, help="Of its server; 4200 by default.")]
NamesOption = Annotated[
    list[str], typer.Option("--allow-host", metavar="NAME", help="A name a proxy reaches its server by; repeatable.")
]


@commands.command(
    rich_help_panel=PANEL,
    epilog=examples("status", "status --prometheus > /var/lib/node_exporter/driftline.prom   # for a collector"),
)
def status(
    json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
    prometheus: Annotated[bool, typer.Option("--prometheus", help="As metrics in Prometheus's text format.")] = False,
    server: ServerOption = None,
    *,
    home: HomeOption,
) -> None:
    """Show what runs, what is due, recent results, champion and disk.

    Exit code 0: all is well; 1: no runner, an overdue run, a dead server, or what else it calls a problem.
    """
    from flows.status.health import status as look
    from flows.status.lines import lines
    from flows.status.prometheus import text

    if json and prometheus:
        raise UserError("--json and --prometheus exclude each other: name one")
    found = look(home)
    if json:
        print(found.model_dump_json(indent=2))
    elif prometheus:
        print(text(found), end="")
    else:
        print("\n".join(lines(home, found)))
    if found.problems:
        raise typer.Exit(FAILED)


@commands.command(
    rich_help_panel=PANEL, epilog=examples("serve", "serve --repository ../mails --port 4300   # of another folder")
)
def serve(
    host: ListenOption = "127.0.0.1",
    port: PortOption = None,
    allow_host: NamesOption = [],  # noqa: B006
    server: ServerOption = None,
    *,
    home: HomeOption,
) -> None:
    """Run the schedules of prefect.yaml, until Ctrl-C.

    Uses the Prefect server that --server, PREFECT_API_URL or Prefect's profile names, or runs one, which asks for a
    login.
    """
    from flows.serve import serve

    serve(home, host, port, allow_host)


@commands.command(rich_help_panel=PANEL, epilog=examples("deploy", "deploy --repository ../mails"))
def deploy(server: ServerOption = None, *, home: HomeOption) -> None:
    """Register prefect.yaml for a work pool.

    A worker runs it: `prefect worker start --pool driftline`. What is no longer declared is deleted.
    """
    from flows.schedule.work_pool import deploy

    print("\n".join(deploy(home)))


schedule = typer.Typer(help="The schedules and parameters of prefect.yaml, and what Prefect's page made of them.")
commands.add_typer(schedule, name="schedule", rich_help_panel=PANEL)


@schedule.command(epilog=examples("schedule pull"))
def pull(home: HomeOption) -> None:
    """Write into prefect.yaml what was changed on Prefect's page.

    `driftline serve` overwrites such changes when it starts, and says which.
    """
    from flows.machine.server import client
    from flows.schedule.pull import pull

    with client() as server:
        print("\n".join(pull(server, home)) or "Prefect's page has nothing that prefect.yaml has not")


@commands.command(
    rich_help_panel=PANEL, epilog=examples("server", "server --allow-host driftline.example.org   # behind a proxy")
)
def server(host: ListenOption = "127.0.0.1", port: PortOption = None, allow_host: NamesOption = []) -> None:  # noqa: B006
    """Run Prefect's server alone, for workers, until Ctrl-C.

    It asks for a login, as the one of `serve` does.
    """
    from flows.serve import serve_pages

    serve_pages(host, port, allow_host)


@commands.command(
    rich_help_panel=PANEL,
    epilog=examples("train                  # as `run`, under Prefect", "train finetune         # and what it needs"),
)
def train(
    stages: Annotated[list[str] | None, typer.Argument(metavar="STAGE", help="As in dvc.yaml; all by default.")] = None,
    server: ServerOption = None,
) -> None:
    """Run the pipeline in this folder as a Prefect flow.

    Says of each stage whether it ran, came from the cache or is unchanged, and why.
    """
    from flows.machine.server import some_server
    from flows.pipeline.graph import Dag
    from flows.runs.summary import closing_lines, open_line, table
    from flows.training import training

    Dag().order(stages or None)  # an unknown name is known now, not after a server has started
    with interruptible("the running stage was stopped; run again to go on"), some_server():
        state = training(stages or None, return_state=True)
    if not state.is_completed():
        raise FlowError(str(state.message))
    print(table(cast("list[Result]", state.result())))
    print("\n".join([*closing_lines(Path()), *open_line(Path())]))


@commands.command(
    rich_help_panel=PANEL,
    epilog=examples(
        "verify                                  # the newest run", "verify training-mails-20261123-020000-3f2a"
    ),
)
def verify(
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="As `dvc exp show` and Prefect name it.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the clone, for a look at what differs.")] = False,
    other_version: Annotated[
        list[str] | None, typer.Option(metavar="PACKAGE", help="Its installed version may be another than the run's.")
    ] = None,
    *,
    home: HomeOption,
) -> None:
    """Rebuild a past run and compare every byte.

    On another kind of processor a model's figures are compared within tolerances, which are printed. Exit code 0: the
    same; 1: not, or it could not be rebuilt.
    """
    from flows.logs import log_to_stdout
    from flows.runs.verify import past_run, rebuild

    log_to_stdout()
    found = rebuild(home, past_run(home, run), keep, other_version or ())
    print(found)
    if not found.same:
        raise typer.Exit(FAILED)


@commands.command(
    rich_help_panel=PANEL,
    epilog=examples("prune                       # by the policy of prefect.yaml", "prune --keep 2 --cache needed"),
)
def prune(
    keep: Annotated[int | None, typer.Option(min=0, help="The newest clones that stay.")] = None,
    keep_checkpoints: Annotated[int | None, typer.Option(min=0, help="The newest checkpoints that stay.")] = None,
    days: Annotated[float | None, typer.Option(help="Checkpoints older than this go.")] = None,
    server_days: Annotated[float | None, typer.Option(help="Runs on Prefect's server that ended before go.")] = None,
    record_days: Annotated[float | None, typer.Option(help="Records of runs that ended before go.")] = None,
    cache: Annotated[Literal["all", "needed"] | None, typer.Option(help="What stays in DVC's cache.")] = None,
    *,
    home: HomeOption,
) -> None:
    """Delete clones of old runs and abandoned checkpoints, and more where the policy says so.

    Without an option, `keep` of the deployment prune in prefect.yaml counts. What a version or a record needs stays.
    Refused while a run is at work.
    """
    from contextlib import ExitStack

    from flows.machine.server import client
    from flows.parameters import KEEP
    from flows.pruning import pruning
    from flows.runs.prune import prune
    from flows.schedule.by_hand import changed
    from flows.schedule.deployments import parameters

    declared = getattr(parameters(home, pruning, "flows/pruning.py:pruning"), "keep", KEEP)
    policy = changed(
        declared,
        clones=keep,
        checkpoints=keep_checkpoints,
        checkpoint_days=days,
        server_days=server_days,
        record_days=record_days,
        cache=cache,
    )
    with ExitStack() as stack:
        server = None
        if policy.server_days is not None:
            try:
                server = stack.enter_context(client())
            except UserError as error:
                if server_days is not None:  # it was asked for
                    raise
                print(f"note: runs on Prefect's server stay: {error}")
        print("\n".join(prune(home, policy, server)) or "nothing to delete")


@commands.command(
    rich_help_panel=PANEL,
    epilog=examples(
        "identity",
        "identity --new         # of a copy made with cp -r: a checkout of its own",
        "identity --replace     # of a copy: it takes the place of the one it was copied from",
    ),
)
def identity(
    new: Annotated[bool, typer.Option("--new", help="This copy gets an id, a home and labels of its own.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="This copy keeps id, home and labels; the other gets new ones.")
    ] = False,
    *,
    home: CopyOption,
) -> None:
    """Show by which name and id this checkout is known."""
    from flows.machine import checkout
    from flows.machine.home import OWNER, Home
    from flows.machine.locks import idle

    if new and replace:
        raise UserError("--new and --replace exclude each other: name one")
    if new:
        if not checkout.original(home.origin) and (home.folder / OWNER).exists():
            raise UserError(f"{home.origin} is no copy: {home.folder} is its own, and would be lost")
        checkout.make_new(home.origin)
        home = Home(home.origin)
    if replace and (other := checkout.original(home.origin)):
        with idle(Home(other), "driftline identity"):
            checkout.take_over(home.origin)
    print(f"repository {home.name}\ncheckout   {home.checkout.id}, at {home.origin}\nhome       {home.folder}")


@commands.command(rich_help_panel=PANEL, epilog=examples("move ../mails-2027"))
def move(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", parser=from_caller, help="A new folder.")],
    *,
    home: HomeOption,
) -> None:
    """Move this checkout; labels, queue and position go along.

    Refused while it is served or a run is at work. Afterwards `make setup` and `driftline serve`, there.
    """
    from flows.relocation import move

    print("\n".join(move(home, folder)))


@commands.command(rich_help_panel=PANEL, epilog=examples("backup /backups/mails-2026-11-27.tar"))
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", parser=from_caller, help="A new file.")],
    server: ServerOption = None,
    *,
    home: HomeOption,
) -> None:
    """Put all that this checkout knows into a file.

    Records, tags, labels, positions, and the data that no DVC remote has; it holds texts and secrets. Waits for a run
    that is at work.
    """
    from flows.backup import backup
    from flows.logs import log_to_stdout
    from flows.machine.server import some_server
    from flows.notify import blocks

    log_to_stdout()
    found: list[blocks.SavedBlock] = []
    if blocks.named(home):
        with some_server():
            found = list(blocks.saved(home))
    made = backup(home, file, found)
    print(f"{file}: checkout {made.checkout.id} of {home.name}, {made.described()}")


@commands.command(
    rich_help_panel=PANEL, epilog=examples("restore /backups/mails-2026-11-27.tar ../mails       # a new folder")
)
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", parser=from_caller, help="Of `driftline backup`.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", parser=from_caller, help="A new folder.")],
    server: ServerOption = None,
) -> None:
    """Make a checkout from a backup, on this machine or another.

    Afterwards `make setup` and `driftline serve`, there.
    """
    from flows.backup import restore
    from flows.logs import log_to_stdout
    from flows.machine.server import some_server
    from flows.notify import blocks

    log_to_stdout()
    made = restore(file, folder)
    print(f"{folder}: checkout {made.checkout.id}, {made.described()}")
    if made.blocks:
        with some_server():
            print("\n".join(f"{one}: {'saved' if blocks.bring(one) else 'is there already'}" for one in made.blocks))
    print(f"go on: cd {folder} && make setup && driftline serve")


@commands.command(rich_help_panel=PANEL, epilog=examples("reaper"))
def reaper(server: ServerOption = None, *, home: HomeOption) -> None:
    """Mark runs crashed whose process is gone.

    `driftline serve` does it by itself. Where a worker runs instead, run this from cron on the worker's machine.
    """
    from flows.machine.server import client
    from flows.reaper import reap_with

    with client() as ask:
        print("\n".join(reap_with(ask, home)) or "nothing to do")


@commands.command(rich_help_panel=PANEL, epilog=examples("demo", "demo --folder ../demo --no-wait"))
def demo(
    folder: Annotated[Path | None, file_option("A new folder for all files; by default a temporary.", "FOLDER")] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="End after the last week, keep no pages up.")] = False,
    *,
    home: HomeOption,
) -> None:
    """Play three months of mail in some five minutes.

    Quiet weeks, an alarm, a refit, its promotion and a rollback; in a folder, a home and a Prefect server of its own.
    """
    from flows.demo.play import demo

    with interruptible("what ran was ended"):
        demo(home, folder, no_wait)


@commands.command(
    rich_help_panel=PANEL,
    epilog=examples(
        "upgrade                                         # show what it would do",
        "upgrade --yes",
        "upgrade --from ../driftline-new --to v0.3.0     # another source, another revision",
        "upgrade --champion --yes                        # the champion's weights on this commit's code",
        "upgrade --lock                                  # try new packages, say what they change",
        "upgrade --lock --yes                            # take what was tried",
    ),
)
def upgrade(
    source: Annotated[
        str | None,
        typer.Option("--from", help="A git remote, an address or a checkout; with --lock, a requirements file."),
    ] = None,
    revision: Annotated[str | None, typer.Option("--to", help="A branch, tag or commit there.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, only say what would happen.")] = False,
    champion: Annotated[
        bool, typer.Option("--champion", help="Put the champion's weights on the code of this commit, or of --to.")
    ] = False,
    lock: Annotated[
        bool, typer.Option("--lock", help="Try new packages beside the repository, and score the champion there.")
    ] = False,
    drop: Annotated[bool, typer.Option("--drop", help="With --lock: delete what was tried.")] = False,
    push: PushOption = None,
) -> None:
    """Merge a new release into this repository, put the champion on its code, or take new packages.

    Monitoring runs the champion's own code until `--champion` has re-issued it: the same weights, equal scores on its
    test rows, a new version. Exit code 1: conflicts are left to you, or the scores differ.
    """
    from flows.upgrade.command import upgrade

    if (lock and (champion or revision)) or (drop and (yes or not lock)):
        raise UserError("--lock goes with --from FILE, or with --yes, or with --drop, and with nothing else")
    if source and from_caller(source).exists():
        source = str(from_caller(source))
    if champion:
        raise typer.Exit(_reissue(revision or "HEAD", yes, push))
    if lock:
        raise typer.Exit(_lock(source, yes, drop, push))
    raise typer.Exit(upgrade(Path(), source, revision, apply=yes))


def _reissue(revision: str, apply: bool, push: str | None) -> int:
    from flows.champion.reissue import reissue

    found = reissue(Home.of(Path()), revision, apply=apply, remote=push)
    print("\n".join(found.lines))
    return 0 if found.possible else FAILED


def _lock(given: str | None, yes: bool, drop: bool, push: str | None) -> int:
    from flows.upgrade import lock

    home = Home.of(Path())
    if drop:
        print("deleted" if lock.drop(home) else "nothing was tried")
        return 0
    if given and not Path(given).is_file():
        raise UserError(f"--from {given} is no file: with --lock it names requirements")
    if yes:
        return lock.approve(home, push)
    with interruptible("nothing was changed"):
        return lock.attempt(home, Path(given) if given else None)
