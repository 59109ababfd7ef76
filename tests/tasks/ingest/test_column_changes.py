"""The columns of the current window's own source are compared with the reference's."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.core.errors import UserError
from tasks.dataset.windows import Columns, Windows
from tasks.ingest import Params
from tasks.ingest.__main__ import read_window
from tasks.ingest.reading import Reading
from tasks.ingest.summary import lines
from tasks.ingest.windows import plan

COLUMNS = Columns(text="text", label="label")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data/sources").mkdir(parents=True)
    return tmp_path


def ingest(before, after, columns=None, **section):
    """The current window of two sources, and what is said."""
    windows = Windows.model_validate({"current": {"source": after, **({"columns": columns} if columns else {})}})
    params = Params(source=before, columns=COLUMNS, **section)
    found = Reading(plan("current", windows, params))
    rows, figures = read_window(found.plan, found)
    return rows, figures, "\n".join([*lines(figures, found), *found.opening.notes.lines])


def csv(name, header, *rows):
    Path(name).write_text("\n".join([header, *rows]) + "\n")
    return name


def jsonl(name, *records):
    Path(name).write_text("".join(json.dumps(record) + "\n" for record in records))
    return name


def parquet(name, **columns):
    pq.write_table(pa.table({"text": ["x"], "label": ["a"], **columns}), name)
    return name


@pytest.fixture
def drifted():
    """The column team went, queue came."""
    return csv("data/a.csv", "text,label,team", "x,a,1"), csv("data/sources/b.csv", "text,label,queue", "y,b,2")


def test_new_missing_and_retyped_columns_of_another_source_are_named_with_both_files(drifted):
    _, figures, told = ingest(*drifted)
    assert "column 'team' of data/a.csv is not in data/sources/b.csv" in told
    assert "column 'queue' of data/sources/b.csv is not in data/a.csv" in told
    assert [(one["kind"], one["column"]) for one in figures["columns_differ"]] == [
        ("missing", "team"),
        ("new", "queue"),
    ]
    before, after = parquet("data/a.parquet", age=[1]), parquet("data/sources/b.parquet", age=[1.5])
    assert "column 'age' is int64 in data/a.parquet and double in data/sources/b.parquet" in ingest(before, after)[2]


def test_the_policy_holds_the_rows_stops_the_run_or_says_nothing(drifted):
    assert ingest(*drifted, columns_differ="hold")[0]["problem"].to_pylist() == ["columns_differ"]
    with pytest.raises(
        UserError, match=r"'team' of data/a.csv is not in .*1 more columns differ.*ingest.columns_differ"
    ):
        ingest(*drifted, columns_differ="stop")
    rows, figures, told = ingest(*drifted, columns_differ="allow")
    assert "columns_differ" not in figures
    assert "team" not in told
    assert rows["problem"].null_count == 1


def test_where_records_name_their_columns_only_one_that_all_have_is_new_or_missing():
    before = jsonl(
        "data/a.jsonl", {"text": "x", "label": "a", "team": 1, "cc": 2}, {"text": "y", "label": "b", "team": 3}
    )
    after = jsonl(
        "data/sources/b.jsonl", {"text": "z", "label": "a", "n": 1}, {"text": "w", "label": "a", "n": 2, "m": 1}
    )
    found = ingest(before, after)[1]["columns_differ"]
    assert [(one["kind"], one["column"]) for one in found] == [("missing", "team"), ("new", "n")]


def test_columns_that_play_a_part_under_another_name_are_no_change():
    before = csv("data/a.csv", "text,label", "x,a")
    after = csv("data/sources/b.csv", "body,topic", "y,b")
    assert "columns_differ" not in ingest(before, after, {"text": "body", "label": "topic"})[1]
    assert "columns_differ" not in ingest(before, csv("data/sources/c.csv", "label,text", "a,x"))[1]


def test_a_reference_that_cannot_be_read_is_said_and_left_to_its_own_run():
    after = csv("data/sources/b.csv", "text,label", "y,b")
    rows, figures, told = ingest("data/gone.csv", after)
    assert len(rows) == 1
    assert "columns_differ" not in figures
    assert "columns are not compared with the reference's: ingest.source: data/gone.csv does not exist" in told
