"""Rows whose labels have an order through every stage, and by the real commands to a promoted model and its
successor."""

from __future__ import annotations

import csv
import json
import shutil

import pytest

from tasks.behaviour import BEHAVIOUR
from tasks.core import paths
from tests.support.processes import TOP
from tests.support.real_pipeline import commit, edit, make, run
from tests.support.stages import commands
from tests.support.stages import run as run_stage
from tests.support.stars import NAMES, reviews

pytestmark = pytest.mark.timeout(1800)

COLUMNS = {"text": "body", "label": "rating", "timestamp": "created", "id": "review"}
MEASURES = ("mean_absolute_error", "quadratic_kappa")


def land(folder, rows, rating=NAMES[0]):
    """The rows as a csv file; the eighth one has another rating."""
    with (folder / "data/reviews.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["review", "body", "rating", "created"])
        for i, row in enumerate(rows.to_pylist()):
            out.writerow([row["id"], row["text"], rating if i == 7 else row["label"], row["timestamp"].isoformat()])


def set_up(folder, until, **keys):
    edit(folder, task="ordinal", ingest={"source": "data/reviews.csv", "columns": COLUMNS}, **keys)
    edit(folder, windows__reference={"from": None, "until": until}, windows__current={"from": until, "until": None})


def metrics(folder, name):
    return json.loads((folder / f"metrics/{name}.json").read_text())


def is_reported(folder, order):
    """What every such run leaves."""
    found = metrics(folder, "evaluate")
    assert found["confusion"]["labels"] == list(found["classes"]) == order == metrics(folder, "finetune")["labels"]
    assert all(metrics(folder, "summary")[name] == found[name] for name in MEASURES)
    assert all(found["intervals"]["differences"][name] for name in MEASURES)
    page = (folder / "reports/index.html").read_text()
    assert f"quadratic kappa is {found['quadratic_kappa']:.3f} (" in page and "Both begin with the lowest." in page
    assert f"({', '.join(order)}; the lowest first)" in (folder / "models/README.md").read_text()
    return found


@pytest.mark.proof
@pytest.mark.parametrize("kind", ["linear", "transformer"])
def test_every_stage_follows_the_order(kind, tmp_path, monkeypatch, tiny_checkpoint, capsys):
    """Of names by a list, of numbers by their value."""
    monkeypatch.chdir(tmp_path)
    for name in (paths.PARAMS, BEHAVIOUR):
        shutil.copy(TOP / name, tmp_path / name)
    (tmp_path / "data").mkdir()
    order = list(NAMES) if kind == "linear" else ["9", "10", "11"]
    land(tmp_path, reviews(400, 5, order), order[0])
    few = {"drift__permutations": 99, "evaluate__resamples": 200, "validate__labels": None, "explain__mistakes": 2}
    if kind == "linear":
        set_up(tmp_path, "2024-01-13", label_order=order, **few)
    else:
        shutil.copytree(tiny_checkpoint, tmp_path / "models/base/tiny")
        few |= {"model__name": "models/base/tiny", "tokenize__max_length": 32, "finetune__epochs": 1}
        set_up(tmp_path, "2024-01-13", **few)
    for command in (*commands("report"), "python -m tasks.explain"):
        run_stage(command)
    found = is_reported(tmp_path, order)
    assert f"labels, the lowest first: {', '.join(order)}" in capsys.readouterr().out
    assert metrics(tmp_path, "drift")["performance"]["measured_rows"] > 30
    assert metrics(tmp_path, "explain")["labelled_rows"] > 200
    if kind == "linear":
        assert found["differences"]["macro_f1"] == found["differences"]["quadratic_kappa"] == 0, "it is the baseline"
        assert found["mean_absolute_error"] < 0.3 and found["quadratic_kappa"] > 0.7


@pytest.mark.long
def test_they_are_trained_promoted_succeeded_and_reported(tmp_path, tiny_checkpoint):
    folder = make(tmp_path, tiny_checkpoint)
    land(folder, reviews(500, 5), "splendid")
    set_up(folder, "2024-01-15", model={"name": None}, validate__labels=None)
    commit(folder)
    done = run(folder, "driftline", "run", ok=False)
    assert done.returncode == 1 and "list all of them in label_order, the lowest first" in done.stdout + done.stderr
    edit(folder, label_order=[*NAMES])
    commit(folder)
    run(folder, "driftline", "run")
    assert metrics(folder, "validate_reference")["reasons"] == {"label_not_allowed": 1}
    is_reported(folder, list(NAMES))
    commit(folder)
    assert "promoted" in run(folder, "driftline", "promote").stdout
    set_up(folder, "2024-01-18")
    commit(folder)
    run(folder, "driftline", "run")
    commit(folder)
    said = run(folder, "driftline", "promote", "--dry-run", ok=False).stdout
    assert "The challenger's macro-F1 is" in said and "nothing was changed" in said
    run(folder, "driftline", "report", "HEAD~2", ".")
    (page,) = folder.glob("reports/*-beside-working-tree.html")
    assert "Mean absolute error, in steps" in page.read_text()
    assert "poor" in run(folder, "driftline", "score", "--text", "an awful and broken thing, a refund please").stdout
