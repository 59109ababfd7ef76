"""What runs are called."""

from __future__ import annotations

from prefect import runtime


def run_name(kind: str) -> str:
    """``training-20261123-183000-3f2a``: what was run, when it was due, and the end of Prefect's id.

    Its beginning is a time, which two runs may share.
    """
    due, key = runtime.flow_run.scheduled_start_time, runtime.flow_run.id
    return f"{kind}-{due:%Y%m%d-%H%M%S}-{str(key)[-4:]}"
