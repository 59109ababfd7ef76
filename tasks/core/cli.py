"""What every stage's ``main()`` has in common: how it is started and how it fails."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable
from typing import NoReturn

from tasks.core.errors import UserError
from tasks.core.paths import WINDOWS, Window


def run(main: Callable[[], None]) -> NoReturn:
    """Run a stage's ``main`` and exit: 0 when it is done, 2 with one message when the input is refused."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a sign must not fail the stage
    try:
        main()
    except UserError as refusal:
        print(f"error: {refusal}", file=sys.stderr, flush=True)
        sys.exit(2)
    sys.exit(0)


def window_argument(description: str | None) -> Window:
    """The window named on the command line by ``--window``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--window", required=True, choices=WINDOWS, help="which window to work on")
    name: Window = parser.parse_args().window
    return name
