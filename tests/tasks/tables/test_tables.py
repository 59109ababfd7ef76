"""A table comes back as it was written, and what cannot be read is named with its place."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tasks.core.errors import UserError
from tasks.tables.any_table import FORMATS, empty_as_missing, read_any_table, write_any_table
from tasks.tables.delimited import read_delimited, write_delimited

PIECES = st.sampled_from(
    ["=", "+", "-", "@", "\t", "\r", "\n", "\r\n", "'", '"', ",", "", "01", "1e3", "漢", "\0", " "]
)
CELLS = st.one_of(st.text(max_size=8), st.lists(PIECES, max_size=5).map("".join))
quick = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def tables(draw):
    names = draw(
        st.lists(CELLS.filter(lambda name: not name.startswith("\ufeff")), min_size=1, max_size=3, unique=True)
    )
    rows = draw(st.lists(st.lists(CELLS, min_size=len(names), max_size=len(names)), max_size=4))
    return pa.table([pa.array([row[i] for row in rows], pa.string()) for i in range(len(names))], names=names)


@pytest.mark.proof
@quick
@given(table=tables(), guarded=st.booleans(), delimiter=st.sampled_from(",\t"))
@example(table=pa.table({"a": ["one\rtwo", "one\r\ntwo", "'=1", "''=1", "'", "=1"]}), guarded=True, delimiter=",")
@example(table=pa.table({"a": [""]}), guarded=False, delimiter=",")
def test_every_text_comes_back_from_csv_and_tsv(tmp_path, table, guarded, delimiter):
    write_delimited(table, tmp_path / "a", delimiter, guarded=guarded)
    assert read_delimited(tmp_path / "a", delimiter, guarded=guarded).equals(table)


@pytest.mark.proof
@quick
@given(table=tables(), ending=st.sampled_from(sorted(FORMATS)))
def test_every_format_gives_the_same_table(tmp_path, table, ending):
    file = tmp_path / f"rows{ending}"
    write_any_table(table, file)
    back = read_any_table(file)
    if ending != ".jsonl" or len(table):  # a file without lines names no columns
        assert back.to_pydict() == table.to_pydict()


@pytest.mark.proof
@quick
@given(table=tables())
def test_a_spreadsheet_finds_no_formula(tmp_path, table):
    write_delimited(table, tmp_path / "a.csv", guarded=True)
    records = csv.reader(io.StringIO((tmp_path / "a.csv").read_bytes().decode(), newline=""))
    assert not [cell for record in records for cell in record if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_numbers_are_not_guarded(tmp_path):
    write_delimited(pa.table({"n": [-1.5, None]}), tmp_path / "a.csv", guarded=True)
    assert (tmp_path / "a.csv").read_text() == 'n\n-1.5\n""\n'


@pytest.mark.proof
@pytest.mark.parametrize("ending", sorted(FORMATS))
def test_long_cells_and_line_ends_are_kept(tmp_path, ending):
    """CRLF inside quotes at every distance from the block boundaries that pyarrow.csv cuts at, and one long cell."""
    texts = ["x" * 1_000_000, *("y" * (1021 + i) + "\r\nz\r\n" for i in range(2_000))]
    file = tmp_path / f"rows{ending}"
    write_any_table(pa.table({"text": texts, "code": ["01"] * len(texts)}), file)
    back = read_any_table(file)
    assert back["text"].to_pylist() == texts
    assert set(back["code"].to_pylist()) == {"01"}


def test_columns_can_be_left_out(tmp_path):
    for ending in FORMATS:
        write_any_table(pa.table({"a": ["x"], "b": ["y"]}), tmp_path / f"rows{ending}")
        assert read_any_table(tmp_path / f"rows{ending}", without=("b", "c")).column_names == ["a"]


def test_every_key_of_a_jsonl_is_a_column_and_types_stay(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"n": 1}\n\n{"t": "01", "s": 0.5}\n')
    assert read_any_table(tmp_path / "a.jsonl").to_pylist() == [
        {"n": 1, "t": None, "s": None},
        {"n": None, "t": "01", "s": 0.5},
    ]


def test_an_empty_text_can_count_as_missing():
    table = pa.table({"a": ["", "x", None], "n": [1, 2, 3], "b": pa.array(["", "", ""], pa.large_string())})
    assert empty_as_missing(table).to_pydict() == {"a": [None, "x", None], "n": [1, 2, 3], "b": [None] * 3}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "a.csv, line 1: the first line must name the columns"),
        ("a.csv", b"a,a\n", "two columns are called 'a'"),
        ("a.csv", b'a,b\n\n"x\ny",z\nx\n', "a.csv, line 5: the record has 1 values, the header 2"),
        ("a.tsv", b'a\tb\nx\t"y\n', "a.tsv, line 2: not valid csv"),
        ("a.csv", b"a\nx\n\xff\n", "a.csv, line 3: not UTF-8"),
        ("a.jsonl", b'{"a": 1}\n{"a": \n', "a.jsonl, line 2: not valid JSON"),
        ("a.jsonl", b'{"a": 1}\n[1]\n', "a.jsonl, line 2: not a JSON object"),
        ("a.jsonl", b'{"a": 1}\n{"a": 2}\n{"a": "x"}\n', "a.jsonl, row 3: column 'a' holds 'x'"),
        ("a.jsonl", b'{"a": "x"}\n{"a": "\\ud800"}\n', "a.jsonl, row 2: column 'a'"),
        ("a.parquet", b"x", "a.parquet cannot be read as parquet"),
        ("a.xls", b"x", "a.xls: unknown format: use one of .csv, .tsv, .jsonl, .parquet"),
        *((f"a{ending}", None, f"a{ending} does not exist") for ending in FORMATS),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(tmp_path, monkeypatch, name, content, words):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as refusal:
        read_any_table(Path(name))
    assert words in str(refusal.value)


def test_a_parquet_file_that_is_not_utf_8_is_refused(tmp_path):
    odd = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"]).buffers())
    pq.write_table(pa.table({"a": odd}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="cannot be read as parquet"):
        read_any_table(tmp_path / "a.parquet")


def test_lines_stay_as_they_are(tmp_path):
    row = {"text": "a\u2028b", "tags": ["x", "y"], "n": 3}
    write_any_table(pa.Table.from_pylist([row]), tmp_path / "a.jsonl")
    assert json.loads((tmp_path / "a.jsonl").read_text()) == row
    assert read_any_table(tmp_path / "a.jsonl").to_pylist() == [row]
