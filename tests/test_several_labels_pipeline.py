"""Rows with several labels from a csv to a promoted model, its successor and the page on both, by the real commands."""

from __future__ import annotations

import csv
import json

import pytest

from tests.support.real_pipeline import commit, edit, make, run
from tests.support.topics import topics

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

COLUMNS = {"text": "body", "label": "topics", "timestamp": "created", "id": "ticket"}


def land(folder):
    with (folder / "data/tickets.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["ticket", "body", "topics", "created"])
        for row in topics(500, 5).to_pylist():
            labels = ";".join(json.loads(row["label"])) or "[]"
            out.writerow([row["id"], row["text"], labels, row["timestamp"].isoformat()])


def windows(folder, until):
    edit(folder, windows__reference={"from": None, "until": until}, windows__current={"from": until, "until": None})
    commit(folder)


def test_it_is_trained_promoted_succeeded_and_reported(tmp_path, tiny_checkpoint):
    folder = make(tmp_path, tiny_checkpoint)
    land(folder)
    edit(folder, task="multi_label", model={"name": None}, validate__labels=["food", "money", "sport"])
    edit(folder, ingest={"source": "data/tickets.csv", "columns": COLUMNS, "label_separator": ";"})
    windows(folder, "2024-01-15")
    run(folder, "driftline", "run")
    first = json.loads((folder / "metrics/evaluate.json").read_text())
    assert first["accuracy"] > 0.7 and first["confusion"] is None
    page = (folder / "reports/index.html").read_text()
    assert "Subset accuracy" in page and "“food”" in page
    assert '<th scope="row">food</th>' in (folder / "reports/drift.html").read_text(), "shares of labels, not of sets"
    commit(folder)
    assert "promoted" in run(folder, "driftline", "promote").stdout
    windows(folder, "2024-01-18")
    run(folder, "driftline", "run")
    commit(folder)
    said = run(folder, "driftline", "promote", "--dry-run", ok=False).stdout
    assert "The challenger's macro-F1 is" in said and "nothing was changed" in said
    run(folder, "driftline", "report", "HEAD~2", ".")
    (page,) = folder.glob("reports/*-beside-working-tree.html")
    assert "test rows that neither was trained on" in page.read_text()
    text = run(folder, "driftline", "score", "--text", "the soup at the bank was bread").stdout
    assert "food" in text
