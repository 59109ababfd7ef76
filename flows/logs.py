"""What flows and tasks log, for commands that run no flow: inside a run, Prefect prints it and keeps it."""

from __future__ import annotations

import logging
import sys


def log_to_stdout() -> None:
    """Print the messages as they are on standard output."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    for name in ("flows", "tasks"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
