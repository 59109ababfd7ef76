"""The page of all commands: what ``driftline COMMAND --help`` prints."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any
from unittest.mock import patch

import typer

from flows.cli import app

WIDTH = "100"
INTRODUCTION = """# Every command

What `driftline COMMAND --help` prints. Every command runs the code of the repository that you stand in; relative files
count from where you stand.
"""


def page() -> str:
    """The page, as Markdown."""
    parts, panel, driftline = [INTRODUCTION, f"{app.EXIT_CODES}\n"], "", root()
    for name, command in driftline.commands.items():
        if (its := command.rich_help_panel) != panel:
            panel = its
            parts.append(f"## {panel}\n")
        for words in _words(name, command):
            parts += [f"### driftline {' '.join(words)}\n", "```text", _help(driftline, words), "```", ""]
    return "\n".join(parts)


def root() -> Any:
    """The command ``driftline`` as typer has it."""
    return typer.main.get_command(app.application())


def _words(name: str, command: Any) -> Iterator[list[str]]:
    """What is typed: ``quarantine release`` of a group."""
    yield from ([name, one] for one in command.commands) if hasattr(command, "commands") else [[name]]


def _help(driftline: Any, words: list[str]) -> str:
    said = io.StringIO()
    with patch.dict(os.environ, {"COLUMNS": WIDTH}), redirect_stdout(said):
        driftline.main([*words, "--help"], "driftline", standalone_mode=False)
    return said.getvalue().rstrip()
