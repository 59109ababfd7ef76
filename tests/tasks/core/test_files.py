"""Artefacts are written whole or not at all, and the same content gives the same bytes."""

from __future__ import annotations

import json
import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import UserError
from tasks.core.files import DIGITS, read_json, replacing, rounded, write_json, write_metrics
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


FIGURES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
    max_leaves=8,
)


@pytest.mark.proof
@given(st.dictionaries(st.text(), FIGURES))
def test_metrics_are_rounded_once_and_by_half_a_step_at_most(value):
    once = rounded(value)
    assert json.dumps(rounded(once)) == json.dumps(once)
    for before, after in zip(numbers(value), numbers(once), strict=True):
        assert type(before) is type(after)
        if isinstance(before, float):  # whose neighbours may be further apart than a step
            assert abs(before - after) <= 0.5001 * 10**-DIGITS + 2 * math.ulp(before)
        else:
            assert before == after


def test_what_is_small_does_not_become_nothing():
    assert rounded({"p": 0.00012345, "of": [-0.0034567, 3.2e-17]}) == {"p": 0.00012, "of": [-0.0035, 0.0]}


def numbers(value):
    """What stands at the ends, in order."""
    if isinstance(value, dict | list):
        return [end for one in (value.values() if isinstance(value, dict) else value) for end in numbers(one)]
    return [value]


def test_figures_that_differ_by_what_another_processor_adds_give_the_same_bytes(tmp_path):
    for number, share in enumerate((0.97289157, 0.97289157 + 1e-8)):
        write_metrics({"share": share, "of": [{"none": -share * 1e-9}]}, tmp_path / f"{number}.json")
    assert (tmp_path / "0.json").read_bytes() == (tmp_path / "1.json").read_bytes()
    assert b"-0.0" not in (tmp_path / "0.json").read_bytes()
