"""However many rows are in memory at once, the stages write the same bytes."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from random import Random

import pandas as pd
import pytest

from tasks.core import tables
from tests.support.raw_rows import texts_with_copies

PARAMS = """
seed: 7
model: {name: none, revision: null}
windows: {reference: {until: "2100-01-01"}, current: {from: "2100-01-01"}}
ingest: {source: rows.csv, columns: {text: text, label: label, timestamp: at, id: null}, max_undated: 1.0}
validate: {labels: [a, b], max_quarantined: 1.0, unique: [number], privacy: redact}
split: {}
"""


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A csv with copies, near copies, conflicting and unknown labels, empty texts and personal data."""
    monkeypatch.chdir(tmp_path)
    dice = Random(3)
    texts = texts_with_copies(3, 300)
    lines = ["text,label,at,number"]
    for row in range(700):
        text = dice.choice(
            [*texts, "", "café ﬁne", "mail a@example.com or 192.0.2.17", "the same  TEXT", "The same text"]
        )
        moment = f"2020-01-{1 + row % 28:02}T00:00:00Z"
        lines.append(f"{text},{dice.choice(['a', 'a', 'b', 'c'])},{moment},{dice.randrange(2000)}")
    (tmp_path / "rows.csv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "params.yaml").write_text(PARAMS, encoding="utf-8")
    return tmp_path


def written(folder: Path) -> dict[str, str]:
    """The hash of all that the three stages write."""
    from tasks.ingest.__main__ import main as ingest
    from tasks.split.__main__ import main as split
    from tasks.validate.__main__ import main as validate

    ingest("reference")
    validate("reference")
    split()
    files = sorted(file for part in ("data", "metrics", "reports") for file in (folder / part).rglob("*"))
    return {str(file): hashlib.md5(file.read_bytes()).hexdigest() for file in files if file.is_file()}


@pytest.mark.proof
def test_the_rows_in_memory_at_once_change_no_byte(source, monkeypatch):
    found = written(source)
    assert len(json.loads((source / "metrics/validate_reference.json").read_text())["reasons"]) > 3
    for rows in (64, 97):
        monkeypatch.setattr(tables, "BATCH", rows)
        assert written(source) == found


@pytest.mark.proof
def test_great_expectations_says_the_same_of_parts_as_of_all_rows(tmp_path, monkeypatch):
    """But for the hash of the frame that it checked last."""
    from tasks.validate import expectations
    from tasks.validate.rules import Rule

    rows = pd.DataFrame(
        {
            "id": [f"r{row}" for row in range(90)],
            "problem": [None] * 70 + ["broken", "odd"] * 10,
            "characters": [row % 4 for row in range(90)],
            "label": [["a", "b", "c", None][row % 7 % 4] for row in range(90)],
            "always": ["x"] * 90,
        }
    )
    rules = [
        Rule("unreadable", "ExpectColumnValuesToBeNull", "problem"),
        Rule("short", "ExpectColumnValuesToBeBetween", "characters", {"min_value": 1, "max_value": None}),
        Rule("label_missing", "ExpectColumnValuesToNotBeNull", "label"),
        Rule("unknown", "ExpectColumnValuesToBeInSet", "label", {"value_set": ["a", "b"]}),
        Rule("never", "ExpectColumnValuesToNotBeNull", "always"),
    ]

    def pages(frame, name):
        monkeypatch.setattr(expectations, "FRAME", frame)
        (tmp_path / name).mkdir()
        checker = expectations.RuleChecker(tmp_path / name)
        found = checker.failures("rows", (rows[start : start + 8] for start in range(0, 90, 8)), rules)
        checker._complete_results()
        files = (tmp_path / name / "gx/uncommitted/validations").rglob("*.json")
        (said,) = [json.loads(file.read_text(encoding="utf-8")) for file in files]
        said["meta"]["batch_markers"].pop("pandas_data_fingerprint")
        return found, re.sub("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "", json.dumps(said))

    whole = pages(1000, "whole")
    assert len(whole[0]["short"]) == 23 and whole[0]["never"] == []
    assert pages(20, "parts") == pages(7, "few") == whole
