"""Runs and the champion reach MLflow once, in order, whatever the server does; no run fails for it."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

import flows.tracking
from flows.champion import registry
from flows.machine.git import git
from flows.pipeline.result import Result
from flows.runs import Run, record, workspace
from flows.runs.publish import publish_record, refuse_secrets
from flows.runs.record import RunInfo
from flows.tracking import queue
from flows.tracking.entry import LONGEST, entry_of
from tasks.core import extras, paths
from tasks.core.errors import UserError
from tasks.core.files import write_json
from tests.flows.monitoring.test_watch import CHAMPION, watched

URI = "http://mlflow.example:5000"
PREFECT = """deployments:
- name: training
  entrypoint: flows/scheduled_training.py:scheduled_training
  parameters: {{publish: {{mlflow: {uri}}}}}
"""


class Server:
    """What a tracking server would hold, or no answer."""

    def __init__(self):
        self.away, self.runs, self.models, self.versions, self.champion = False, {}, {}, [], None

    def connect(self, uri):
        assert uri == URI
        if self.away:
            raise ConnectionError("Max retries exceeded with url: /api")
        return self

    def record(self, experiment, entry, artifacts):
        files = sorted(str(file.relative_to(artifacts)) for file in artifacts.rglob("*") if file.is_file())
        self.runs.setdefault(entry.name, SimpleNamespace(experiment=experiment, entry=entry, files=files))
        return entry.name

    def has_model(self, run):
        return run in self.models

    def add_model(self, run, classifier):
        self.models[run] = sorted(file.name for file in classifier.iterdir())

    def promote(self, name, run, version, commit):
        self.versions += [commit] * (commit not in self.versions)
        self.champion = run


@pytest.fixture
def server():
    return Server()


def a_run(home, name, *, stages=(), seen=None):
    """A run on record, and its clone with a model and a page."""
    write_json({"macro_f1": 0.9, "log_loss": None}, home.origin / paths.METRICS / "summary.json")
    git(home.origin, "add", "-A")
    git(home.origin, "commit", "--allow-empty", "-qm", name)
    info = RunInfo(name, "scheduled-training", home.origin, record.now())
    found = record.describe(home.origin, info, "completed", [Result(one, "ran", "", 1.0) for one in stages], seen)
    saved = record.save_without_clone(home.origin, found)
    clone = home.clone_of(name)
    for file in (paths.CLASSIFIER / "config.json", paths.REPORTS / "index.html"):
        (clone / file).parent.mkdir(parents=True, exist_ok=True)
        (clone / file).write_text("{}")
    return saved


def test_a_run_is_sent_with_its_figures_files_and_model(deployed, server):
    saved = a_run(deployed, "run-1", stages=["finetune"])
    queue.export(deployed, "run-1", URI, server.connect)
    found = server.runs["run-1"]
    assert found.experiment == deployed.name
    assert found.entry.metrics == {"macro_f1": 0.9} and found.entry.params == {"first.word": "red"}
    assert found.entry.tags["driftline.commit"] == saved.commit
    assert found.entry.tags["mlflow.source.git.commit"] == saved.baseline
    assert found.files == ["metrics/summary.json", "reports/index.html"]
    assert server.models == {"run-1": ["config.json"]} and not queue.waiting(deployed)


def test_only_what_was_trained_brings_a_model(deployed, server):
    a_run(deployed, "run-1", stages=["report"])
    queue.export(deployed, "run-1", URI, server.connect)
    assert server.runs and not server.models


def test_without_the_key_nothing_is_kept(deployed, server):
    a_run(deployed, "run-1")
    queue.export(deployed, "run-1", None, server.connect)
    queue.promoted(deployed, server.connect)
    assert not queue.waiting(deployed) and not server.runs


@pytest.mark.proof
def test_a_server_that_is_away_costs_a_line_and_gets_all_at_the_next_run(deployed, server, caplog):
    server.away = True
    with caplog.at_level(logging.WARNING, "flows"):
        for number in (1, 2):
            a_run(deployed, f"run-{number}")
            queue.export(deployed, f"run-{number}", URI, server.connect)
    lines = [one.getMessage() for one in caplog.records]
    assert lines[-1] == f"2 for MLflow at {URI} wait for the next run: Max retries exceeded with url: /api"
    server.away = False
    a_run(deployed, "run-3")
    queue.export(deployed, "run-3", URI, server.connect)
    assert list(server.runs) == ["run-1", "run-2", "run-3"] and not queue.waiting(deployed)


@pytest.mark.proof
def test_a_run_whose_record_is_gone_holds_no_other_up(deployed, server, caplog):
    server.away = True
    saved = a_run(deployed, "run-1")
    queue.export(deployed, "run-1", URI, server.connect)
    record.forget(deployed.origin, saved)
    server.away = False
    a_run(deployed, "run-2")
    queue.export(deployed, "run-2", URI, server.connect)
    assert list(server.runs) == ["run-2"] and "run-1 is not sent to MLflow" in caplog.text


@pytest.mark.proof
def test_a_run_whose_figures_cannot_be_read_holds_no_other_up(deployed, server, caplog):
    (deployed.origin / paths.METRICS).mkdir()
    (deployed.origin / paths.METRICS / "last.json").write_text("no JSON")
    a_run(deployed, "run-1")
    queue.export(deployed, "run-1", URI, server.connect)
    (deployed.origin / paths.METRICS / "last.json").write_text("{}")
    a_run(deployed, "run-2")
    queue.export(deployed, "run-2", URI, server.connect)
    assert list(server.runs) == ["run-2"] and "last.json of run-1 is no JSON object" in caplog.text


@pytest.mark.slow  # GTO's tags
def test_a_promotion_makes_a_version_and_a_rollback_none(deployed, server, monkeypatch):
    @contextmanager
    def model(home, champion):
        yield home.clone_of("run-1") / paths.CLASSIFIER

    monkeypatch.setattr(queue, "_model_of", model)
    first, second = (a_run(deployed, f"run-{number}") for number in (1, 2))
    (deployed.origin / "prefect.yaml").write_text(PREFECT.format(uri=f"'{URI}'"))
    for commit in (first.commit, second.commit, first.commit):
        registry.set_champion(deployed.origin, commit, "x")
        queue.promoted(deployed, server.connect)
    assert server.versions == [first.commit, second.commit] and server.champion == "run-1"
    assert set(server.models) == {"run-1", "run-2"} and not queue.waiting(deployed)


def test_the_champions_server_is_that_of_prefect_yaml(deployed, monkeypatch):
    file = deployed.origin / "prefect.yaml"
    assert queue.named(deployed) is None
    file.write_text(PREFECT.format(uri="null"))
    assert queue.named(deployed) is None
    monkeypatch.setenv("MLFLOW_HERE", URI)
    file.write_text(PREFECT.format(uri="'{{ $MLFLOW_HERE }}'"))
    assert queue.named(deployed) == URI


def test_an_entry_of_a_window_tells_of_it_and_long_values_are_cut(deployed):
    (deployed.origin / paths.PARAMS).write_text(json.dumps({"first": {"wo(rd": "x" * 999}}))
    a_run(deployed, "run-1", seen=watched(1, CHAMPION))
    found = entry_of(Run.load(deployed.origin, "run-1"))
    assert found.tags["driftline.window"] == "2026-01-01 to 2026-01-02" and found.metrics["window_rows"] == 1
    assert found.tags["driftline.verdict"].endswith("as before")
    assert {key: len(value) for key, value in found.params.items()} == {"first.wo_rd": LONGEST}


def test_without_mlflow_a_run_is_refused_before_it_trains_and_later_only_told(deployed, monkeypatch, caplog):
    monkeypatch.setattr(extras, "has_package", lambda module: False)
    with pytest.raises(UserError, match=r"mlflow is not installed: run `pip install .* '\.\[mlflow\]'`"):
        refuse_secrets(deployed, None, URI)
    refuse_secrets(deployed, None)
    a_run(deployed, "run-1")
    queue.export(deployed, "run-1", URI)
    assert "mlflow is not installed" in caplog.text and len(queue.waiting(deployed)) == 1


def test_a_password_in_the_address_is_refused(deployed, monkeypatch):
    monkeypatch.setattr(extras, "has_package", lambda module: True)
    with pytest.raises(UserError, match=r"publish\.mlflow has a password"):
        refuse_secrets(deployed, None, "https://me:secret@mlflow.example")
    assert flows.tracking.require_mlflow() is None


@pytest.mark.proof
@pytest.mark.parametrize(("outcome", "sent"), [("completed", ["run-1"]), ("failed: no", [])])
def test_whoever_publishes_a_record_of_a_run_that_ended_well_exports_it(deployed, monkeypatch, outcome, sent):
    found = []
    monkeypatch.setattr(queue, "export", lambda home, name, uri: found.append((name, uri)))
    clone = workspace.clone(deployed, git(deployed.origin, "rev-parse", "HEAD"), deployed.clones / "run-1")
    info = RunInfo("run-1", "scheduled-training", deployed.origin, record.now())
    saved = record.save(clone, record.describe(clone, info, outcome))
    publish_record(deployed, clone, saved, None, URI)
    assert found == [(name, URI) for name in sent]


def test_an_unreadable_prefect_yaml_fails_no_promotion(deployed, server, caplog):
    (deployed.origin / "prefect.yaml").write_text("deployments: [{parameters: {publish: {mlflow: a: b}}}]")
    queue.promoted(deployed, server.connect)
    assert "MLflow is not told of the champion" in caplog.text and not queue.waiting(deployed)
