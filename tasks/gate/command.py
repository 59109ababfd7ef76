"""Compare two tables of predictions: ``driftline gate``, or ``python -m tasks.gate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tasks.core.cli import file_option, from_caller
from tasks.gate import Rule

KINDS = "csv, tsv, jsonl or parquet"


def gate(
    champion: Annotated[Path, file_option(f"Its predictions: {KINDS}.")],
    challenger: Annotated[Path, file_option(f"Its predictions: {KINDS}.")],
    output: Annotated[Path, file_option("Where the verdict goes, as JSON.")],
    truth: Annotated[Path | None, file_option("A table of id and label, if neither table has the labels.")] = None,
    rule: Annotated[Rule | None, typer.Option(help="Used in place of gate.rule.")] = None,
    earlier: Annotated[list[Path] | None, file_option("Earlier verdicts, to count the reuse of the test rows.")] = None,
    # of --earlier old/*.json the shell makes one option and arguments
    more: Annotated[list[Path] | None, typer.Argument(hidden=True, parser=from_caller)] = None,
) -> None:
    """Judge a challenger's predictions against a champion's.

    Both are of the same rows. The exit code is 0 whatever the verdict.
    """
    from tasks.gate.__main__ import compare

    compare(champion, challenger, output, truth, rule, [*(earlier or []), *(more or [])])
