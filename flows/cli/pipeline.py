"""The pipeline in this working tree."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from flows.cli.options import examples, interruptible
from flows.pipeline import guard
from tasks.core.cli import FAILED
from tasks.land.command import land

PANEL = "The pipeline, in this folder"
commands = typer.Typer()


@commands.command(
    rich_help_panel=PANEL,
    epilog=examples("run            # everything that has changed", "run finetune   # this stage and what it needs"),
)
def run(
    stages: Annotated[list[str] | None, typer.Argument(metavar="STAGE", help="As in dvc.yaml; all by default.")] = None,
) -> None:
    """Bring the pipeline up to date: `dvc repro`, then `report`.

    Ctrl-C stops the running stage; the next run goes on from there.
    """
    running = guard.start([sys.executable, "-m", "dvc", "repro", *(stages or [])])
    with interruptible("the running stage was stopped; run again to go on"):
        try:
            running.wait()
        finally:
            guard.stop(running)
    if running.returncode:
        raise typer.Exit(FAILED)
    if not stages:
        report()


@commands.command(rich_help_panel=PANEL, epilog=examples("trial", "trial --rows 1000"))
def trial(rows: Annotated[int, typer.Option(min=20, help="About how many.")] = 200) -> None:
    """Run the whole pipeline on few rows, in the folder .trial."""
    from flows.start.trial import trial

    tried = trial(rows)
    for stage in tried.skipped:
        print(f"{stage} was left out: its command is no `python -m ...`")
    print(f"the pipeline runs on {tried.rows} rows, {tried.seconds:.0f} s; how good a model of so few is says little")
    print(f"report: {tried.page}    next: driftline run")


@commands.command(rich_help_panel=PANEL, epilog=examples("report", "report --open   # in the browser"))
def report(
    open: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Say how good the model is and whether there is drift."""
    from pathlib import Path

    from tasks.report import INDEX, inputs
    from tasks.report.closing_summary import closing_lines

    print("\n".join(closing_lines(inputs.read_inputs())))
    if open:
        typer.launch(Path(INDEX).absolute().as_uri())


commands.command(
    rich_help_panel=PANEL,
    epilog=examples(
        "land                     # every source of landing.yaml",
        "land tickets --dry-run   # say what would land, and land nothing",
        "land tickets --full      # read every row again, and land those that the cursor passed by",
    ),
)(land)


@commands.command(rich_help_panel=PANEL, epilog=examples("preset       # which there are", "preset gpu"))
def preset(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A file of presets/, without its ending.")] = None,
) -> None:
    """Change params.yaml as a preset says, or list the presets."""
    from tasks.preset import PRESETS, apply, names

    if name is None:
        print("\n".join(names()))
        return
    print("\n".join(apply(PRESETS / f"{name}.yaml") or ["nothing to change"]))


@commands.command(rich_help_panel=PANEL, epilog=examples("environment   # `make lock` does it"))
def environment() -> None:
    """Write environment.json from requirements.lock.

    It holds the versions whose change makes stages stale.
    """
    from tasks.environment import write

    write()
