"""What lands, ingest can read; what ingest could not read is refused, and the other files land."""

from __future__ import annotations

import gzip
import io
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.core.errors import UserError
from tasks.dataset.windows import Columns, Windows
from tasks.ingest import Params
from tasks.ingest.__main__ import read_window
from tasks.ingest.windows import plan
from tasks.land import appended
from tasks.land.parts import Parts
from tests.support.landing import landed

PARAMS = """\
windows: {reference: {from: null, until: null}, current: {from: null, until: null}}
ingest: {source: data/landing/mail, columns: {text: text, label: label}}
"""
GOOD = b"text,label\nhello,ham\nbuy,spam\n"


def parquet(**columns):
    target = io.BytesIO()
    pq.write_table(pa.table(columns), target)
    return target.getvalue()


REFUSED = {
    "a web page": ("x.csv", b"<!DOCTYPE html>\n<html><body>Please log in</body></html>\n", "web page or XML"),
    "a web page after blanks": ("x.csv", b"\xef\xbb\xbf\n\n <HTML lang=en>\n", "web page or XML"),
    "an error of a store": (
        "x.csv",
        b'<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code></Error>',
        "web page or XML",
    ),
    "a web page as jsonl": ("x.jsonl", b"<html>\n<head>\n</head>\n</html>\n", "web page or XML"),
    "an error in JSON": ("x.csv", b'{"error": "token expired", "status": 401}\n', "holds JSON"),
    "an array in JSON": ("x.tsv", b'[{"text": "a", "label": "b"}]\n', "holds JSON"),
    "an error as jsonl": ("x.jsonl", b'{"error": "token expired"}\n{"status": 401}\n', "no column 'text'"),
    "other columns": ("x.csv", b"body,topic\nhello,ham\n", "no column 'text', which ingest.columns.text names"),
    "no label": ("x.csv", b"text,topic\nhello,ham\n", "no column 'label', which ingest.columns.label names"),
    "other columns of parquet": ("x.parquet", parquet(body=["a"], label=["b"]), "no column 'text'"),
    "no parquet": ("x.parquet", b"PAR1 is how it begins", "as parquet"),
    "a web page packed": ("x.csv.gz", gzip.compress(b"<html></html>", mtime=0), "web page or XML"),
    "no gzip": ("x.csv.gz", GOOD * 2, "cannot be unpacked|not a gzip|holds|Not a gzipped"),
    "gzip that is cut off": ("x.csv.gz", gzip.compress(GOOD * 50, mtime=0)[:-12], "cannot be unpacked"),
    "a zip": ("x.csv", b"PK\x03\x04" + b"\0" * 40, "holds zip"),
    "parquet as csv": ("x.csv", parquet(text=["a"], label=["b"]), "holds parquet"),
    "gzip as csv": ("x.csv", gzip.compress(GOOD, mtime=0), "holds gzip"),
    "lines that are no JSON": ("x.jsonl", b"text\thello\ntext\tbye\n", "2 of 2 records cannot be split"),
    "mostly too many cells": ("x.csv", b"text,label\n" + b"a,b,c,d,e\n" * 5 + b"a,b\n", "5 of 6 records|cannot be"),
    "UTF-16 without a mark": ("x.csv", "text,label\nhello,ham\n".encode("utf-16-le"), "UTF-16"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_ingest_could_not_use_is_refused_by_name_and_the_others_land(tmp_path, kind):
    file, content, words = REFUSED[kind]
    outside = tmp_path / "exports"
    outside.mkdir()
    Path("params.yaml").write_text(PARAMS)
    (outside / "a.csv").write_bytes(GOOD)
    (outside / file).write_bytes(content)
    (outside / "z.csv").write_bytes(GOOD + b"late,ham\n")
    with pytest.raises(UserError, match=rf"mail: 1 of 3 files were refused, the others landed: {file}.*({words})"):
        landed(source=f"{outside}/*")
    assert [part.read_bytes() for part in sorted(Path("data/landing/mail").iterdir())] == [GOOD, GOOD + b"late,ham\n"]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("x.csv", b""),
        ("x.csv", b"text,label\n"),
        ("x.csv", b"text,label"),
        ("x.csv.gz", gzip.compress(b"", mtime=0)),
        ("x.csv.gz", gzip.compress(b"text,label\n", mtime=0)),
        ("x.jsonl.gz", gzip.compress(b"", mtime=0)),
        ("x.jsonl", b"\n"),
        ("x.parquet", parquet(text=pa.array([], pa.string()), label=pa.array([], pa.string()))),
    ],
)
def test_a_file_that_holds_no_records_is_left_out_with_a_note(tmp_path, file, content):
    (tmp_path / file).write_bytes(content)
    (tmp_path / "y.csv").write_bytes(GOOD)
    (tmp_path / "repository/params.yaml").write_text(PARAMS)
    parts, notes = landed(source=f"{tmp_path}/[xy].*")
    assert len(parts.files) == 1
    assert len(notes) == 1
    assert notes[0].startswith(file)


def test_whatever_lands_ingest_reads(tmp_path):
    """Every file of the list above and good ones at once: what landed is read, record for record."""
    Path("params.yaml").write_text(PARAMS)
    for kind, (file, content, _) in REFUSED.items():
        (tmp_path / f"{kind}.{file.partition('.')[2]}").write_bytes(content)
    for number, age in enumerate(([1, 2], [0.5, None], ["old", "young"])):  # a column that nobody uses
        texts = [f"hello {number}", f"buy {number}"]
        (tmp_path / f"good{number}.parquet").write_bytes(parquet(text=texts, label=["ham", "spam"], age=age))
    with pytest.raises(
        UserError, match=f"{len(REFUSED)} of {len(REFUSED) + 3} files were refused.*; and {len(REFUSED) - 3} more"
    ):
        landed(source=f"{tmp_path}/*.*")
    section = Params(source="data/landing/mail", columns=Columns(text="text", label="label"))
    rows, figures = read_window(plan("reference", Windows(), section))
    assert rows["text"].to_pylist() == ["hello 0", "buy 0", "hello 1", "buy 1", "hello 2", "buy 2"]
    assert figures["problems"] == {}


def test_without_params_only_what_no_reader_takes_is_refused(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"anything,goes\nhere,too\n")
    assert len(landed(source=f"{tmp_path}/x.csv")[0].files) == 1
    Path("params.yaml").write_text("ingest: {nonsense: 1}\n")
    (tmp_path / "x.csv").write_bytes(b"other,names\nhere,too\n")
    assert len(landed(source=f"{tmp_path}/x.csv")[0].files) == 2


def test_what_a_part_corrects_is_printed_as_old_and_new(tmp_path):
    Path("params.yaml").write_text(PARAMS.replace("label: label", "label: label, id: id"))
    (tmp_path / "x.csv").write_bytes(b"id,text,label\nk1,call 0123,ham\nk2,buy,spam\n")
    assert landed(source=f"{tmp_path}/x.csv")[1] == []
    (tmp_path / "x.csv").write_bytes(b"id,text,label\nk1,call,spam\nk2,buy,spam\n")
    _, notes = landed(source=f"{tmp_path}/x.csv")
    assert notes[1:] == [
        "1 rows that landed before are corrected:",
        "  k1: text 'call ####' -> 'call', label 'ham' -> 'spam'",
    ]
    (tmp_path / "x.csv").write_bytes(b"id,text,label\nk1,call,spam\nk2,buy,spam\nk3,new,ham\n")
    assert landed(source=f"{tmp_path}/x.csv")[1] == []


@pytest.mark.proof
def test_landing_many_files_compares_each_with_few(tmp_path, monkeypatch):
    """The work grows with the files, not with their square: counted in comparisons and in parts that are listed."""
    compared, listed = Counter(), Counter()
    appended_from, verified = appended.appended_from, Parts._verified

    def counted(copy, chain, extension):
        compared[len(chain)] += 1
        return appended_from(copy, chain, extension)

    def listing(self):
        listed["times"] += 1
        return verified(self)

    monkeypatch.setattr(appended, "appended_from", counted)
    monkeypatch.setattr(Parts, "_verified", listing)
    for number in range(300):
        (tmp_path / f"{number:03}.csv").write_text(f"text,label\nrow {number},ham\nmore {number},spam\n")
    assert len(landed(source=f"{tmp_path}/*.csv")[0].files) == 300
    assert not compared
    (tmp_path / "007.csv").write_text("text,label\nrow 7,ham\nmore 7,spam\nand 7,ham\n")
    _, notes = landed(source=f"{tmp_path}/*.csv")
    assert notes[0].startswith("007.csv begins with all of 000008-")
    assert compared == {1: 1}
    assert listed["times"] == 2
