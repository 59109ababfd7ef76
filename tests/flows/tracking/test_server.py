"""What a real MLflow holds of a run and of the champion: on its file store, and on a server of its own by HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from flows.machine.git import git
from flows.parameters import Publish
from flows.runs import Run, record
from flows.scheduled_training import scheduled_training
from flows.tracking import queue
from flows.tracking.entry import entry_of
from flows.tracking.server import CHAMPION, Mlflow
from tasks.core import paths
from tests.flows.tracking.test_queue import a_run
from tests.support import tiny_checkpoint
from tests.support.processes import free_port, wait_for

pytestmark = pytest.mark.skipif(not find_spec("mlflow"), reason="the extra mlflow is not installed")
TEXTS = ["win a free prize now", "the meeting is on monday"]


@pytest.fixture
def classifier(tmp_path):
    folder = tmp_path / "models" / "classifier"
    base = tiny_checkpoint.make(tmp_path / "base")
    labels = {"num_labels": 2, "id2label": {0: "ham", 1: "spam"}, "label2id": {"ham": 0, "spam": 1}}
    AutoModelForSequenceClassification.from_pretrained(base, **labels).save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder


@pytest.fixture
def store(tmp_path, monkeypatch):
    """MLflow's files, of which it says that they will be no more."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return (tmp_path / "mlruns").as_uri()


@pytest.fixture
def server(tmp_path):
    """A server on loopback, its database and files in a folder of the test's."""
    if not find_spec("mlflow.server.handlers") or not find_spec("graphene"):
        pytest.skip("MLflow's server is not installed: the extra mlflow brings its client alone")
    port = free_port()
    where = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    kept = ["--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db", "--artifacts-destination", f"{tmp_path}/files"]
    log = (tmp_path / "mlflow.log").open("w")
    command = [sys.executable, "-m", "mlflow", "server", *where, *kept]
    around = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(command, cwd=tmp_path, env=around, stdout=log, stderr=log)
    try:
        wait_for(lambda: answers(port) or process.poll() is not None, 300)
        assert process.poll() is None, (tmp_path / "mlflow.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)
        log.close()


def answers(port):
    import httpx

    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).text == "OK"
    except httpx.HTTPError:
        return False


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of MLflow's own
def test_the_file_store_holds_the_run_and_the_champion(deployed, classifier, store, tmp_path):
    holds_run_and_champion(deployed, classifier, store, tmp_path)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_a_server_holds_the_run_and_the_champion(deployed, classifier, server, tmp_path):
    holds_run_and_champion(deployed, classifier, server, tmp_path)


def holds_run_and_champion(home, classifier, uri, tmp_path):
    import mlflow

    saved = a_run(home, "run-1")
    entry, artifacts = entry_of(Run.load(home.origin, "run-1")), tmp_path / "artifacts"
    (artifacts / paths.METRICS).mkdir(parents=True)
    (artifacts / paths.METRICS / "summary.json").write_text("{}")
    tracking = Mlflow(uri)
    run = tracking.record("mails", entry, artifacts)
    assert tracking.record("mails", entry, artifacts) == run  # again changes nothing
    held = tracking.client.get_run(run)
    assert held.info.status == "FINISHED" and held.info.run_name == "run-1"
    assert held.data.params == dict(entry.params) and held.data.metrics == dict(entry.metrics)
    assert held.data.tags.items() >= entry.tags.items()
    listed = [one.path for one in tracking.client.list_artifacts(run, "metrics")]
    assert listed == ["metrics/summary.json"]

    assert not tracking.has_model(run)
    tracking.add_model(run, classifier)
    assert tracking.has_model(run)
    for _ in range(2):
        tracking.promote("mails", run, "v0.0.1", saved.commit)
    (version,) = tracking.client.search_model_versions("name = 'mails'")
    assert version.run_id == run and version.tags["driftline.commit"] == saved.commit
    assert tracking.client.get_model_version_by_alias("mails", CHAMPION).version == version.version
    second = tracking.record("mails", entry_of(Run.load(home.origin, a_run(home, "run-2").commit)), artifacts)
    tracking.add_model(second, classifier)
    tracking.promote("mails", second, "v0.0.2", "b" * 40)
    tracking.promote("mails", run, "v0.0.1", saved.commit)  # rolled back
    assert tracking.client.get_model_version_by_alias("mails", CHAMPION).version == version.version

    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    loaded = mlflow.pyfunc.load_model(f"models:/mails@{CHAMPION}")
    assert loaded.metadata.signature.inputs.input_names() == ["text"]
    found = loaded.predict(pd.DataFrame({"text": TEXTS}))
    expected = pipeline("text-classification", str(classifier), truncation=True)(TEXTS)
    assert found.to_dict("records") == expected
    with pytest.raises(mlflow.exceptions.MlflowException, match="schema"):
        loaded.predict(pd.DataFrame({"other": TEXTS}))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_training_ends_well_while_the_server_is_away_and_is_sent_by_the_next(api, deployed, store):
    def train(uri):
        return scheduled_training(str(deployed.origin), publish=Publish(mlflow=uri), return_state=True)

    pipeline_of = deployed.origin / "dvc.yaml"  # its figures are no JSON
    made = "mkdir -p metrics && echo {} > metrics/last.json"
    pipeline_of.write_text(pipeline_of.read_text().replace("python step.py metrics/last.json second.txt", made))
    git(deployed.origin, "commit", "-qam", "figures")
    state = train(f"http://127.0.0.1:{free_port()}")
    assert state.is_completed(), state.message
    assert len(queue.waiting(deployed)) == 1
    assert train(store).is_completed() and not queue.waiting(deployed)
    client = Mlflow(store).client
    experiment = client.get_experiment_by_name(deployed.name)
    held = {one.info.run_name for one in client.search_runs([experiment.experiment_id])}
    assert held == {one.name for one in record.records(deployed.origin)} and len(held) == 2


def test_the_model_folder_is_loaded_by_transformers_too(classifier, tmp_path):
    from mlflow.models import Model

    from flows.tracking import model_folder

    model_folder.write(classifier, tmp_path / "made", "a" * 32, "b" * 32, "3.17.2", "2026-11-28 05:00:00.000000")
    described = Model.load(Path(tmp_path / "made"))
    assert described.signature.outputs.input_names() == ["label", "score"]
    assert pipeline("text-classification", str(tmp_path / "made" / model_folder.CLASSIFIER))(TEXTS)
