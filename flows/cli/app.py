"""All commands of ``driftline``, and how it starts: ``driftline.py`` calls ``run``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from flows.cli import operations, pipeline, production, rows, watching
from flows.cli.earlier_options import refuse_earlier
from flows.machine.version import version as driftline_version
from tasks.core.cli import CALLER_FOLDER, exit_code

GROUPS = (pipeline, watching, production, operations, rows)
LONGEST = 1000  # characters of a first sentence
EXIT_CODES = "Exit codes: 0 done; 1 the work failed, or the answer is no; 2 refused or misspelt; 130, 143 interrupted."


class Grouped(TyperGroup):
    """Lists its commands under the headings of their files."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Every command with the first sentence of its help."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            panel = getattr(command, "rich_help_panel", None) or "Commands"
            panels.setdefault(panel, []).append((name, command.get_short_help_str(LONGEST)))
        width = max(map(len, self.commands))
        for title, listed in panels.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:<{width}}", about) for name, about in listed])


def application() -> typer.Typer:
    """The command with all its subcommands."""
    app = typer.Typer(
        cls=Grouped,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        epilog=EXIT_CODES,
        context_settings={"max_content_width": 120},
    )
    app.callback(invoke_without_command=True)(overview)
    for group in GROUPS:
        app.add_typer(group.commands)
    return app


def overview(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version of this repository.")] = False,
) -> None:
    """Keep a classifier true: train, judge, watch and retrain it. Runs the code of the repository it is in."""
    if version:
        print(f"driftline {driftline_version()}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


def run(folder: Path) -> NoReturn:
    """Do what the command line says and exit; the working folder is the top, ``folder`` where the caller is."""
    if folder != Path.cwd():
        CALLER_FOLDER.set(folder)
    if len(sys.argv) > 1:
        refuse_earlier(sys.argv[1], sys.argv[2:])
    sys.exit(exit_code(application(), program="driftline"))
