"""Every record of the source is a row of one window, letter for letter, or the source is refused in a clear message."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import choices

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.core.errors import UserError
from tasks.core.files import write_json
from tasks.core.tables import write_table
from tasks.dataset.schema import RAW
from tasks.dataset.windows import Columns, Windows
from tasks.ingest import Params
from tasks.ingest.__main__ import read_window
from tasks.ingest.dialect_params import Dialect
from tasks.ingest.dialect_records import Lines, records
from tasks.ingest.watched_source import refuse_unwatched
from tasks.ingest.windows import plan

SPLIT = {"reference": {"until": "2020-02-01"}, "current": {"from": "2020-02-01", "until": "2020-03-01"}}
DATED = Columns(text="text", label="label", timestamp="time")
COLUMNS = ["text", "label", "time", "extra"]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ingest(source="data.csv", window="reference", columns=DATED, windows=SPLIT, **section):
    params = Params(**{"source": source, "columns": columns, "max_undated": 1.0, **section})
    return read_window(plan(window, Windows.model_validate(windows), params))


def values(rows, *names):
    return list(zip(*(rows[name].to_pylist() for name in names), strict=True))


def write(path, records):
    """Records (dicts of strings) in the format that the path's ending names."""
    if path.endswith("parquet"):
        pq.write_table(pa.Table.from_pylist(records, pa.schema([(name, pa.string()) for name in COLUMNS])), path)
    elif path.endswith("jsonl"):
        Path(path).write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8", newline="")
    else:
        out = io.StringIO(newline="")
        writer = csv.DictWriter(out, COLUMNS, dialect="excel-tab" if path.endswith("tsv") else "excel")
        writer.writeheader()
        writer.writerows(records)
        Path(path).write_text(out.getvalue(), encoding="utf-8", newline="")


def record(text="hello", label="a", time="2020-01-01", extra="x"):
    return dict(zip(COLUMNS, (text, label, time, extra), strict=True))


@pytest.mark.proof
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(texts=st.lists(TEXTS, min_size=1, max_size=5), ending=st.sampled_from(["csv", "tsv", "jsonl", "parquet"]))
def test_text_is_kept_code_point_for_code_point(texts, ending):
    write(f"data.{ending}", [record(text) for text in texts])
    rows, _ = ingest(f"data.{ending}")
    assert rows["text"].to_pylist() == texts
    assert rows["problem"].null_count == rows["source_bytes"].null_count == len(texts)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_words_that_look_like_something_else_stay_words(ending):
    texts = ["NA", "null", "007", "1e5", "=1+1", "true", "nan", "a\x00b", "‮bidi​", "e\u0301", "é"]
    write(f"data.{ending}", [record(text, label="007", extra="NA") for text in texts])
    rows, _ = ingest(f"data.{ending}")
    assert values(rows, "text", "label", "extra") == [(text, "007", "NA") for text in texts]


def test_a_folder_is_read_in_name_order_and_each_row_knows_its_place(here):
    (here / "data").mkdir()
    write("data/b.jsonl", [record("third")])
    write("data/a.csv", [record("first"), record("second")])
    (here / "data/.hidden").write_text("no record")
    rows, figures = ingest("data")
    assert values(rows, "source_file", "source_row", "text") == [
        ("data/a.csv", 0, "first"),
        ("data/a.csv", 1, "second"),
        ("data/b.jsonl", 0, "third"),
    ]
    assert rows.column_names == [*RAW.names, "extra"]
    assert figures["files"] == {"data/a.csv": 2, "data/b.jsonl": 1}


def test_a_record_that_cannot_be_read_is_a_row_with_the_reason_and_the_record(here):
    lines = [
        b"\xef\xbb\xbftext,label,time,extra",  # a mark of byte order is none of the name
        b'"well, quoted",a,2020-02-02,x',
        b"bad \xff byte,a,2020-02-02,x",
        b"fine,a,2020-02-02,caf\xe9",
        b"one cell",
        b'"quoted" and more,a,2020-02-02,x',
        b"later,a,tomorrow,x",
        b"never,a,,x",
        b'"never closed,a,2020-02-02,x',
    ]
    (here / "data.csv").write_bytes(b"\r\n".join(lines) + b"\r\n")
    rows, figures = ingest(window="current")
    kept = [lines[0], *values(rows, "source_bytes")]
    assert values(rows, "text", "problem") == [
        ("well, quoted", None),
        (None, "text_undecodable"),
        ("fine", "value_undecodable"),
        (None, "record_unparseable"),
        (None, "record_unparseable"),
        ("later", "timestamp_unreadable"),
        ("never", "timestamp_unreadable"),
        (None, "record_unparseable"),
    ]
    assert [i for i, (source,) in enumerate(kept[1:], 1) if source == lines[i]] == [2, 3, 4, 5, 6, 8]
    assert figures["problems"]["record_unparseable"] == 3


def test_a_line_that_is_no_json_object_is_a_row_with_the_reason(here):
    lines = [
        b'{"text": "good", "label": 1, "time": "2020-02-02"}',
        b'{"text": "half"',
        b'["text"]',
        b'{"text": 5, "time": "2020-02-02"}',
        b'{"text": "\\ud800", "time": "2020-02-02"}',
        b'{"text": "\xff", "time": "2020-02-02", "new": {"a": [1]}}',
    ]
    (here / "data.jsonl").write_bytes(b"\n".join(lines) + b"\n\n")
    rows, _ = ingest("data.jsonl", "current")
    assert values(rows, "text", "label", "problem", "source_bytes") == [
        ("good", "1", None, None),
        (None, None, "record_unparseable", lines[1]),
        (None, None, "record_unparseable", lines[2]),
        (None, None, "text_not_a_string", lines[3]),
        (None, None, "text_undecodable", lines[4]),
        (None, None, "text_undecodable", lines[5]),
    ]
    assert rows["new"].to_pylist()[-1] == '{"a": [1]}'


def test_parquet_keeps_its_types_and_gives_up_only_what_is_not_text(here):
    bad = pa.Array.from_buffers(pa.string(), 2, pa.array([b"ok", b"\xff\xfe"]).buffers())
    table = pa.table(
        {
            "text": bad,
            "label": pa.array([1, 2]).dictionary_encode(),
            "time": pa.array([datetime(2020, 1, 1), None], pa.timestamp("ns")),
            "n": pa.array([1, None], pa.int32()),
        }
    )
    pq.write_table(table, here / "data.parquet")
    rows, _ = ingest(
        "data.parquet", "current", windows={"reference": {"until": "2019-01-01"}, "current": {"from": "2019-01-01"}}
    )
    assert values(rows, "text", "label", "problem") == [("ok", "1", None), (None, "2", "text_undecodable")]
    assert json.loads(rows["source_bytes"][1].as_py().decode("utf-8", "surrogateescape"))["label"] == 2
    assert rows.schema.field("n").type == pa.int32()


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2020-01-31", datetime(2020, 1, 31, tzinfo=UTC)),
        ("2020-01-31 23:59:59.999999", datetime(2020, 1, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2020-02-01T05:00:00+05:45", datetime(2020, 1, 31, 23, 15, tzinfo=UTC)),
        ("2020-01-31T22:00:00Z", datetime(2020, 1, 31, 22, tzinfo=UTC)),
        ("0102-01-01", datetime(102, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_become_utc(written, utc):
    write("data.csv", [record(time=written)])
    assert ingest()[0]["timestamp"].to_pylist() == [utc]


@pytest.mark.parametrize(
    "written", ["", "yesterday", "now", "1580428800", "31.01.2020", "2020-13-40", "0001-01-01T00:00+14:00"]
)
def test_a_time_that_cannot_be_read_makes_a_row_of_current(written):
    write("data.csv", [record(), record("odd", time=written), record("new", time="2020-02-02")])
    assert ingest()[0]["text"].to_pylist() == ["hello"]
    rows, figures = ingest(window="current")
    assert values(rows, "text", "timestamp", "problem")[0] == ("odd", None, "timestamp_unreadable")
    assert figures["source"]["undated"] == 1


@pytest.mark.proof
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 80), max_size=30))
def test_every_record_is_in_one_window_undated_or_outside_in_source_order(days):
    start = datetime(2020, 1, 10, tzinfo=UTC)
    times = [(start + timedelta(days=day)).isoformat() if day % 7 else "" for day in [1, 25, *days]]
    write("data.csv", [record(str(i), time=time) for i, time in enumerate(times)])
    reference, _ = ingest()
    current, figures = ingest(window="current")
    account = figures["source"]
    assert account["reference"] == len(reference)
    assert account["current"] + account["undated"] == len(current) == figures["rows"]
    assert account["records"] == len(times) == len(reference) + len(current) + account["outside"]
    for rows in (reference, current):
        places = rows["source_row"].to_pylist()
        assert places == sorted(places)
        assert [str(place) for place in places] == rows["text"].to_pylist()


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_rows_appended_after_the_reference_window_leave_its_bytes_alone(here, ending):
    def written(extra):
        write(f"data.{ending}", [*map(record, ("one", "two", "two")), *extra])
        rows, figures = ingest(f"data.{ending}")
        write_table(rows, here / "raw.parquet")
        write_json(figures, here / "figures.json")
        return (here / "raw.parquet").read_bytes(), (here / "figures.json").read_bytes()

    later = {**record("three", time="2020-02-02"), **({"unheard": 5} if ending == "jsonl" else {})}
    assert written([]) == written([later, record("four", time="")])


def test_a_row_without_an_id_is_named_by_what_it_says_and_how_often_it_was_said(here):
    said = [record("one"), record("one"), record("two"), record("one", label="b")]
    write("data.csv", said)
    before = ingest()[0]["id"].to_pylist()
    assert len(set(before)) == 4
    assert before[0].removesuffix("-0") == before[1].removesuffix("-1")
    (here / "data").mkdir()
    write("data/a.csv", said[:1])
    write("data/b.jsonl", said[1:])
    assert ingest("data")[0]["id"].to_pylist() == before


def test_an_id_of_the_source_is_kept_and_a_missing_one_is_a_problem():
    write("data.csv", [record(extra="k1"), record(extra=""), record(extra="k3")])
    rows, _ = ingest(columns=DATED.model_copy(update={"id": "extra"}))
    assert [key for key, problem in values(rows, "id", "problem") if problem is None] == ["k1", "k3"]
    assert rows["problem"].to_pylist()[1] == "id_missing"
    assert rows["id"][1].as_py().endswith("-0")


def test_a_row_whose_id_was_taken_has_that_problem_and_a_name_of_its_own():
    write("data.csv", [record(extra=key) for key in ("k", "k", "k#2", "k", "other")])
    rows, _ = ingest(columns=DATED.model_copy(update={"id": "extra"}))
    assert values(rows, "id", "problem") == [
        ("k", None),
        ("k#3", "id_duplicate"),
        ("k#2", None),
        ("k#4", "id_duplicate"),
        ("other", None),
    ]


UNDATED = Columns(text="text", label="label")


def test_without_times_everything_is_reference_and_current_is_valid_and_empty():
    write("data.csv", [record(), record("two")])
    assert len(ingest(columns=UNDATED, windows={})[0]) == 2
    rows, figures = ingest(columns=UNDATED, windows={}, window="current")
    assert (len(rows), rows.schema) == (0, RAW)
    assert figures["source"] == {
        "path": "data.csv",
        "records": 2,
        "reference": 2,
        "current": 0,
        "undated": 0,
        "outside": 0,
    }


def test_a_window_may_have_its_own_source_and_columns_and_labels_that_came_later():
    write("data.csv", [record()])
    Path("new.jsonl").write_text('{"key": "k1", "body": "new"}\n{"key": "k2", "body": "newer", "stars": null}\n')
    Path("late.csv").write_text("ref,truth\nk2,spam\nk9,ham\n")
    windows = {
        "current": {
            "source": "new.jsonl",
            "columns": {"text": "body", "id": "key"},
            "labels": {"source": "late.csv", "id": "ref", "label": "truth"},
        }
    }
    rows, figures = ingest(columns=UNDATED, windows=windows, window="current")
    assert values(rows, "id", "text", "label") == [("k1", "new", None), ("k2", "newer", "spam")]
    assert figures["late_labels"] == {"labels": 2, "joined": 1, "replaced": 0, "unlabelled": 1}
    assert "reference" not in figures["source"]


def test_whoever_alone_reads_a_source_keeps_its_undated_rows():
    write("old.csv", [record(), record("odd", time="")])
    windows = {**SPLIT, "reference": {**SPLIT["reference"], "source": "old.csv"}}
    assert ingest(windows=windows)[0]["problem"].to_pylist() == [None, "timestamp_unreadable"]


ONE = "text,label,time,extra\nhello,a,2020-01-01,x\n"


@pytest.mark.parametrize(
    ("files", "changes", "words"),
    [
        ({}, {}, ["ingest.source", "data.csv does not exist"]),
        ({}, {"source": None}, ["ingest.source is missing", "windows.reference"]),
        ({}, {"source": "../data.csv"}, ["outside the repository"]),
        ({}, {"source": "/etc/passwd"}, ["outside the repository"]),
        ({"data.docx": "x"}, {"source": "data.docx"}, ["data.docx", "convert it or move it"]),
        ({"data.xlsx": "x"}, {"source": "data.xlsx"}, ["data.xlsx cannot be read as a spreadsheet"]),
        ({"data/.keep": ""}, {"source": "data"}, ["holds no files"]),
        ({"data/a.csv": ONE, "data/notes.txt": "x"}, {"source": "data"}, ["notes.txt", "move it"]),
        ({"data.csv": ""}, {}, ["no header"]),
        ({"data.csv": "text,text\n"}, {}, ["'text'", "twice"]),
        ({"data.parquet": "x"}, {"source": "data.parquet"}, ["cannot be read as parquet"]),
        (
            {"data.csv": "body,label,time\n"},
            {},
            ["no column 'text'", "ingest.columns.text", "'body', 'label', 'time'", "header: 0"],
        ),
        ({"data.csv": "text,klass,time\n"}, {}, ["no column 'label'", "'text', 'klass', 'time'"]),
        (
            {"data.jsonl": '{"text": "x", "time": "y"}'},
            {"source": "data.jsonl"},
            ["no column 'label'", "'text', 'time'"],
        ),
        ({"data.csv": ONE}, {"columns": UNDATED}, ["windows.reference", "ingest.columns.timestamp"]),
        ({"data.csv": ONE}, {"window": "current"}, ["windows.current is empty", "2020-02-01", "run from 2020-01-01"]),
        ({"data.csv": "text,label\n"}, {"columns": UNDATED, "windows": {}}, ["holds no records"]),
        ({"data.csv": "text,label,time,id,source_id\n"}, {}, ["'id'", "'source_id'", "rename"]),
        ({"data.csv": ONE}, {"windows": {**SPLIT, "current": {"source": "data.csv"}}}, ["overlap"]),
        (
            {"data.csv": ONE},
            {"columns": Columns(image="text", label="label", timestamp="time")},
            ["names images", "the folder"],
        ),
    ],
)
def test_a_source_that_cannot_be_used_is_refused_in_one_clear_message(here, files, changes, words):
    for name, content in files.items():
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text(content)
    with pytest.raises(UserError) as refusal:
        ingest(**changes)
    assert all(word in str(refusal.value) for word in words), refusal.value


def test_late_labels_that_contradict_each_other_are_refused():
    write("data.csv", [record(extra="k1")])
    Path("late.csv").write_text("ref,truth\nk1,spam\nk1,ham\n")
    late = {"source": "late.csv", "id": "ref", "label": "truth"}
    with pytest.raises(UserError, match="'k1' two labels, 'spam' and 'ham'"):
        ingest(windows={**SPLIT, "reference": {**SPLIT["reference"], "labels": late}})


def test_what_neither_git_nor_dvc_knows_is_refused_with_the_command_to_run(here):
    (here / "data").mkdir()
    write("data/é.csv", [record()])
    subprocess.run(["git", "init", "-q"], check=True)
    with pytest.raises(UserError, match=r"git add data`.*dvc add data`"):
        ingest("data")
    subprocess.run(["git", "add", "data"], check=True)
    assert len(ingest("data")[0]) == 1
    write("data/new.csv", [record()])
    with pytest.raises(UserError, match=r"data/new\.csv is tracked by neither"):
        ingest("data")
    (here / "data.dvc").touch()
    assert len(ingest("data")[0]) == 2


@pytest.mark.proof
def test_the_command_writes_two_files_or_none(here):
    top = Path(__file__).parents[3]
    params = {"model": {"name": "m"}, "windows": SPLIT}
    columns = {"text": "text", "label": "label", "timestamp": "time"}
    (here / "params.yaml").write_text(json.dumps({**params, "ingest": {"source": "data.csv", "columns": columns}}))
    write("data.csv", [record()])

    def run(window):
        command = [sys.executable, "-m", "tasks.ingest", "--window", window]
        return subprocess.run(
            command, env={"PYTHONPATH": str(top), "PATH": ""}, capture_output=True, text=True, check=False
        )

    assert run("reference").returncode == 0
    made = {path.relative_to(here).as_posix() for path in here.rglob("*") if path.is_file()}
    seconds = ".timings/ingest@reference.json"
    assert made == {"params.yaml", "data.csv", "data/reference/raw.parquet", "metrics/ingest_reference.json", seconds}
    refused = run("current")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: windows.current is empty")
    assert "Traceback" not in refused.stderr
    assert not (here / "data/current").exists()


def test_a_windows_own_source_must_be_watched_by_dvc(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refuse_unwatched("windows.current.source", "mine.csv")  # without a pipeline nobody relies on deps
    pipeline = tmp_path / "dvc.yaml"
    pipeline.write_text(OWN_SOURCE.format("ingest") + '# current: {source: "${windows.current.source}"}')
    refuse_unwatched("ingest.source", "mine.csv")
    refuse_unwatched("windows.current.labels.source", "data/labels")  # a dep as shipped
    refuse_unwatched("windows.current.source", "data/sources/mine.csv")
    with pytest.raises(UserError, match=r"git mv mine.csv data/sources/mine.csv.*\$\{windows.current.source\}"):
        refuse_unwatched("windows.current.source", "mine.csv")
    pipeline.write_text(OWN_SOURCE.format("windows.current"))
    refuse_unwatched("windows.current.source", "mine.csv")
    with pytest.raises(UserError, match="does not watch"):  # current's, not reference's
        refuse_unwatched("windows.reference.source", "mine.csv")


OWN_SOURCE = """
stages:
  ingest:
    foreach: {{current: {{source: "${{{}.source}}"}}}}
    do: {{deps: ["${{item.source}}", {{tasks: {{}}}}]}}
"""


@pytest.mark.proof
def test_a_quote_that_is_never_closed_costs_its_line_and_no_other():
    lines = ["text,label\n", *(f"row {i},a\n" for i in range(50)), 'k,"open\n']
    lines += [*(f"more {i},b\n" for i in range(30_000)), '"quoted\nover lines",c\n', "last,d\n"]
    found = list(records(Lines("".join(lines).splitlines(keepends=True), Dialect())))
    assert [said for cells, said in found if cells is None] == ['k,"open\n']
    assert "".join(said for _, said in found) == "".join(lines)
    assert [cells for cells, _ in found[-2:]] == [["quoted\nover lines", "c"], ["last", "d"]]
    assert len(found) == len(lines)


# The peak of the stage's own address space: what wait4 reports begins at that of the process which started it.
PEAK = """
import atexit, runpy, sys
atexit.register(lambda: print(open("/proc/self/status").read()))
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@pytest.mark.long
def test_a_cell_of_100_mb_takes_at_most_900_mb_in_either_stage():
    with Path("rows.csv").open("w") as file:
        file.write("text,label,id\nshort,ham,a\nshort,ham,b\n")
        for _ in range(1_000):
            file.write("".join(choices("abcdefghijklmnopqrstuvwxyz  ", k=100)) * 1_000)
        file.write(",spam,c\n")
    Path("params.yaml").write_text(
        "seed: 7\nmodel: {name: none, revision: null}\nwindows: {reference: {}, current: {source: other.csv}}\n"
        "ingest: {source: rows.csv, columns: {text: text, label: label, id: id}}\nvalidate: {max_quarantined: 0.5}\n"
    )
    for stage in ("ingest", "validate"):
        command = [sys.executable, "-c", PEAK, f"tasks.{stage}", "--window", "reference"]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        assert int(re.findall(r"VmHWM:\s*(\d+) kB", done.stdout)[-1]) * 1024 <= 900e6, stage
