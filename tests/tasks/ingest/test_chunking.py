"""However a file comes in pieces, from the disk or to the next step, the records are those of the whole."""

from __future__ import annotations

import gzip
import json
from functools import partial
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.ingest import delimited, lines, parts, streams
from tasks.ingest.decoding import Opening
from tasks.ingest.streams import Budget

values = st.text(st.sampled_from("aé漢😀\r\n\u2028\x85\x0b\t ,;\"\\'"), max_size=12)
records = st.lists(st.fixed_dictionaries({"text": values, "label": values}), min_size=1, max_size=12)
pieces = st.tuples(st.integers(1, 40), st.integers(1, 5), st.integers(1, 60))  # bytes, records, characters
WHOLE = (1 << 18, 20_000, 1 << 24)


def read_in(pieces, read, path):
    """Every record as (values, its bytes), read and handed on in pieces of these sizes."""
    size, count, characters = pieces
    found = []
    with (
        patch.object(streams, "BUFFER", size),
        patch.object(parts, "MAX_RECORDS", count),
        patch.object(parts, "MAX_CHARACTERS", characters),
    ):
        for part in read(path, Opening(Budget(10**9))):
            assert part.first == len(found), "a part says how many records stand before it"
            rows = part.table.to_pylist() or [{} for _ in range(part.records)]
            there = [{name: value for name, value in row.items() if value is not None} for row in rows]
            found += [(row, part.record(i)) for i, row in enumerate(there)]
    return found


def written(folder, rows, ending, packed):
    content = "".join(json.dumps(row, ensure_ascii=False) + ending for row in rows).encode()
    path = folder / ("rows.jsonl.gz" if packed else "rows.jsonl")
    path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    return path


@pytest.mark.proof
@given(rows=records, ending=st.sampled_from(["\n", "\r\n", "\n\n", " \n"]), packed=st.booleans(), pieces=pieces)
def test_lines_are_the_same_under_any_chunking(tmp_path_factory, rows, ending, packed, pieces):
    path = written(tmp_path_factory.mktemp("lines"), rows, ending, packed)
    found = read_in(pieces, lines.read_jsonl_parts, path)
    assert [row for row, _ in found] == rows
    assert found == read_in(WHOLE, lines.read_jsonl_parts, path)
    assert [json.loads(record) for _, record in found] == rows


lines_of_any_kind = st.lists(
    st.sampled_from(['{"a": "b"}', '{"a": 1.50}', "{", "\n", "\n\n", "\r", " ", "é", "\u2028"]), max_size=20
)


@pytest.mark.proof
@given(content=lines_of_any_kind, pieces=pieces)
def test_what_is_no_record_stays_where_it_is_under_any_chunking(tmp_path_factory, content, pieces):
    path = tmp_path_factory.mktemp("lines") / "rows.jsonl"
    path.write_bytes("".join(content).encode())
    found = read_in(pieces, lines.read_jsonl_parts, path)
    assert found == read_in(WHOLE, lines.read_jsonl_parts, path)
    expected = [line for line in path.read_bytes().split(b"\n") if line.strip(b" \t\r\n")]
    assert [record for _, record in found] == [line.rstrip(b"\r\n") for line in expected]


@pytest.mark.proof
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@given(rows=records, pieces=pieces)
def test_delimited_records_are_the_same_under_any_chunking(tmp_path_factory, ending, rows, pieces):
    quoted = (",".join('"' + row[name].replace('"', '""') + '"' for name in ("text", "label")) for row in rows)
    path = tmp_path_factory.mktemp("delimited") / "rows.csv"
    path.write_bytes(ending.join(["text,label", *quoted, ""]).encode())
    found = read_in(pieces, partial(delimited.read_delimited_parts, delimiter=","), path)
    assert [row for row, _ in found] == rows
