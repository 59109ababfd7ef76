"""Options of earlier releases, and what took their place."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tasks.core.cli import REFUSED

NOW = {
    "serve": {
        "--train": "the schedules of the deployment training in prefect.yaml",
        "--watch": "the schedules of the deployment monitoring in prefect.yaml",
        "--verify": "the schedules of the deployment rebuild in prefect.yaml",
        "--policy": "parameters.policy.refit_on of the deployment monitoring in prefect.yaml",
        "--act": "parameters.policy.action of the deployment monitoring in prefect.yaml",
        "--revision": "parameters.revision of the deployment training in prefect.yaml",
        "--overlap": "parameters.limits.overlap in prefect.yaml",
        "--keep-clones": "parameters.limits.keep_clones in prefect.yaml",
        "--upstream": "parameters.publish.upstream in prefect.yaml",
        "--notify": "parameters.publish.notify in prefect.yaml",
    },
    "monitor": {
        "--act": "--action",
        "--most-loss": "--tolerated-loss",
        "--max-loss": "--tolerated-loss",
        "--upstream": "--push",
    },
    "backtest": {
        "--policies": "--policy, repeated for each policy",
        "--most-loss": "--tolerated-loss",
        "--max-loss": "--tolerated-loss",
    },
}
"""By command of ``driftline``."""


def refuse_earlier(command: str, words: Sequence[str]) -> None:
    """End with exit code 2 and the name of today when one of the words is an option of an earlier release."""
    renamed = NOW.get(command, {})
    for option in (word.partition("=")[0] for word in words):
        if option in renamed:
            print(f"error: {option} is now {renamed[option]}", file=sys.stderr)
            sys.exit(REFUSED)
