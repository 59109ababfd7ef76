"""The rows of each format, by hand and from the files that tools wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.core.errors import UserError
from tasks.dataset.windows import Columns, Windows
from tasks.ingest import Params, json_array, left_out, sheets, sources
from tasks.ingest.__main__ import read_window
from tasks.ingest.windows import plan
from tests.everyday.measure import read
from tests.everyday.table import FILES
from tests.support.workbooks import workbook

A, B = {"text": "first", "label": "a"}, {"text": "zwölf 👍", "label": "b"}
ENDINGS = (".json", ".jsonl", ".ndjson", ".xlsx", ".ods", ".xls")
"""Endings of the everyday files whose readers are tested here."""


@pytest.fixture
def put(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def put(name, content):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(content, str | bytes):
            content = json.dumps(content, ensure_ascii=False)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return name.split("/")[0]

    return put


def ingest(source, columns=None, **more):
    section = Params(columns=Columns(**(columns or {"text": "text", "label": "label"})), **more)
    windows = Windows.model_validate({"reference": {"source": source}})
    return read_window(plan("reference", windows, section))


def pairs(rows):
    return list(zip(rows["text"].to_pylist(), rows["label"].to_pylist(), strict=True))


BOTH = [("first", "a"), ("zwölf 👍", "b")]


def refusal(*arguments, **more):
    with pytest.raises(UserError) as found:
        ingest(*arguments, **more)
    return str(found.value)


MINE = [
    file
    for file in FILES
    if (file.name.endswith(ENDINGS) or "spark" in file.name or "partitions" in file.name)
    and not file.name.startswith("spark_csv")
]


@pytest.mark.parametrize("file", MINE, ids=lambda file: file.name)
def test_everyday_files_come_out_right(file):
    found = read(file, file.param)
    assert sorted((list(row[:3]) for row in found if row[3] is None), key=str) == sorted(map(list, file.rows), key=str)
    assert sum(row[3] is not None for row in found) == file.held


@pytest.mark.parametrize(
    "content",
    [
        [A, B],
        json.dumps([A, B], indent=2),
        " \n[" + json.dumps(A) + "\n,\n" + json.dumps(B) + "]\n ",
        json.dumps(A) + "\n" + json.dumps(B) + "\n",
        json.dumps(A, indent=1) + json.dumps(B, indent=1),
        {"text": ["first", "zwölf 👍"], "label": ["a", "b"]},
        {"text": {"7": "first", "8": "zwölf 👍"}, "label": {"7": "a", "8": "b"}},
        {"x": A, "y": B},
        {"columns": ["text", "label"], "index": [0, 1], "data": [["first", "a"], ["zwölf 👍", "b"]]},
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_shapes_of_json(put, content, encoding):
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    put("data.json", text.encode(encoding))
    rows, _ = ingest("data.json")
    assert pairs(rows) == BOTH and rows["problem"].null_count == 2


def test_one_object_is_one_record(put):
    put("data/1.json", A)
    put("data/2.json", json.dumps(B, indent=2))
    assert pairs(ingest("data")[0]) == BOTH


def test_records_are_where_the_path_says(put):
    put("data.json", {"data": {"items": [A, B], "next": None}})
    assert pairs(ingest("data.json", records="data.items")[0]) == BOTH
    assert "say `records: data.items` under ingest" in refusal("data.json")
    assert "there are lists at: data.items" in refusal("data.json", records="data.rows")


def test_an_array_named_jsonl_is_read(put):
    put("data.jsonl", [A, B])
    assert pairs(ingest("data.jsonl")[0]) == BOTH


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_where_a_block_ends_makes_no_difference(put, size, monkeypatch):
    records = [{"text": f'a "{{[,]}}" \\ {i}', "label": "ü", "n": 10**i, "deep": [{"x": [i, None]}]} for i in range(30)]
    put("data.json", json.dumps(records, indent=1, ensure_ascii=False))
    monkeypatch.setattr(json_array, "CHUNK", size)
    monkeypatch.setattr("tasks.ingest.json_documents.HEAD", size)
    rows, _ = ingest("data.json")
    assert rows["text"].to_pylist() == [one["text"] for one in records]
    assert rows["n"].to_pylist() == [str(10**i) for i in range(30)]


def test_numbers_are_kept_as_they_are_written(put):
    put("data.json", '[{"text": "x", "label": 1.0, "n": 12345678901234567890.10}, {"text": "y", "label": 1, "n": 1e5}]')
    rows, _ = ingest("data.json")
    assert rows["label"].to_pylist() == ["1.0", "1"] and rows["n"].to_pylist() == ["12345678901234567890.10", "1e5"]


def test_a_dotted_name_leads_into_objects(put):
    inside = [{"data": {"text": "x", "by": {"who": "me"}}, "label": "a"}, {"data": None, "label": "b"}]
    columns = {"text": "data.text", "label": "label", "id": "data.by.who"}
    for name in ("data.json", "data.jsonl"):
        put(name, inside if name == "data.json" else "\n".join(map(json.dumps, inside)))
        assert pairs(ingest(name, columns | {"id": None})[0]) == [("x", "a"), (None, "b")]
    assert ingest("data.json", columns)[0]["id"].to_pylist()[0] == "me"
    assert "no column 'data.txt'" in refusal("data.json", {"text": "data.txt"})


def test_partitions_are_columns(put):
    for lang, text in (("en", "first"), ("__HIVE_DEFAULT_PARTITION__", "second"), ("a%2Fb", "third")):
        put(f"data/year=2020/lang={lang}/part-0.csv", f"text\n{text}\n")
    rows, _ = ingest("data", {"text": "text", "label": "year"})
    found = dict(zip(rows["text"].to_pylist(), rows["lang"].to_pylist(), strict=True))
    assert found == {"first": "en", "second": None, "third": "a/b"} and set(rows["label"].to_pylist()) == {"2020"}


def test_a_partition_that_the_file_has_too_must_agree(put):
    put("data/label=a/x.csv", "text,label\nfirst,a\n")
    assert pairs(ingest("data")[0]) == [("first", "a")]
    put("data/label=a/x.csv", "text,label\nfirst,b\n")
    assert "column 'label' that differs from its folder's name, label=a" in refusal("data")


def test_by_files_are_ignored_and_named(put):
    put("data/a.csv", "text,label\nfirst,a\n")
    for name in ("README.md", "LICENSE", "Thumbs.db", "_SUCCESS", ".a.csv.crc", ".gitignore", "sha256sums"):
        put(f"data/{name}", "x")
    rows, figures = ingest("data")
    assert pairs(rows) == [("first", "a")]
    names = ["data/.a.csv.crc", "data/LICENSE", "data/README.md", "data/Thumbs.db", "data/_SUCCESS", "data/sha256sums"]
    assert figures["files_ignored"] == {"count": 6, "first": names}
    assert "'LICENSE'" in "".join(left_out.lines(figures)) and "1 more" in "".join(left_out.lines(figures))


@pytest.mark.parametrize("name", ["license_plates.csv", "readme.csv", "_train.csv", "notices.csv", "authors.tsv"])
def test_data_with_a_name_like_a_by_file_is_data(put, name):
    put(f"data/{name}", "text,label\nfirst,a\n".replace(",", "\t" if name.endswith("tsv") else ","))
    rows, figures = ingest("data")
    assert pairs(rows) == [("first", "a")] and "files_ignored" not in figures


def test_where_filters_and_counts(put):
    put("data.csv", "text,label,lang,n\nfirst,a,en,1\nsecond,b,de,2\nthird,a,,1\nfourth,b,fr,3\n")
    rows, figures = ingest("data.csv", where={"lang": ["en", "de"]})
    assert rows["text"].to_pylist() == ["first", "second"] and figures["left_out"] == {"where": 2}
    assert ingest("data.csv", where={"lang": None})[0]["text"].to_pylist() == ["third"]
    assert ingest("data.csv", where={"lang": "en", "n": 1})[0]["text"].to_pylist() == ["first"]
    assert list(left_out.lines(figures)) == ["left out: 2 records (where)"]
    assert "no column 'lng', which ingest.where names; it has 'text', 'label', 'lang', 'n'" in refusal(
        "data.csv", where={"lng": "en"}
    )
    said = refusal("data.csv", where={"lang": "es"})
    assert "'en' (1)" in said and "ingest.where" in said


def test_where_on_typed_columns_and_on_columns_of_some_lines(put):
    table = pa.table({"text": ["x", "y"], "label": ["a", "b"], "ok": [True, False], "n": [1, 2]})
    pq.write_table(table, "data.parquet")
    assert ingest("data.parquet", where={"ok": True, "n": [1, 2]})[0]["text"].to_pylist() == ["x"]
    put("data.jsonl", '{"text": "x", "label": "a"}\n{"text": "y", "label": "b", "ok": true}\n')
    assert ingest("data.jsonl", where={"ok": True})[0]["text"].to_pylist() == ["y"]
    assert "no column 'no'" in refusal("data.jsonl", where={"no": 1})


def test_left_out_rows_of_another_window_are_not_counted_here(put):
    put("data.csv", "text,label,at,lang\nx,a,2020-01-01,en\ny,b,2020-01-02,de\nz,a,2021-01-01,de\nw,b,2021-01-02,en\n")
    ranges = {"reference": {"until": "2020-06-01"}, "current": {"from": "2020-06-01"}}
    columns = Columns(text="text", label="label", timestamp="at")
    section = Params(source="data.csv", columns=columns, where={"lang": "en"})
    for window, text in (("reference", "x"), ("current", "w")):
        rows, figures = read_window(plan(window, Windows.model_validate(ranges), section))
        assert rows["text"].to_pylist() == [text] and figures["left_out"] == {"where": 1}
    assert figures["source"] == {
        "path": "data.csv", "records": 4, "reference": 1, "current": 1, "undated": 0, "outside": 0, "left_out": 2
    }  # fmt: skip


HEAD = {"A1": "text", "B1": "label"}


def put_book(cells):
    Path("data.xlsx").write_bytes(workbook(cells))
    return "data.xlsx"


def test_cells_are_written_as_the_sheet_shows_them(put):
    cells = {
        "A2": "first",
        "B2": "<><v>1</v>",
        "A3": "second",
        "B3": "<><v>0.5</v>",
        "A4": "third",
        "B4": '<t="b"><v>1</v>',
    }
    rows, _ = ingest(put_book(HEAD | cells))
    assert pairs(rows) == [("first", "1"), ("second", "0.5"), ("third", "TRUE")]


def test_a_formula_that_failed_is_held_where_it_plays_a_part(put):
    cells = {"C1": "x", "A2": "first", "B2": '<t="e"><f>1/0</f><v>#DIV/0!</v>', "C2": "y"}
    cells |= {"A3": "second", "B3": "b", "C3": '<t="e"><v>#N/A</v>'}
    rows, _ = ingest(put_book(HEAD | cells))
    assert rows["problem"].to_pylist() == [sheets.CELL_ERROR, None]
    assert rows["x"].to_pylist() == ["y", "#N/A"] and b"#DIV/0!" in rows["source_bytes"][0].as_py()


def test_a_table_that_begins_further_down_and_has_gaps(put):
    cells = {"B3": "text", "C3": "label", "B5": "first", "C5": "a", "B9": "second", "C9": "b"}
    assert pairs(ingest(put_book(cells))[0]) == [("first", "a"), ("second", "b")]


def test_the_first_sheet_or_the_named_one():
    sheet = next(file for file in FILES if file.name == "openpyxl_second_sheet.xlsx")
    with pytest.raises(UserError, match="say `sheet: tickets` under ingest"):
        read(sheet, {})
    with pytest.raises(UserError, match=r"no sheet 'Tickets', which ingest.sheet names; it has 'About', 'tickets'"):
        read(sheet, {"sheet": "Tickets"})


def task(number, *annotations, **data):
    made = [
        {"result": [{"from_name": "kind", "type": "choices", "value": {"choices": one}}] if one else [], **more}
        for one, more in annotations
    ]
    return {"id": number, "data": data, "annotations": made}


def test_label_studio(put):
    tasks = [
        task(1, (["a"], {}), text="one"),
        task(2, (["a"], {}), (["a"], {}), text="agreed"),
        task(3, (["a"], {}), (["b"], {}), text="disputed"),
        task(4, (["a"], {}), (["b"], {"ground_truth": True}), text="decided"),
        task(5, (None, {"was_cancelled": True}), text="skipped"),
        task(6, text="open"),
        task(7, (["b"], {"was_cancelled": True}), (["a"], {}), text="once skipped"),
        task(8, (["a", "b"], {}), text="several"),
    ]
    put("data.json", tasks)
    rows, figures = ingest("data.json", {"text": "text", "label": "kind", "id": "id"}, format="label_studio")
    assert figures["left_out"] == {"cancelled": 1, "not_annotated": 1}
    assert figures["problems"] == {"annotations_differ": 1, "label_multiple": 1}
    good = [pair for pair, problem in zip(pairs(rows), rows["problem"].to_pylist(), strict=True) if problem is None]
    assert good == [("one", "a"), ("agreed", "a"), ("decided", "b"), ("once skipped", "a")]
    assert rows["id"].to_pylist() == ["1", "2", "3", "4", "7", "8"]


def test_doccano_and_prodigy(put):
    doccano = [{"text": "x", "label": ["a"]}, {"text": "y", "label": []}, {"text": "z", "label": ["a", "b"]}]
    put("data.jsonl", "\n".join(map(json.dumps, doccano)))
    rows, figures = ingest("data.jsonl", format="doccano")
    assert rows["text"].to_pylist() == ["x", "z"] and rows["label"][0].as_py() == "a"
    assert figures["left_out"] == {"not_annotated": 1} and figures["problems"] == {"label_multiple": 1}
    prodigy = [
        {"text": "x", "_input_hash": 1, "label": "a", "answer": "accept"},
        {"text": "x", "_input_hash": 1, "label": "b", "answer": "reject"},
        {"text": "y", "_input_hash": 2, "accept": ["b"], "answer": "accept"},
        {"text": "z", "_input_hash": 3, "label": "a", "answer": "accept"},
        {"text": "z", "_input_hash": 3, "label": "b", "answer": "accept"},
        {"text": "v", "_input_hash": 4, "label": "b", "answer": "ignore"},
        {"text": "x", "_input_hash": 1, "label": "a", "answer": "accept"},
    ]
    put("data.jsonl", "\n".join(map(json.dumps, prodigy)))
    rows, figures = ingest("data.jsonl", format="prodigy")
    assert figures["left_out"] == {"annotated_twice": 1, "ignored": 1, "rejected": 1}
    assert figures["problems"] == {"annotations_differ": 2}
    good = [pair for pair, problem in zip(pairs(rows), rows["problem"].to_pylist(), strict=True) if problem is None]
    assert good == [("x", "a"), ("y", "b")]


def test_an_export_of_prodigy_that_is_not_declared_is_said(put):
    put("data.jsonl", json.dumps({"text": "x", "label": "a", "answer": "reject", "_task_hash": 1}))
    window = plan("reference", Windows.model_validate({"reference": {"source": "data.jsonl"}}), Params())
    opening = window.opening()
    assert [part.records for part in sources.read_parts(Path("data.jsonl"), opening)] == [1]
    assert ["set `format: prodigy`" in line for line in opening.notes.lines] == [True]


def test_a_broken_line_of_an_export_is_held_not_left_out(put):
    put("data.jsonl", '{"text": "x", "label": ["a"]}\n{"text": "y", "label": ["\n')
    rows, figures = ingest("data.jsonl", format="doccano")
    assert figures["problems"] == {"record_unparseable": 1} and "left_out" not in figures and len(rows) == 2


def test_a_zip_archive_is_refused_with_the_command(put):
    put("data.zip", b"PK")
    assert "unzip data.zip -d data" in refusal("data.zip")


ESCAPED = [
    ("x\\ty\\nz", "x\ty\nz"),
    ("x\\\\n", "x\\n"),
    ("x\\\ty", "x\ty"),
    ("x\\\ny", "x\ny"),
    ("C:\\\\new", "C:\\new"),
    ('say "no', 'say "no'),
    ("\\N", None),
    ("\\\\N", "\\N"),
    ("", ""),
]


@pytest.mark.parametrize(("written", "text"), ESCAPED)
def test_text_of_databases(put, written, text):
    put("data.tsv", f"text\tlabel\nbefore\ta\n{written}\tb\nafter\tc\n\\.\nno record\n")
    rows, _ = ingest("data.tsv", format="database_text")
    assert pairs(rows) == [("before", "a"), (text, "b"), ("after", "c")] and rows["problem"].null_count == 3


def test_text_of_databases_that_is_damaged_is_held(put):
    put("data.tsv", "x\ta\ny\nz\tb\tc\nw\td\\")
    keys = {"format": "database_text", "dialect": {"header": 0}}
    rows, figures = ingest("data.tsv", {"text": "1", "label": "2"}, **keys)
    assert figures["problems"] == {"record_unparseable": 2} and pairs(rows)[0] == ("x", "a") and len(rows) == 4
    assert rows["source_bytes"].to_pylist()[1:3] == [b"y", b"z\tb\tc"]
