"""Tables of any size: in pieces the same bytes, in files the same values, and memory that is given back."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.core import tables
from tasks.core.errors import UserError
from tasks.core.tables import batches, on_disk, unpacked, write_table, writing_table


@pytest.mark.parametrize("rows", [0, 1, 10, 20, 25])
def test_a_table_in_pieces_is_the_same_bytes(tmp_path, monkeypatch, rows):
    monkeypatch.setattr(tables, "GROUP", 10)
    table = pa.table({"id": [f"r{row}" for row in range(rows)], "n": pa.array(range(rows), pa.int64())})
    write_table(table, tmp_path / "whole.parquet")
    for size in (1, 7, 10):
        with writing_table(tmp_path / "pieces.parquet", table.schema) as write:
            for start in range(0, rows, size):
                write(table.slice(start, size))
        assert (tmp_path / "pieces.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert pq.ParquetFile(tmp_path / "whole.parquet").metadata.num_row_groups == max(1, -(-rows // 10))
    assert unpacked(tmp_path / "whole.parquet").equals(table)


def test_a_block_that_fails_leaves_the_table_that_was_there(tmp_path):
    write_table(pa.table({"n": [1]}), tmp_path / "t.parquet")
    with pytest.raises(ValueError), writing_table(tmp_path / "t.parquet", pa.schema([("n", pa.int64())])) as write:
        write(pa.table({"n": [2]}))
        raise ValueError
    assert unpacked(tmp_path / "t.parquet")["n"].to_pylist() == [1] and len(list(tmp_path.iterdir())) == 1


def test_tables_of_several_schemas_are_kept_in_a_file_without_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    some = [pa.table({"n": [1, 2]}), pa.table({"text": ["a", None, "é"]}), pa.table({"n": pa.nulls(2)})]
    assert all(one.equals(other) for one, other in zip(on_disk(some), some, strict=True))
    assert on_disk([]) == [] and not list(Path("data").iterdir())


def test_a_damaged_file_and_a_folder_are_refused_by_name(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1 not parquet")
    (tmp_path / "folder").mkdir()
    for name, error in (("t.parquet", UserError), ("none.parquet", UserError), ("folder", IsADirectoryError)):
        with pytest.raises(error, match=name):
            unpacked(tmp_path / name)


@pytest.mark.slow
def test_rows_that_were_walked_take_no_memory(tmp_path):
    rows = pa.table({"text": ["x" * 1000] * 100_000})
    write_table(rows, tmp_path / "t.parquet")
    table, size = unpacked(tmp_path / "t.parquet"), rows.nbytes
    del rows
    pa.default_memory_pool().release_unused()
    process = psutil.Process(os.getpid())
    before, most = process.memory_info().rss, 0
    for batch in batches(table):
        assert sum(len(text) for text in batch["text"].to_pylist()[:1000]) == 1_000_000
        most = max(most, process.memory_info().rss - before)
    assert len(table) * 1000 <= size and most < size / 2
    assert process.memory_info().rss - before < size / 5
