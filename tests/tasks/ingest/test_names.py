"""A label or id is one name or none, whatever the column holds; other columns never stop a run."""

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
from tasks.ingest.names import read_names
from tasks.ingest.reading import Reading
from tasks.ingest.summary import lines
from tasks.ingest.windows import plan


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ingest(source, columns=None, **section):
    columns = Columns(**(columns or {"text": "text", "label": "label"}))
    found = Reading(plan("reference", Windows(), Params(source=source, columns=columns, **section)))
    rows, figures = read_window(found.plan, found)
    return rows, figures, "\n".join(lines(figures, found))


def jsonl(*records):
    Path("m.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return "m.jsonl"


@pytest.mark.parametrize(
    ("value", "name", "problem"),
    [
        ("bill", "bill", None),
        (["bill"], "bill", None),
        ([["bill"]], None, "label_not_a_string"),
        ([], None, None),
        (["bill", "bill"], "bill", None),
        (["bill", "parcel"], None, "label_multiple"),
        ([None], None, None),
        (["bill", None, ""], "bill", None),
        ([1], "1", None),
        ([float("nan")], None, None),
        ({"name": "bill"}, None, "label_not_a_string"),
        (float("nan"), None, None),
        (float("inf"), None, None),
        (None, None, None),
        (True, "true", None),
        (1, "1", None),
        (1.0, "1.0", None),
        ("NaN", "NaN", None),  # a string is what somebody wrote
        ('["bill"]', '["bill"]', None),
    ],
)
def test_a_json_value_is_one_name_or_none(value, name, problem):
    rows, *_ = ingest(jsonl({"text": "x", "label": value}))
    assert (rows["label"].to_pylist(), rows["problem"].to_pylist()) == ([name], [problem])
    assert (rows["source_bytes"].null_count == 0) == (problem is not None)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (pa.array([1.0, float("nan"), None, -0.0, float("-inf")]), ["1", None, None, "0", None]),
        (pa.array([0.5, 2.0], pa.float32()), ["0.5", "2"]),
        (pa.array([["bill"], [], None, ["a", "a"]]), ["bill", None, None, "a"]),
        (pa.array([[1], [2]], pa.large_list(pa.int8())), ["1", "2"]),
        (pa.array([[True], [None]], pa.list_(pa.bool_(), 1)), ["true", None]),
        (pa.array(["x", "", None]), ["x", None, None]),
    ],
)
def test_a_typed_column_holds_one_name_or_none(values, names):
    assert read_names(pa.chunked_array([values]), frozenset(), "m").values.to_pylist() == names


def test_whole_numbers_are_named_alike_in_columns_of_integers_and_of_floats():
    pq.write_table(pa.table({"text": ["x"], "label": [1]}), "a.parquet")
    pq.write_table(pa.table({"text": ["y", "z"], "label": [1.0, None]}), "b.parquet")
    assert [ingest(file)[0]["label"][0].as_py() for file in ("a.parquet", "b.parquet")] == ["1", "1"]


def test_a_column_that_can_hold_no_name_is_refused():
    pq.write_table(pa.table({"text": ["x"], "label": [{"a": 1}]}), "m.parquet")
    with pytest.raises(UserError, match=r"m.parquet: column 'label' is struct<a: int64>, which is no label or id"):
        ingest("m.parquet")


def test_an_id_that_is_none_or_several_is_a_problem():
    records = [{"text": str(i), "label": "a", "id": key} for i, key in enumerate([5, float("nan"), ["k"], [1, 2], {}])]
    rows, *_ = ingest(jsonl(*records), {"text": "text", "label": "label", "id": "id"})
    assert rows["problem"].to_pylist() == [None, "id_missing", None, "id_not_a_string", "id_not_a_string"]
    assert [rows["id"][i].as_py() for i in (0, 2)] == ["5", "k"]


def test_a_text_that_is_no_number_is_missing_and_a_text_that_is_a_list_is_held():
    rows, *_ = ingest(jsonl(*({"text": text, "label": "a"} for text in ("x", float("nan"), None, ["y"]))))
    assert rows["text"].to_pylist() == ["x", None, None, None]
    assert rows["problem"].to_pylist() == [None, None, None, "text_not_a_string"]
    pq.write_table(pa.table({"text": [float("nan"), None], "label": ["a", "b"]}), "m.parquet")
    assert ingest("m.parquet")[0]["text"].to_pylist() == [None, None]


def test_a_column_that_plays_no_part_may_have_the_name_of_one_of_ours():
    source = jsonl({"text": "x", "label": 1, "label_text": "bill", "id": 7, "problem": "none"})
    rows, figures, told = ingest(source, {"text": "text", "label": "label_text"})
    assert rows["label"].to_pylist() == ["bill"]
    assert [rows[f"source_{name}"][0].as_py() for name in ("label", "id", "problem")] == ["1", "7", "none"]
    assert figures["renamed_columns"]["label"] == "source_label"
    assert "column 'label' plays no part and is kept as 'source_label'" in told


def folder(**tables):
    Path("in").mkdir()
    for name, table in tables.items():
        pq.write_table(pa.table({"text": [f"of {name}"], "label": ["a"], **table}), f"in/{name}.parquet")
    return "in"


@pytest.mark.parametrize(
    ("one", "two", "kept"),
    [
        ([1], [1.5], [1.0, 1.5]),
        ([1], ["one"], ["1", "one"]),
        ([2**60], [0.5], [str(2**60), "0.5"]),
        ([{"a": 1}], [[2]], ['{"a": 1}', "[2]"]),
        ([None], [3], [None, 3]),
    ],
)
def test_a_column_of_two_types_is_kept_as_one_that_holds_both(one, two, kept):
    rows, _, told = ingest(folder(a={"age": one}, b={"age": two}))
    assert rows["age"].to_pylist() == kept
    assert "column 'age' is " in told
    assert "in/a.parquet" in told
    assert "in/b.parquet" in told


def test_new_and_missing_columns_are_said():
    rows, figures, told = ingest(folder(a={"age": [1]}, b={"team": ["x"]}))
    assert "column 'age' of in/a.parquet is not in in/b.parquet" in told
    assert "column 'team' of in/b.parquet is not in in/a.parquet" in told
    assert [(one["kind"], one["column"]) for one in figures["columns_differ"]] == [("missing", "age"), ("new", "team")]
    assert rows["problem"].null_count == 2


def test_the_rows_of_a_file_that_differs_are_held_or_stop_the_run_when_it_is_said_so():
    source = folder(a={"age": [1]}, b={"age": [1.5]}, c={"age": [2]})
    assert ingest(source, columns_differ="hold")[0]["problem"].to_pylist() == [None, "columns_differ", None]
    with pytest.raises(UserError, match=r"'age' is int64 in in/a.parquet and double in in/b.parquet.*columns_differ"):
        ingest(source, columns_differ="stop")
    _, figures, told = ingest(source, columns_differ="allow")
    assert "columns_differ" not in figures
    assert "age" not in told
