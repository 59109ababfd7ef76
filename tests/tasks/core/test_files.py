"""Artefacts are written whole or not at all, and the same content gives the same bytes."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tasks.core.errors import UserError
from tasks.core.files import read_json, replacing, write_json
from tasks.core.tables import read_table, write_table


def test_bytes_do_not_depend_on_chunks_or_metadata(tmp_path):
    whole = pa.table({"a": list(range(10)), "b": list("abcdefghij")})
    parts = pa.concat_tables([whole.slice(0, 3), whole.slice(3)]).replace_schema_metadata({"pandas": "index"})
    write_table(whole, tmp_path / "whole.parquet")
    write_table(parts, tmp_path / "parts.parquet")
    assert (tmp_path / "whole.parquet").read_bytes() == (tmp_path / "parts.parquet").read_bytes()
    assert read_table(tmp_path / "parts.parquet", ["b"]).column_names == ["b"]


def test_an_interrupted_write_leaves_what_was_there(tmp_path):
    file = tmp_path / "folder" / "file.json"
    write_json({"a": 1}, file)
    with pytest.raises(KeyboardInterrupt), replacing(file) as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert read_json(file) == {"a": 1}
    assert [path.name for path in file.parent.iterdir()] == ["file.json"]


def test_not_a_number_is_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json({"a": float("nan")}, tmp_path / "file.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("read", [read_table, read_json])
def test_a_missing_artefact_says_how_to_make_it(tmp_path, read):
    with pytest.raises(UserError, match="dvc repro"):
        read(tmp_path / "nosuch")
