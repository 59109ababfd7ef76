"""A model's figures beside others', and incidents that are told once."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.champion import model_table
from flows.champion.model_table import Model
from flows.machine.git import git
from flows.notify.artifacts import links
from flows.runs import record
from flows.runs.metrics import Evaluation
from flows.runs.summary import closing_lines
from flows.runs.workspace import cached
from tasks import gate
from tasks.core import paths
from tasks.core.files import write_json
from tasks.dataset import layout
from tasks.drift import DRIFT_REPORT
from tasks.gate.tables import pair, read_predictions
from tasks.gate.verdict import gate_verdict
from tasks.report import INDEX

EVALUATE = {"rows": 200, "macro_f1": 0.9, "accuracy": 0.91, "intervals": {"macro_f1": [0.85, 0.95]}}


def scored(file, wrong, ids):
    """Answers of which so many are wrong."""
    file.parent.mkdir(parents=True, exist_ok=True)
    said = [flipped(i) if i < wrong else truth(i) for i in ids]
    pq.write_table(pa.table({"id": [f"r{i:03}" for i in ids], "prediction": said}), file)
    return file


def truth(i):
    return "spam" if i % 3 else "ham"


def flipped(i):
    return "ham" if i % 3 else "spam"


@pytest.fixture
def folder(tmp_path):
    """A clone in which a model was evaluated on 200 rows, 10 of them wrong."""
    write_json(EVALUATE, tmp_path / paths.metrics("evaluate"))
    (tmp_path / paths.PARAMS).write_text("seed: 7\nmodel: {name: none}\n")
    scored(tmp_path / model_table.SCORED, 10, range(250))
    rows = {"id": [f"r{i:03}" for i in range(200)], "label": [truth(i) for i in range(200)]}
    (tmp_path / layout.SPLITS).mkdir(parents=True)
    pq.write_table(pa.table(rows), tmp_path / layout.split("test"))
    return tmp_path


def test_on_the_same_rows_the_difference_is_the_gates_and_else_it_says_why_there_is_none(folder, tmp_path):
    last = Model("last", Evaluation.of(EVALUATE, "here"), scored(tmp_path / "last.parquet", 30, range(219, -1, -1)))
    champion = Model(
        "champion",
        Evaluation.of({**EVALUATE, "rows": 90}, "here"),
        scored(tmp_path / "champion.parquet", 0, range(150)),
    )
    gone = Model("gone", Evaluation.of(EVALUATE, "here"), None)
    table = [list(row.values()) for row in model_table.table(folder, [last, champion, gone])]
    assert list(model_table.table(folder, [last, champion, gone])[0]) == ["", "this run", "last", "champion", "gone"]
    assert table[0] == ["test rows", "200", "200", "90", "200"]
    assert table[1][:2] == ["macro-F1", "0.900 [0.850, 0.950]"]
    assert table[2][1] == "0.910"  # no interval is known, so none is shown

    both = {
        name: read_predictions(file) for name, file in (("last", last.scored), ("ours", folder / model_table.SCORED))
    }
    test = read_predictions(folder / layout.split("test"))
    first = {name: {k: [v[t["id"].index(i)] for i in test["id"]] for k, v in t.items()} for name, t in both.items()}
    found = gate_verdict(pair(first["last"], first["ours"], test, []), gate.Params(max_calibration_error=None), 7)[
        "difference"
    ]
    low, high = found["interval"]
    assert found["macro_f1"] > 0
    assert table[-1][1:] == [
        "",
        f"{found['macro_f1']:+.3f} [{low:+.3f}, {high:+.3f}]",
        "not on the same rows: 50 of 200 were not held out from it",
        "its predictions are no longer in the cache",
    ]


def test_a_training_of_some_stages_tells_of_these_alone(folder):
    ends = {"macro_f1": [0.8, 0.9], "difference": [-0.1, 0.1]}
    said = {**EVALUATE, "intervals": ends, "baseline": {"macro_f1": 0.8}, "difference": 0.1}
    write_json(said, folder / paths.metrics("evaluate"))
    write_json({"drifted": True, "reason": "of an earlier run"}, folder / paths.metrics("drift"))
    for page in (INDEX, DRIFT_REPORT):
        (folder / page).parent.mkdir(exist_ok=True)
        (folder / page).touch()
    assert [line.split()[0] for line in closing_lines(folder)] == ["model", "baseline", "drift"]
    assert [line.split()[0] for line in closing_lines(folder, {"split", "evaluate"})] == ["model", "baseline"]
    assert [link.split(":")[0] for link in links(folder)[:-1]] == ["- report", "- drift"]  # no server gives them out
    assert [link.split(":")[0] for link in links(folder, {"report"})[:-1]] == ["- report"]


def test_without_an_evaluation_there_is_no_table_and_without_others_one_column(folder, tmp_path):
    assert model_table.table(tmp_path / "empty", []) == []
    assert all(list(row) == ["", "this run"] for row in model_table.table(folder, []))


def test_a_commit_tells_of_its_model_and_the_cache_has_its_answers(deployed):
    assert Model.at(deployed, "HEAD", "none") is None
    write_json(EVALUATE, deployed.origin / paths.metrics("evaluate"))
    lock = "stages: {score: {outs: [{path: data/reference/scored.parquet, md5: '0123'}]}}\n"
    (deployed.origin / record.LOCK).write_text(lock)
    git(deployed.origin, "add", "-A", "--force")
    git(deployed.origin, "commit", "-qm", "evaluated")
    assert Model.at(deployed, "HEAD", "head") == Model("head", Evaluation.of(EVALUATE, "here"), None)
    file = deployed.origin / ".dvc" / "cache" / "files" / "md5" / "01" / "23"
    file.parent.mkdir(parents=True)
    file.touch()
    assert cached(deployed, "0123") == file
    assert Model.at(deployed, "HEAD", "head").scored == file
    assert [model.name for model in model_table.reference_models(deployed, "HEAD", "last commit")] == ["last commit"]
