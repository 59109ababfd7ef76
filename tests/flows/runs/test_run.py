"""What a notebook asks of a run: of the working tree and of a record, without loading a framework."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pandas as pd
import pytest

from flows.machine.git import git
from flows.machine.home import Home
from flows.runs import Run, record
from flows.runs.record import RunInfo
from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.files import write_json
from tasks.dataset import layout
from tasks.report import inputs
from tasks.report.verdict import findings, headline
from tests.flows.champion.test_model_table import scored, truth
from tests.flows.monitoring.test_watch import CHAMPION, watched

TOP = Path(__file__).parents[3]
HEAVY = ("torch", "transformers", "prefect", "pandas", "dvc", "gto", "sklearn", "mlflow")
NAME = "training-mails-20260101-020000-aaaa"


@pytest.mark.proof
def test_the_import_loads_no_framework():
    code = f"import sys; from flows.runs import Run; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=TOP)
    assert done.stdout.split() == []


@pytest.fixture
def run_here(deployed):
    """A repository in which the shipped run's metrics lie."""
    origin = deployed.origin
    for file in (TOP / paths.METRICS).glob("*.json"):
        write_json(json.loads(file.read_text(encoding="utf-8")), origin / paths.METRICS / file.name)
    (origin / paths.PARAMS).write_text((TOP / paths.PARAMS).read_text(encoding="utf-8"), encoding="utf-8")
    return origin


def recorded(origin, name=NAME):
    git(origin, "add", "-A")
    git(origin, "commit", "-qm", "a run")
    info = RunInfo(name, "scheduled-training", origin, record.now())
    return record.save_without_clone(origin, record.describe(origin, info, "completed"))


def test_it_says_what_the_report_says(run_here):
    run = Run.load(run_here)
    found = inputs.Inputs(**vars(run._inputs))
    model, drift, _ = findings(found)
    assert run.verdict == headline(model, drift)
    assert run.findings == findings(found) and run.next_steps
    assert run.evaluation.macro_f1 == run.summary["macro_f1"] == run.metrics["evaluate"]["macro_f1"]
    assert run.drift.reason == run.metrics["drift"]["reason"]
    assert run.decision is None and run.watched is None and run.champion is None and not run.is_champion


def test_it_is_found_from_below_and_cannot_be_changed(run_here):
    (run_here / "notebooks").mkdir()
    run = Run.load(run_here / "notebooks")
    assert run == Run.load(run_here)
    with pytest.raises(FrozenInstanceError):
        run.name = "another"
    with pytest.raises(TypeError):
        run.metrics["evaluate"] = {}


@pytest.mark.proof
def test_a_record_keeps_its_figures_when_the_working_tree_moves_on(run_here):
    saved = recorded(run_here)
    then = Run.load(run_here).summary
    write_json({**then, "macro_f1": 0.1}, run_here / paths.METRICS / "summary.json")
    assert Run.load(run_here).summary["macro_f1"] == 0.1
    for name in (NAME, saved.commit):
        run = Run.load(run_here, name)
        assert run.summary == then and run.record.completed and run.verdict
    assert [one.name for one in Run.recorded(run_here)] == [NAME]


@pytest.mark.parametrize(
    ("met", "all_met"),
    [
        ({"a": True, "b": True}, True),
        ({"a": True, "b": False, "c": None}, False),
        ({"a": True, "b": None}, None),
        ({}, None),
    ],
)
def test_targets_are_met_if_each_is(run_here, met, all_met):
    file = run_here / paths.metrics("evaluate")
    stated = [{"name": name, "at_least": 0.9, "target_met": value} for name, value in met.items()]
    only_told = {"name": "no target", "at_least": None, "target_met": None}
    write_json({**json.loads(file.read_text()), "behaviour": [*stated, only_told]}, file)
    run = Run.load(run_here)
    assert run.targets == met and run.target_met is all_met


def test_a_folder_without_a_run_is_refused_with_the_command(tmp_path, deployed):
    with pytest.raises(UserError, match=r"has no metrics yet: `driftline run`"):
        Run.load(deployed.origin)
    with pytest.raises(UserError, match=r"holds no record of a run 'gone'"):
        Run.load(deployed.origin, "gone")
    with pytest.raises(UserError, match=r"is in no Driftline repository: .* `driftline run`"):
        Run.load("/")


def test_scores_are_a_frame_or_the_command_that_makes_them(run_here):
    with pytest.raises(UserError, match=r"`dvc pull data/reference/scored.parquet` .* `driftline run`"):
        Run.load(run_here).scores()
    scored(run_here / layout.window("reference").scored, 3, range(10))
    found = Run.load(run_here).scores()
    assert isinstance(found, pd.DataFrame) and list(found.columns) == ["id", "prediction"] and len(found) == 10


@pytest.mark.proof
def test_the_difference_to_another_run_is_paired_where_both_scored_the_same_rows(run_here):
    recorded(run_here)
    now, then = Run.load(run_here), Run.load(run_here, NAME)
    found = now.compare(then)
    assert found.paired is None and "scored.parquet" in found.unpaired_because
    assert found.figures["macro_f1"] == (now.summary["macro_f1"], then.summary["macro_f1"])
    assert list(found.table().columns) == ["working tree", NAME, "difference"]
    assert found.table().loc["macro_f1", "difference"] == 0

    scored(run_here / layout.window("reference").scored, 10, range(200))
    scored(then.folder / layout.window("reference").scored, 30, range(200))  # in its clone
    rows = {"id": [f"r{i:03}" for i in range(200)], "label": [truth(i) for i in range(200)]}
    (run_here / layout.SPLITS).mkdir(parents=True)
    pd.DataFrame(rows).to_parquet(run_here / layout.split("test"), index=False)
    paired = now.compare(then).paired
    assert paired.interval[0] <= paired.macro_f1 <= paired.interval[1] and paired.macro_f1 > 0


def test_reports_are_those_that_lie_here(run_here):
    assert Run.load(run_here).reports == {}
    for page in ("reports/index.html", "reports/data_docs/current/index.html"):
        (run_here / page).parent.mkdir(parents=True, exist_ok=True)
        (run_here / page).touch()
    home = Home.of(run_here)
    assert Run.load(run_here).reports == {
        "index": home.origin / "reports/index.html",
        "data_docs/current": home.origin / "reports/data_docs/current/index.html",
    }


@pytest.mark.proof
def test_of_a_watched_window_the_verdict_is_its_word_and_the_newest_look_counts(run_here, monkeypatch):
    for second, (name, day) in enumerate([("late", 2), ("early", 1), ("again", 2)]):
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"2026-03-01T00:00:{second:02}+00:00")
        info = RunInfo(name, "monitoring", run_here, record.now())
        seen = watched(day, CHAMPION, no_rows=name == "late")
        record.save_without_clone(run_here, record.describe(run_here, info, "completed", (), seen))
    run = Run.load(run_here, "early")
    assert run.verdict == "2026-01-01 to 2026-01-02: as before" and not run.decision.refit
    assert [(one.window.since.day, one.no_rows) for one in run.watched_windows] == [(1, False), (2, False)]
