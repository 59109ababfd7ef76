"""Labels as sources write several of them: lists, JSON lists as text, and text with a separator."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from tasks.core.errors import UserError
from tasks.dataset.labels import MULTI, SINGLE, LabelFormat
from tasks.ingest.names import LabelSyntax


def read(values, separator=None, kind=None):
    column = pa.chunked_array([pa.array(values, kind)])
    return LabelSyntax(MULTI, separator).read(column, frozenset(), "rows.parquet: column 'topics'")


def cells(*found):
    return [None if one is None else json.dumps(one) for one in found]


def test_a_list_column_gives_sets_in_order_each_label_once():
    found = read([["b", "a", "b"], [], None, ["a", ""]], kind=pa.list_(pa.string()))
    assert found.values.to_pylist() == cells(["a", "b"], [], None, ["a"])


def test_numbers_in_a_list_are_labels_as_they_are_written():
    assert read([[2, 10]], kind=pa.list_(pa.int64())).values.to_pylist() == cells(["10", "2"])


def test_text_with_a_separator_and_json_lists_as_text():
    found = read(["b; a", "a", "[]", "", None, '["x; y"]'], separator=";")
    assert found.values.to_pylist() == cells(["a", "b"], ["a"], [], None, None, ["x; y"])


def test_text_without_a_separator_is_refused_by_the_key():
    with pytest.raises(UserError, match=r"set ingest\.label_separator"):
        read(["a;b"])


def test_a_list_that_holds_no_names_is_held():
    found = read(['[{"label": "a"}]', '["a"]'])
    assert found.others == {0} and found.values.to_pylist() == cells(None, ["a"])


@pytest.mark.parametrize("written", [SINGLE, MULTI])
def test_a_cell_holds_its_labels(written):
    assert written.labels(written.cell(["a"])) == ("a",)
    assert written.count([written.cell(["a"]), None, written.cell(["a"])]) == {"a": 2}


def test_equal_sets_are_equal_cells():
    assert MULTI.cell(["b", "a"]) == MULTI.cell(["a", "b", "a"]) != MULTI.cell(["a"])
    assert LabelFormat("multi_label") == MULTI
