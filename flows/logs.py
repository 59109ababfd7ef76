"""What flows and tasks log: without secrets, every sign visible. Inside a run, Prefect prints and keeps it."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Any

from tasks.core.shown import message, one_line

SAID = ("FailedRun", "CrashedRun", "CancelledRun")
"""What Prefect's engine raises at the end of a run whose state has said why: no bug, and no traceback."""
EXPECTED = "No file hash info found for"
"""How DVC warns of each output that a new clone has not made yet."""
TASK_LOG, FINISHED = "prefect.task_runs", "Finished in state Failed"
"""Prefect's engine logs a failed task's message in a line before this one; here it would be the second time."""
CLEANED = ("flows", "tasks", "prefect")
"""Whose messages hold values that come from elsewhere."""


class _Record(logging.LogRecord):
    """A message as it may be shown; the values it is made of cannot end its line."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.name.partition(".")[0] not in CLEANED:
            return
        again = self.name == TASK_LOG and str(self.msg).startswith(FINISHED)
        self.msg = FINISHED if again else message(str(self.msg))
        if isinstance(self.args, tuple):
            self.args = tuple(one if isinstance(one, int | float | None) else one_line(str(one)) for one in self.args)
        error = self.exc_info[1] if self.exc_info else None
        if type(error).__name__ in SAID:
            self.msg = "the run has ended, as its state says"
        if type(error).__name__ in (*SAID, "NoneType"):
            self.exc_info = None  # Prefect's engine logs a failed task so, too; it would print "NoneType: None"
        elif self.exc_info:
            self.exc_text = message("".join(traceback.format_exception(self.exc_info[1])).rstrip())


def clean() -> None:
    """Let every message of this process be one that may be shown."""
    logging.setLogRecordFactory(_Record)
    logging.getLogger("dvc_data.index.checkout").addFilter(lambda said: not str(said.msg).startswith(EXPECTED))


def log_to_stdout() -> None:
    """Print the messages as they are on standard output."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    for name in ("flows", "tasks"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
