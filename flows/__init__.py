"""Prefect: when the pipeline runs, in what order, and what a person sees of it.

DVC knows the stages and what has changed; nothing here declares them again.
"""

import logging
import os
import sys
from pathlib import Path

import driftline_login
import tasks  # noqa: F401  (switches telemetry off, for DVC's children too)
from flows.logs import clean

# Prefect reads its settings once, when it is imported. They are defaults: whoever sets one keeps it.
SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",  # Prefect's own temporary server asks nobody for a login
    "PREFECT_LOGGING_EXTRA_LOGGERS": "flows,tasks",  # what they log inside a run stands on Prefect's page
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",  # ... and outside of one is for the terminal alone
}
for _setting, _value in SETTINGS.items():
    os.environ.setdefault(_setting, _value)
os.environ.update(driftline_login.direct())
for _name in ("DIR", "WORK_TREE", "INDEX_FILE", "COMMON_DIR", "OBJECT_DIRECTORY", "PREFIX"):
    os.environ.pop(f"GIT_{_name}", None)  # of the repository whose hook starts this; each call of git names its own
clean()
for _name in ("flows", "tasks"):
    logging.getLogger(_name).setLevel(logging.INFO)

# `python` in dvc.yaml is the one that runs the flow, whether or not its environment is activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
