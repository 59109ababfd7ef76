"""Pairs of texts from a csv to a promoted model, its successor and the page on both, by the real commands."""

from __future__ import annotations

import csv
import json

import pytest

from tests.support.pairs import pairs
from tests.support.real_pipeline import commit, edit, make, run

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


def land(folder):
    with (folder / "data/claims.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["claim", "premise", "hypothesis", "verdict", "created"])
        for row in pairs(500, 5).to_pylist():
            out.writerow([*(row[name] for name in ("id", "text", "text_pair", "label")), row["timestamp"].isoformat()])


def windows(folder, until):
    edit(folder, windows__reference={"from": None, "until": until}, windows__current={"from": until, "until": None})
    commit(folder)


def test_it_is_trained_promoted_succeeded_and_reported(tmp_path, tiny_checkpoint):
    folder = make(tmp_path, tiny_checkpoint)
    land(folder)
    named = ("--text", "premise", "--text-pair", "hypothesis", "--label", "verdict", "--time", "created")
    run(folder, "driftline", "init", "data/claims.csv", *named, "--id", "claim", "--yes")
    edit(folder, model={"name": None})
    windows(folder, "2024-01-15")
    run(folder, "driftline", "run")
    first = json.loads((folder / "metrics/evaluate.json").read_text())
    assert first["accuracy"] > 0.7
    split = json.loads((folder / "metrics/split.json").read_text())
    assert set(split["text_pair_in_train"]) == {"validation", "test"}
    assert "words of text_pair" in (folder / "metrics/drift.json").read_text()
    assert '"text_pair": "…"' in (folder / "models/README.md").read_text()
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
    text = ("--text", "we new time bank loan", "--text-pair", "this week soup bread cheese")
    assert run(folder, "driftline", "score", *text).stdout.startswith("food")
    assert "food" in run(folder, "driftline", "explain", *text).stdout
    refused = run(folder, "driftline", "score", *text[:2], ok=False)
    assert refused.returncode and "give the second one with --text-pair" in refused.stdout + refused.stderr
    columns = ("--column", "premise", "--pair-column", "hypothesis")
    run(folder, "driftline", "score", "--input", "data/claims.csv", "--output", "scored.csv", *columns)
    with (folder / "scored.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 500
