"""Promote, promote a worse one by force, roll back: on a small repository whose model is a file, by the file's hash."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from flows.champion import comparison, proposal, registry
from flows.champion.verdict import Verdict
from flows.machine.git import git
from flows.machine.home import Home
from flows.promotion import history
from flows.promotion import promotion as flow
from flows.tracking import queue
from tasks.core.errors import UserError
from tests.flows.tracking.test_queue import URI, Server
from tests.support.processes import IDENTITY

pytestmark = pytest.mark.slow
TOP = Path(__file__).parents[3]
WHOLE = """
artifacts:
  classifier: {path: models/classifier, type: model}
stages:
  make:
    cmd: python make.py
    deps: [model.yaml]
    outs: [models/classifier, data/splits, data/reference/scored.parquet]
    metrics: [metrics/evaluate.json: {cache: false}]
"""
SCORE = """
import argparse, pathlib
import pyarrow.parquet as pq
parser = argparse.ArgumentParser()
parser.add_argument("--input"), parser.add_argument("--output"), parser.add_argument("--precision")
given = parser.parse_args()
rows = pq.read_table(given.input)
wrong = int(pathlib.Path("models/classifier/weights.txt").read_text())
other = {"ham": "spam", "spam": "ham"}
said = [other[label] if i < wrong else label for i, label in enumerate(rows["label"].to_pylist())]
pq.write_table(rows.append_column("prediction", [said]), given.output)
"""
MAKE = """
import json, pathlib, subprocess, sys
import pyarrow as pa, pyarrow.parquet as pq
from ruamel.yaml import YAML
wrong = YAML(typ="safe").load(open("model.yaml"))["wrong"]
for folder in ("models/classifier", "data/splits", "data/reference", "metrics"):
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
pathlib.Path("models/classifier/weights.txt").write_text(str(wrong))
rows = {"id": [f"r{i:03}" for i in range(300)], "text": ["words"] * 300, "label": ["ham", "spam", "spam"] * 100}
pq.write_table(pa.table({**rows, "month": ["1", "2"] * 150}), "data/splits/test.parquet")
train = YAML(typ="safe").load(open("model.yaml")).get("train", [])
pq.write_table(pa.table({"id": pa.array([f"r{i:03}" for i in range(*train)], pa.string())}) if train else
               pa.table({"id": pa.array([], pa.string())}), "data/splits/train.parquet")
subprocess.run([sys.executable, "-m", "tasks.score", "--input", "data/splits/test.parquet",
                "--output", "data/reference/scored.parquet"], check=True)
scored = pq.read_table("data/reference/scored.parquet").select(["id", "prediction"])
pq.write_table(scored, "data/reference/scored.parquet")
intervals = {"macro_f1": [0.8, 0.9], "difference": [-0.1, 0.1 if wrong < 200 else -0.05]}
figures = {"rows": 300, "macro_f1": 0.85, "difference": 0.0, "baseline": {"macro_f1": 0.85}, "intervals": intervals}
json.dump(figures, open("metrics/evaluate.json", "w"))
"""


def run(folder, *command):
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def train(home, wrong, learnt=()):
    """Commit a model that errs in the first ``wrong`` rows, and learnt from the rows of a range: the commit."""
    where = home.origin
    (where / "model.yaml").write_text(f"wrong: {wrong}\n" + (f"train: {list(learnt)}\n" if learnt else ""))
    run(where, sys.executable, "-m", "dvc", "repro", "-q")
    run(where, "git", "add", "-A")
    run(where, "git", "commit", "-qm", f"{wrong} wrong")
    return git(where, "rev-parse", "HEAD")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The home of a repository with a model that errs 60 times."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "repository"
    (folder / "tasks" / "score").mkdir(parents=True)
    (folder / "tasks" / "__init__.py").touch()
    (folder / "tasks" / "score" / "__init__.py").touch()
    (folder / "tasks" / "score" / "__main__.py").write_text(SCORE)
    (folder / "make.py").write_text(MAKE)
    (folder / "dvc.yaml").write_text(WHOLE)
    (folder / "params.yaml").write_text("model: {name: x}\ngate: {slices: [month]}\n")
    (folder / ".gitignore").write_text("__pycache__\n")
    for command in ("git init -qb main", "dvc init -q", "dvc config core.analytics false"):
        run(folder, *command.split())
    home = Home.of(folder)
    train(home, 60)
    return home


def propose(home, revision="HEAD", promote=True, force=False, rule=None, remote=None):
    return proposal.propose(home, revision, promote, force, rule, remote)


def weights_in_production(home, folder):
    """The sha256 of the model that a clone at the champion's commit scores with."""
    found = registry.champion(home.origin)
    clone = comparison.clone_with(home, found.commit, folder / found.name, [Path("models/classifier")])
    return hashlib.sha256((clone / "models/classifier/weights.txt").read_bytes()).hexdigest()


def of(wrong):
    return hashlib.sha256(str(wrong).encode()).hexdigest()


@pytest.mark.proof
def test_promote_force_a_worse_one_and_roll_back(home, tmp_path):
    first = propose(home)
    assert "There is no champion yet" in first.words
    assert "macro-F1 0.850" in first.words
    assert weights_in_production(home, tmp_path) == of(60)

    train(home, 5)
    assert propose(home, promote=False).promoted is None
    assert weights_in_production(home, tmp_path) == of(60)
    better = propose(home)
    assert better.promoted.name == "v0.0.2"
    assert better.verdict.figures["champion"]["accuracy"] == 0.8
    assert better.verdict.figures["challenger"]["accuracy"] == pytest.approx(295 / 300, abs=1e-6)
    assert weights_in_production(home, tmp_path) == of(5)

    worse = train(home, 90)
    refused = propose(home)
    assert refused.promoted is None
    assert refused.verdict.figures["slices"]["worse"] == ["month = 1", "month = 2"]
    assert weights_in_production(home, tmp_path) == of(5)
    forced = propose(home, force=True)
    assert forced.promoted.commit == worse
    assert "promoted by force, against the verdict" in forced.words
    assert weights_in_production(home, tmp_path) == of(90)

    proposal.rollback(home, None, None)
    assert weights_in_production(home, tmp_path) == of(5)
    proposal.rollback(home, None, None)
    assert weights_in_production(home, tmp_path) == of(60)
    with pytest.raises(UserError, match="no champion came before"):
        proposal.rollback(home, None, None)
    proposal.rollback(home, "v0.0.3", None)
    assert weights_in_production(home, tmp_path) == of(90)

    said = [line.split("  ")[2] for line in history(home) if "champion" in line]
    assert [words.split(", after")[0].split(" from ")[0] for words in said] == [
        "champion: promoted",
        "champion: promoted",
        "champion: promoted by force, against the verdict",
        *["champion: rolled back"] * 3,
    ]
    tag = git(home.origin, "tag", "--list", "classifier#production#3", "--format=%(contents)")
    assert f"do not promote: {refused.verdict.reason}" in tag
    assert [one.promote for one in Verdict.lines(tag)] == [False]
    assert not git(home.origin, "status", "--porcelain")
    for version, wrong in {"v0.0.1": 60, "v0.0.2": 5, "v0.0.3": 90}.items():
        out = tmp_path / "got" / version
        get = ["artifacts", "get", str(home.origin), "classifier", "--rev", version, "--out", str(out)]
        run(tmp_path, sys.executable, "-m", "dvc", *get)
        assert hashlib.sha256((out / "weights.txt").read_bytes()).hexdigest() == of(wrong)
    stage = ["artifacts", "get", str(home.origin), "classifier", "--stage", "production", "--out", "now"]
    run(tmp_path, sys.executable, "-m", "dvc", *stage)
    assert (tmp_path / "now" / "weights.txt").read_text() == "90"


@pytest.mark.long
def test_mlflow_gets_the_champion_with_its_model(home, monkeypatch):
    server = Server()
    monkeypatch.setattr(queue, "named", lambda home: URI)
    monkeypatch.setattr(queue, "promoted", partial(queue.promoted, connect=server.connect))
    commit = propose(home).promoted.commit
    assert server.versions == [commit] and server.champion == commit[:12]  # by hand: no run's record has made it
    assert server.models == {commit[:12]: ["weights.txt"]} and server.runs[commit[:12]].files == [
        "metrics/evaluate.json"
    ]


@pytest.mark.long
def test_rows_that_the_champion_has_learnt_from_are_left_out(home):
    propose(home)
    train(home, 40, learnt=(0, 250))
    propose(home, force=True)
    train(home, 2)
    found = propose(home)
    assert "250 of 300 test rows are left out: the champion was trained on them." in found.words
    assert (found.verdict.figures["rows"], found.verdict.figures["seen_rows"]) == (50, 250)
    assert found.verdict.figures["champion"] == found.verdict.figures["challenger"]  # both err in the first rows alone


@pytest.mark.long
def test_a_challenger_in_another_precision_is_scored_anew_with_its_model(home):
    propose(home)
    params = home.origin / "params.yaml"
    params.write_text(params.read_text() + "score: {precision: bf16}\n")
    (home.origin / "metrics/score_reference.json").write_text('{"precision": "bf16"}')
    train(home, 5)
    found = propose(home)
    assert found.promoted.name == "v0.0.2"
    assert found.verdict.figures["precision"] == "fp32"
    assert found.verdict.figures["challenger"]["accuracy"] == pytest.approx(295 / 300, abs=1e-6)
    assert "Both were scored in fp32, since their score.precision differs." in found.words


@pytest.mark.long
def test_too_few_rows_cannot_tell_and_promote_nothing(home):
    propose(home)
    train(home, 58)
    found = propose(home, rule="not_worse")
    assert found.promoted.name == "v0.0.2"  # two better of 300
    train(home, 60)
    found = propose(home, rule="not_worse")
    assert (found.promoted, found.verdict.figures["outcome"]) == (None, "cannot be told")
    assert "more labelled test rows would detect a difference of 0.01 (gate.margin)" in found.words
    assert propose(home, force=True).promoted


@pytest.mark.long
def test_a_model_worse_than_its_baseline_needs_force_the_first_too(home):
    train(home, 200)
    found = propose(home)
    assert found.promoted is None
    assert "worse than its baseline's" in found.words
    assert propose(home, force=True).promoted


@pytest.mark.long
def test_looking_is_counted_once_for_each_two_models(home):
    propose(home)
    for wrong, before in ((70, 0), (70, 0), (71, 1), (72, 2)):
        if git(home.origin, "log", "-1", "--format=%s") != f"{wrong} wrong":
            train(home, wrong)
        verdict = propose(home, promote=False).verdict
        assert verdict.figures["holdout_reuse"]["earlier_decisions"] == before
    assert len(comparison.verdicts(home.origin)) == 4  # the first promotion's too, which decided on no rows


@pytest.mark.long
def test_what_stands_in_the_way_is_said(home, tmp_path):
    propose(home)
    with pytest.raises(UserError, match=r"is the champion already: v0\.0\.1"):
        propose(home)
    with pytest.raises(UserError, match=r"no version 'v9' is registered; these are: v0\.0\.1"):
        proposal.rollback(home, "v9", None)
    (home.origin / "make.py").write_text("changed")
    with pytest.raises(UserError, match=r"1 tracked files differ from the last commit, 'make.py'"):
        propose(home)
    with pytest.raises(UserError, match="holds no record of a run 'nothing'"):
        propose(home, "nothing")
    git(home.origin, "checkout", "--quiet", "make.py")
    train(home, 5)
    run(home.origin, "rm", "-r", ".dvc/cache")
    with pytest.raises(UserError, match=r"data/splits, .* is not in the cache, and DVC has no default remote"):
        propose(home)


@pytest.mark.long
def test_data_goes_before_tags_and_tags_go_where_they_are_asked_to(home, tmp_path):
    git(tmp_path, "init", "--quiet", "--bare", "far.git")
    git(home.origin, "remote", "add", "far", str(tmp_path / "far.git"))
    run(home.origin, "git", "push", "-q", "far", "main")
    said = propose(home).words
    assert "git push far 'classifier@v0.0.1' 'classifier#production#1'" in said
    assert "this machine's cache only" in said
    run(home.origin, "dvc", "remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    run(home.origin, "git", "commit", "-qam", "a remote")
    train(home, 5)
    with pytest.raises(UserError, match="not at the DVC remote 'store' yet: run `dvc push`"):
        propose(home, remote="far")
    assert registry.champion(home.origin).name == "v0.0.1"
    run(home.origin, "dvc", "push", "-q")
    assert "pushed to far" in propose(home, remote="far").words
    tags = git(tmp_path / "far.git", "tag", "--list").splitlines()
    assert tags == ["classifier#production#2", "classifier@v0.0.2"]
    run(tmp_path, "git", "clone", "-q", str(tmp_path / "far.git"), "elsewhere")
    run(tmp_path / "elsewhere", "git", "checkout", "-q", git(home.origin, "rev-parse", "HEAD"))
    run(tmp_path, sys.executable, "-m", "dvc", "artifacts", "get", "elsewhere", "classifier", "--out", "got")
    assert (tmp_path / "got" / "weights.txt").read_text() == "5"


@pytest.mark.long
def test_the_flow_leaves_the_verdict_with_the_run(home, api):
    from prefect.client.orchestration import get_client

    flow(str(home.origin), promote=True)
    train(home, 90)
    state = flow(str(home.origin), promote=True, return_state=True)
    assert state.result().promoted is None
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts()
    text = [artifact.data.replace("\\", "") for artifact in artifacts if artifact.key == "promotion"]  # of Markdown
    assert any("do not promote: The challenger's macro-F1 is -0.1" in data for data in text)
    (home.origin / "make.py").write_text("changed")
    failed = flow(str(home.origin), return_state=True)
    assert failed.is_failed()
    assert "tracked files differ" in failed.message


@pytest.mark.long
def test_the_commands(home):
    def command(*words):
        here = ["--repository", str(home.origin)]
        done = [sys.executable, "-m", "flows.promotion", *words, *here]
        return subprocess.run(done, cwd=TOP, capture_output=True, text=True, check=False)

    assert command("champion").stdout == "none yet\n"
    assert command("history").stdout == "no version is registered yet\n"
    propose(home)
    commit = train(home, 5)
    propose(home)
    assert command("champion").stdout == f"v0.0.2 {commit}\n"
    assert command("rollback").stdout.startswith("rolled back: v0.0.1")
    refused = command("rollback")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert command("champion", "v0.0.1").returncode == 2
