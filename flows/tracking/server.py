"""MLflow's tracking server and registry, as far as they are used here. The one module that imports MLflow."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from flows.tracking import model_folder, require_mlflow
from flows.tracking.entry import COMMIT, RUN, Entry

CHAMPION = "champion"
"""The alias of the version in production: ``models:/mails@champion``."""
VERSION = "driftline.version"
COMPLETE, MODEL = "driftline.complete", "driftline.model"
"""Tags written last: all of the run is there; its model is."""
PARTS = 100  # parameters or tags in one request
SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""Defaults: a server that is away holds no run up for MLflow's own ten minutes. Whoever sets one keeps it."""


class Tracking(Protocol):
    """Where entries go; each call may be made again."""

    def record(self, experiment: str, entry: Entry, artifacts: Path) -> str:
        """Log the run unless it is there: its id there. ``artifacts``: a folder, all of which is uploaded."""

    def add_model(self, run: str, classifier: Path) -> None:
        """Log the classifier with the run."""

    def has_model(self, run: str) -> bool:
        """Whether the run has one."""

    def promote(self, name: str, run: str, version: str, commit: str) -> None:
        """Make the run's model a version of the registered model, unless it is one, and the champion."""


class Mlflow:
    """A tracking server by its address. UserError where MLflow is not installed; raises what MLflow raises."""

    def __init__(self, uri: str) -> None:
        require_mlflow()
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        self.client: Any = MlflowClient(tracking_uri=uri, registry_uri=uri)

    def record(self, experiment: str, entry: Entry, artifacts: Path) -> str:
        found = self._find(self._experiment(experiment), entry)
        run, tags = found.info.run_id, found.data.tags
        if COMPLETE not in tags:
            self._log(run, entry)
            self.client.log_artifacts(run, str(artifacts))
            self.client.set_tag(run, COMPLETE, "true")
            self.client.set_terminated(run, "FINISHED", _milliseconds(entry.ended))
        return str(run)

    def _experiment(self, name: str) -> str:
        found = self.client.get_experiment_by_name(name)
        return str(found.experiment_id if found else self.client.create_experiment(name))

    def _find(self, experiment: str, entry: Entry) -> Any:
        """The run that an earlier try left, whole or not, or a new one."""
        asked = f"tags.`{RUN}` = '{entry.name}'"
        found = self.client.search_runs([experiment], filter_string=asked, max_results=1)
        if found:
            return found[0]
        tags = {RUN: entry.name}
        return self.client.create_run(experiment, _milliseconds(entry.started), tags, run_name=entry.name)

    def _log(self, run: str, entry: Entry) -> None:
        from mlflow.entities import Metric, Param, RunTag

        at = _milliseconds(entry.ended)
        self.client.log_batch(run, metrics=[Metric(key, value, at, 0) for key, value in entry.metrics.items()])
        for kind, make, values in (("params", Param, entry.params), ("tags", RunTag, entry.tags)):
            for part in _parts(values):
                self.client.log_batch(run, **{kind: [make(key, value) for key, value in part.items()]})

    def has_model(self, run: str) -> bool:
        return MODEL in self.client.get_run(run).data.tags

    def add_model(self, run: str, classifier: Path) -> None:
        from mlflow.version import VERSION as MLFLOW

        ended = self.client.get_run(run).info.end_time
        with tempfile.TemporaryDirectory() as made:
            model_folder.write(classifier, Path(made) / "model", run, uuid.uuid4().hex, MLFLOW, _written(ended))
            self.client.log_artifacts(run, made)
        self.client.set_tag(run, MODEL, "model")

    def promote(self, name: str, run: str, version: str, commit: str) -> None:
        if not self.client.search_registered_models(filter_string=f"name = '{name}'"):
            self.client.create_registered_model(name)
        known = self.client.search_model_versions(f"name = '{name}'")
        found = next((one for one in known if one.tags.get(COMMIT) == commit), None)
        if found is None:
            source = f"{self.client.get_run(run).info.artifact_uri}/model"
            found = self.client.create_model_version(name, source, run, tags={COMMIT: commit, VERSION: version})
        self.client.set_registered_model_alias(name, CHAMPION, found.version)


def _parts(values: Mapping[str, str]) -> list[dict[str, str]]:
    items = list(values.items())
    return [dict(items[start : start + PARTS]) for start in range(0, len(items), PARTS)]


def _milliseconds(moment: Any) -> int:
    return int(moment.timestamp() * 1000)


def _written(milliseconds: int) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S.%f}"
