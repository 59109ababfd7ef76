"""What flows and tasks log: without secrets, every sign visible. Inside a run, Prefect prints and keeps it."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Any

from tasks.core.shown import message, one_line

CLEANED = ("flows", "tasks", "prefect")
"""Whose messages hold values that come from elsewhere."""


class _Record(logging.LogRecord):
    """A message as it may be shown; the values it is made of cannot end its line."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.name.partition(".")[0] not in CLEANED:
            return
        self.msg = message(str(self.msg))
        if isinstance(self.args, tuple):
            self.args = tuple(one if isinstance(one, int | float | None) else one_line(str(one)) for one in self.args)
        if self.exc_info and not self.exc_info[1]:
            self.exc_info = None  # Prefect's engine logs a failed state so; it would print "NoneType: None"
        elif self.exc_info:
            self.exc_text = message("".join(traceback.format_exception(self.exc_info[1])).rstrip())


def clean() -> None:
    """Let every message of this process be one that may be shown."""
    logging.setLogRecordFactory(_Record)


def log_to_stdout() -> None:
    """Print the messages as they are on standard output."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    for name in ("flows", "tasks"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
