"""The champion on new data: monitoring, labels, what-if."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from flows.cli.options import HomeOption, PushOption, SinceOption, UntilOption, examples, finish, interruptible
from flows.machine.home import Home
from flows.machine.prefect_address import ServerOption
from flows.parameters import REPLAY, Action, Labels, Prices, RefitOn, Refits, Replay, Window
from tasks.core.cli import file_option, from_caller
from tasks.core.errors import UserError
from tasks.core.params import parse
from tasks.gate import Rule

PANEL = "The champion on new data"
commands = typer.Typer()

DaysOption = Annotated[
    float | None, typer.Option("--days", min=0.01, help="How long a window is; by default as windows.current.")
]
EveryOption = Annotated[float | None, typer.Option("--every-days", help="Policy schedule: refit at this age.")]
CooldownOption = Annotated[float | None, typer.Option("--cooldown-days", help="No refit so soon after another.")]
LossOption = Annotated[
    float | None, typer.Option("--tolerated-loss", help="Accuracy that may be lost before a window is harmful.")
]
PriceOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=AMOUNT", help="Rank by money: wrong_answer, label, core_hour, review; repeatable."),
]
RuleOption = Annotated[Rule | None, typer.Option("--rule", help="The gate's rule for a refitted model.")]


@commands.command(
    rich_help_panel=PANEL,
    epilog=examples(
        "monitor                                          # the next window that has closed",
        "monitor --since 2002-10-01 --until 2002-10-08    # any range",
        "monitor --each                                   # every window that has closed since the last",
        "monitor --since 2002-10-01 --until 2003-01-01 --each   # a backfill, window by window",
        "monitor --policy alarm                           # ... and say whether it calls for a refit",
        "monitor --policy alarm --action promote          # ... refit, ask the gate, promote",
    ),
)
def monitor(
    since: SinceOption = None,
    until: UntilOption = None,
    days: DaysOption = None,
    each: Annotated[
        bool | None, typer.Option("--each", help="Every window of the range; without one, every one since the last.")
    ] = None,
    policy: Annotated[RefitOn | None, typer.Option(help="When the champion is refitted.")] = None,
    every_days: EveryOption = None,
    cooldown_days: CooldownOption = None,
    tolerated_loss: LossOption = None,
    action: Annotated[Action | None, typer.Option(help="What is done when a refit is due.")] = None,
    rule: RuleOption = None,
    revision: Annotated[str | None, typer.Option(help="What a refit trains from.")] = None,
    to_label: Annotated[int | None, typer.Option(min=0, help="Rows to offer for labelling.")] = None,
    notify: Annotated[str | None, typer.Option(metavar="BLOCK", help="A notification block on the server.")] = None,
    push: PushOption = None,
    labels: Annotated[Path | None, file_option("A to_label.csv that came back; see `driftline label`.")] = None,
    server: ServerOption = None,
    *,
    home: HomeOption,
) -> None:
    """Watch the champion on the next window, or on the one named.

    Runs in a clone at the champion's commit. What no option says is as prefect.yaml has it for monitoring.
    """
    from prefect import tags

    from flows.machine.server import some_server
    from flows.monitoring import watch
    from flows.monitoring.flow import monitoring
    from flows.schedule.by_hand import Declared, changed

    declared = Declared.of(home)
    named = changed(declared.window, since=since, until=until, days=days, each=each)
    watch.plan(home, named.since, named.until, named.days)  # what is refused at once is so before a server starts
    how = changed(
        declared.policy,
        refit_on=policy,
        every_days=every_days,
        cooldown_days=cooldown_days,
        tolerated_loss=tolerated_loss,
        action=action,
        rule=rule,
        revision=revision,
    )
    publish = changed(declared.publish, upstream=push, notify=notify)
    rows = declared.to_label if to_label is None else to_label
    windows = _labelled(home, labels, named) if labels else [named]
    with interruptible("the window was not recorded; run again"), some_server(), tags(home.name, home.tag):
        for window in windows:
            finish(monitoring(str(home.origin), window, how, rows, declared.limits, publish, return_state=True))


def _labelled(home: Home, file: Path, named: Window) -> list[Window]:
    """Keep the labels of a file: the windows that asked for them, or the one named."""
    from flows.monitoring import labelling, watch
    from flows.windows.ranges import as_text

    asked_for = [span for asked in labelling.store(home, file) if (span := labelling.window_of(asked))]
    if not asked_for and not named.since:
        raise UserError(f"no to_label.csv of this machine holds an id of {file}: name the window, --since and --until")
    learnt = [span for span in asked_for if watch.trained_on(home, span)]
    for span in learnt:
        print(
            f"the labels of {span} are kept for the next training; the champion was trained on this window, "
            "so it is not watched again"
        )
    windows = [Window(since=as_text(span.since), until=as_text(span.until)) for span in asked_for if span not in learnt]
    return windows if asked_for else [named]


@commands.command(rich_help_panel=PANEL, epilog=examples("label to_label.csv"))
def label(
    file: Annotated[Path, typer.Argument(metavar="FILE", parser=from_caller, help="A filled-in to_label.csv.")],
    since: SinceOption = None,
    until: UntilOption = None,
    server: ServerOption = None,
    *,
    home: HomeOption,
) -> None:
    """Keep the labels of a filled-in to_label.csv and watch its windows again.

    `driftline monitor` writes such a file for each window, with rows whose labels tell most.
    """
    monitor(since=since, until=until, labels=file, home=home)


def known_policy(name: str) -> str:
    """The name, when it is a policy's."""
    if name not in get_args(RefitOn):
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(get_args(RefitOn))}")
    return name


@commands.command(
    rich_help_panel=PANEL,
    epilog=examples(
        "backtest --since 2002-07-22 --until 2002-09-30 --days 7",
        "backtest --days 7 --price wrong_answer=0.5 --price label=0.1 --price review=40   # ranked by money",
        "backtest --since 2002-07-22 --until 2002-09-30 --days 21 --refit full --policy never --policy schedule",
    ),
)
def backtest(
    since: SinceOption = None,
    until: UntilOption = None,
    days: DaysOption = None,
    policy: Annotated[
        list[str], typer.Option(metavar="POLICY", parser=known_policy, help="One to compare; repeatable.")
    ] = list(REPLAY.policies),  # noqa: B006
    refit: Annotated[
        Refits, typer.Option(help="By a probe on a checkpoint's embeddings, or by the whole pipeline.")
    ] = REPLAY.refit,
    labels: Annotated[Labels, typer.Option(help="When a window's labels come.")] = REPLAY.labels,
    every_days: EveryOption = None,
    cooldown_days: CooldownOption = None,
    tolerated_loss: LossOption = None,
    rule: RuleOption = None,
    price: PriceOption = None,
    revision: Annotated[str, typer.Option(help="Whose data, parameters and pipeline.")] = REPLAY.revision,
    output: Annotated[Path | None, file_option("The page; by default reports/backtest.html.")] = None,
    server: ServerOption = None,
    *,
    home: HomeOption,
) -> None:
    """Replay refit policies over the repository's history.

    Shows what each would have cost and brought. What is finished is kept, so an interrupted replay goes on. What no
    option says is as prefect.yaml has it for monitoring.
    """
    from datetime import UTC, datetime

    from flows.backtest import history
    from flows.backtest.flow import backtest
    from flows.machine.server import some_server
    from flows.schedule.by_hand import Declared, changed

    declared, prices = Declared.of(home), _prices(price or [])
    options = {"every_days": every_days, "cooldown_days": cooldown_days, "tolerated_loss": tolerated_loss, "rule": rule}
    for date in (since, until):
        history.optional_date(date)  # what is refused at once is so before a server starts
    print(f"replaying at {datetime.now(UTC):%H:%M} UTC; finished results are cached in {home.folder / 'backtests'}")
    with interruptible("what was finished is kept; run again to go on"), some_server():
        finish(
            backtest(
                str(home.origin),
                window=changed(declared.window, since=since, until=until, days=days),
                policy=changed(declared.policy, **options),
                replay=Replay(
                    policies=cast("list[RefitOn]", policy),
                    refit=refit,
                    labels=labels,
                    prices=prices,
                    revision=revision,
                ),
                output=str(output) if output else None,
                return_state=True,
            )
        )


def _prices(named: list[str]) -> Prices | None:
    """From ``name=amount``. UserError: another name, or no amount."""
    pairs = [one.partition("=") for one in named]
    try:
        values = {name: float(amount) for name, _, amount in pairs}
    except ValueError:
        raise UserError(f"--price {' '.join(named)}: write a name and an amount, as wrong_answer=0.5") from None
    return parse(Prices, values, "price", Path("command line")) if values else None


@commands.command(
    "drift-pages",
    rich_help_panel=PANEL,
    epilog=examples("drift-pages", "drift-pages --rebuild   # from the records first"),
)
def drift_pages(
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Make the pages anew from the records first.")] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of the pages' server.")] = 8000,
    *,
    home: HomeOption,
) -> None:
    """Open Evidently's pages of all windows, until Ctrl-C."""
    from flows.monitoring.drift_pages import serve_pages

    serve_pages(home, rebuild, port)
