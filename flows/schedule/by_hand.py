"""Where a run by hand starts from: what ``prefect.yaml`` gives the deployment of monitoring, changed by options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from flows.machine.home import Home
from flows.parameters import Limits, Policy, Publish, Window
from tasks.core.params import Section, parse

ENTRYPOINT = "flows/monitoring/flow.py:monitoring"
COMMAND_LINE = Path("command line")
S = TypeVar("S", bound=Section)


@dataclass(frozen=True)
class Declared:
    """What the deployment of monitoring gives its flow; the flow's own defaults where nothing is declared."""

    window: Window
    policy: Policy
    to_label: int
    limits: Limits
    publish: Publish

    @classmethod
    def of(cls, home: Home) -> Declared:
        """Of a repository. UserError: its ``prefect.yaml`` is not understood."""
        from flows.monitoring.flow import monitoring
        from flows.schedule.deployments import parameters

        found = parameters(home, monitoring, ENTRYPOINT)
        return cls(**{name: getattr(found, name) for name in cls.__dataclass_fields__})


def changed(group: S, **options: Any) -> S:
    """The group with the options that were named, those that are not None, in the place of its own values."""
    named = {name: value for name, value in options.items() if value is not None}
    return parse(type(group), {**group.model_dump(), **named}, type(group).__name__.lower(), COMMAND_LINE)
