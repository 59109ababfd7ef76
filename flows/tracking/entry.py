"""What MLflow is told of a run: its parameters, figures and tags. Pure; nothing of MLflow's is imported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flows.machine.git import git
from flows.runs.run import Run
from tasks.core.errors import UserError

NAME = re.compile(r"[^\w\-. :/]")
"""What MLflow takes in no name."""
LONGEST = 500
"""Characters of a value."""
RUN = "driftline.run"
"""The tag by which a run is found again."""
COMMIT = "driftline.commit"
"""The tag of a run and of a version: what git knows the model by."""


@dataclass(frozen=True)
class Entry:
    """A run, as MLflow holds it."""

    name: str
    started: datetime
    ended: datetime
    params: Mapping[str, str]
    """Every key of ``params.yaml`` by its dotted path."""
    metrics: Mapping[str, float]
    """Those of ``metrics/summary.json``; of a watched window its rows and measured accuracy too."""
    tags: Mapping[str, str]


def entry_of(run: Run) -> Entry:
    """Of a run on record, or of a commit that no run made: then its times are the commit's."""
    assert run.experiment
    if run.record:
        started, ended = run.record.started, run.record.ended
    else:
        second = int(git(run.home.origin, "show", "--no-patch", "--format=%ct", run.experiment.commit))
        started = ended = datetime.fromtimestamp(second, UTC)
    params = {NAME.sub("_", key): _cut(value) for key, value in _leaves(run.params)}
    return Entry(run.name, started, ended, params, dict(_metrics(run)), {key: _cut(value) for key, value in _tags(run)})


def _leaves(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _cut(value: object) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _metrics(run: Run) -> Iterator[tuple[str, float]]:
    summary = run.metrics.get("summary") or {}
    yield from ((key, float(value)) for key, value in summary.items() if value is not None)
    if run.watched:
        yield "window_rows", float(run.watched.rows)
        if measured := run.watched.measured:
            low, high = measured.interval
            yield from (("window_accuracy", measured.accuracy), ("window_labelled", float(measured.rows)))
            yield from (("window_accuracy_low", low), ("window_accuracy_high", high))


def _tags(run: Run) -> Iterator[tuple[str, object]]:
    assert run.experiment
    yield RUN, run.name
    yield COMMIT, run.experiment.commit
    yield "mlflow.source.type", "PROJECT"
    yield "mlflow.source.name", run.home.name
    yield "mlflow.source.git.commit", run.experiment.baseline
    yield "driftline.repository", run.home.origin
    if run.record:
        yield "driftline.flow", run.record.flow
        yield "driftline.version", run.record.driftline or ""
    if run.watched:
        yield "driftline.window", run.watched.window or "undated"
        yield "driftline.champion", run.watched.champion
    try:
        yield "driftline.verdict", run.verdict
    except (UserError, KeyError):  # a run of some stages, or figures of an earlier release
        return
