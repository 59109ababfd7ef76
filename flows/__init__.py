"""Prefect: when the pipeline runs, in what order, and what a person sees of it.

DVC knows the stages and what has changed; nothing here declares them again.
"""

import logging
import os
import sys
from pathlib import Path

import tasks  # noqa: F401  (switches telemetry off, for DVC's children too)

# Prefect reads its settings once, when it is imported. They are defaults: whoever sets one keeps it.
for _setting, _value in {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # 20 s, its own, is too short on a busy laptop
    "PREFECT_LOGGING_EXTRA_LOGGERS": "flows,tasks",  # what they log inside a run stands on Prefect's page
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",  # ... and outside of one is for the terminal alone
}.items():
    os.environ.setdefault(_setting, _value)
for _name in ("flows", "tasks"):
    logging.getLogger(_name).setLevel(logging.INFO)

# `python` in dvc.yaml is the one that runs the flow, whether or not its environment is activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
