"""Rows that share an id: of a landing the latest part counts, elsewhere two that differ are both held."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.dataset.schema import RAW
from tasks.ingest.ids import fill_ids
from tasks.ingest.notes import repeated_notes
from tasks.ingest.repeated import LANDED_AGAIN, SUPERSEDED, landing_of
from tasks.validate.corrections import UNCOUNTED, corrections

WHEN = datetime(2020, 1, 1, tzinfo=UTC)


def part(number, landing="in"):
    return f"data/landing/{landing}/{number:06d}-{number:016x}.csv"


def table(rows, **extra):
    """Rows of (file, id, text, label), as they are before they have ids of their own."""
    places = Counter()
    values = []
    for file, key, text, label in rows:
        values.append((key, text, label, WHEN, file, places[file], None, None))
        places[file] += 1
    made = pa.table([list(column) for column in zip(*values, strict=True)], schema=RAW)
    for name, column in extra.items():
        made = made.append_column(name, pa.array(column))
    return made


def judged(rows, later=None, **extra):
    """Text and label of each row that counts, in order, and the problems of the others by id and text."""
    filled = fill_ids(table(rows, **extra), later).to_pylist()
    assert len({row["id"] for row in filled}) == len(filled) == len(rows)
    counts = [(row["id"], row["text"], row["label"]) for row in filled if row["problem"] is None]
    return counts, {
        (row["text"], row["label"], row["source_file"][-5]): row["problem"] for row in filled if row["problem"]
    }


def test_the_latest_part_counts_and_takes_the_place_of_the_first():
    one, two = part(1), part(2)
    counts, others = judged([(one, "k", "x", "a"), (one, "j", "y", "a"), (two, "n", "z", "b"), (two, "k", "x", "b")])
    assert counts == [("k", "x", "b"), ("j", "y", "a"), ("n", "z", "b")]
    assert others == {("x", "a", "1"): "superseded"}


def test_a_row_that_lands_again_unchanged_leaves_the_first_where_it_is():
    counts, others = judged([(part(1), "k", "x", "a"), (part(2), "k", "x", "a"), (part(3), "k", "x", "a")])
    assert counts == [("k", "x", "a")]
    assert others == {("x", "a", "2"): "landed_again", ("x", "a", "3"): "landed_again"}


@pytest.mark.parametrize(
    ("labels", "problems"),
    [
        ("aba", ["superseded", "superseded", None]),
        ("abb", ["superseded", None, "landed_again"]),
        ("aab", ["superseded", "superseded", None]),
        ("ab", ["superseded", None]),
        ("a", [None]),
    ],
)
def test_what_landed_last_decides_also_where_it_had_landed_before(labels, problems):
    filled = fill_ids(table([(part(i), "k", "x", label) for i, label in enumerate(labels, 1)])).to_pylist()
    by_part = {row["source_file"]: row for row in filled}
    assert [by_part[part(i)]["problem"] for i in range(1, len(labels) + 1)] == problems
    assert [row["label"] for row in filled if row["id"] == "k"] == [labels[-1]]


def test_in_a_landing_a_change_of_any_column_is_a_correction():
    rows = [(part(1), "k", "x", "a"), (part(2), "k", "x", "a")]
    assert judged(rows, team=["red", "blue"])[1] == {("x", "a", "1"): "superseded"}
    assert judged(rows, team=["red", "red"])[1] == {("x", "a", "2"): "landed_again"}
    assert judged([("data/m.csv", *row[1:]) for row in rows], team=["red", "blue"])[1] == {
        ("x", "a", "m"): "id_duplicate"
    }


def test_two_rows_of_one_part_that_differ_are_both_held_and_what_came_before_is_superseded():
    counts, others = judged([(part(1), "k", "x", "a"), (part(2), "k", "x", "b"), (part(2), "k", "x", "c")])
    assert counts == []
    assert others == {("x", "a", "1"): "superseded", ("x", "b", "2"): "id_conflict", ("x", "c", "2"): "id_conflict"}


def test_in_a_plain_file_rows_that_differ_are_all_held_and_named_by_file_and_row():
    rows = [("m.csv", "k", "x", "a"), ("m.csv", "j", "y", "a"), ("n.csv", "k", "x", "b"), ("n.csv", "k", "x", "a")]
    filled = fill_ids(table(rows))
    assert [(row["id"], row["problem"]) for row in filled.to_pylist()] == [
        ("k", "id_conflict"),
        ("j", None),
        ("k#2", "id_conflict"),
        ("k#3", "id_duplicate"),
    ]
    assert repeated_notes(filled) == [
        "ids with rows that differ: 1, all quarantined (id_conflict): 'k' in m.csv, row 0 and n.csv, row 0"
    ]


def test_of_two_landings_neither_is_the_later():
    counts, others = judged([(part(1, "a"), "k", "x", "a"), (part(2, "b"), "k", "x", "b")])
    assert counts == []
    assert set(others.values()) == {"id_conflict"}


def test_without_an_id_a_row_that_lands_again_is_known_by_its_values():
    rows = [(part(1), None, "x", "a"), (part(1), None, "x", "a"), (part(2), None, "x", "a"), (part(2), None, "y", "a")]
    _, others = judged(rows)
    assert others == {("x", "a", "2"): "landed_again"}
    assert judged([("m.csv", *row[1:]) for row in rows[:2]] + [("n.csv", None, "x", "a")])[1] == {}


def test_a_row_is_superseded_by_a_later_part_whose_time_is_in_another_window():
    rows = [(part(1), "k", "x", "a"), (part(3), "j", "y", "a")]
    assert judged(rows, {"k": part(2), "j": part(2)})[1] == {("x", "a", "1"): "superseded"}
    assert judged(rows, {"k": part(1), "other": part(9)})[1] == {}


def test_what_is_superseded_has_no_other_problem_and_the_correction_keeps_its_own():
    rows = table([(part(1), "k", None, "a"), (part(2), "k", "x", "b")])
    place = rows.column_names.index("problem")
    rows = rows.set_column(place, rows.schema.field(place), pa.array(["text_undecodable", "value_undecodable"]))
    filled = fill_ids(rows).to_pylist()
    assert [(row["id"], row["problem"]) for row in filled] == [("k", "value_undecodable"), ("k#2", "superseded")]


def test_the_corrections_are_shown_value_by_value():
    rows = [(part(1), "k", "call 0123", "a"), (part(1), "j", "y", "a"), (part(2), "k", "call", "b")]
    found = corrections(fill_ids(table(rows))).to_pylist()
    place = {"old_row": f"{part(1)}, row 0", "new_row": f"{part(2)}, row 0"}
    assert found == [
        {"id": "k", "column": "text", "old": "call ####", "new": "call", **place},
        {"id": "k", "column": "label", "old": "a", "new": "b", **place},
    ]
    elsewhere = corrections(fill_ids(table(rows[:2]), {"k": part(2)})).to_pylist()
    assert [(row["id"], row["column"], row["new"]) for row in elsewhere] == [("k", "window", None)]
    assert not len(corrections(fill_ids(table(rows[:2]))))


@pytest.mark.parametrize(
    ("file", "landing"),
    [
        (part(7), "in"),
        (f"data/landing/in/1234567-{'a' * 16}.jsonl.gz", "in"),
        ("data/landing/in/000001.csv", None),
        (f"data/landing/000001-{'a' * 16}.csv", None),
        (f"data/other/in/000001-{'a' * 16}.csv", None),
        (f"data/landing/in/deep/000001-{'a' * 16}.csv", None),
    ],
)
def test_a_part_of_a_landing_is_known_by_its_place_and_name(file, landing):
    assert landing_of(file) == landing


@pytest.mark.proof
@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.tuples(st.sampled_from("kjn"), st.sampled_from("ab")), max_size=4), max_size=5))
def test_the_last_part_that_names_an_id_decides_its_label(parts):
    """Against the rule said in one line; no row is lost, and every id has at most one row that counts."""
    rows = [(part(i), key, f"text {key}", label) for i, one in enumerate(parts, 1) for key, label in one]
    if not rows:
        return
    counts, _ = judged(rows)
    last = {}
    for one in parts:
        for key in {key for key, _ in one}:
            last[key] = {label for other, label in one if other == key}
    assert {key: label for key, _, label in counts} == {
        key: next(iter(labels)) for key, labels in last.items() if len(labels) == 1
    }
    assert len({key for key, _, _ in counts}) == len(counts)


@pytest.mark.proof
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.sampled_from("kjnm"), st.sampled_from("ab")), max_size=4), min_size=2, max_size=5)
)
def test_a_part_that_lands_moves_no_row_that_counts(parts):
    """Ids that count before and after stand in the same order: a split by order of arrival moves none of them."""
    rows = [(part(i), key, f"text {key}", label) for i, one in enumerate(parts, 1) for key, label in one]
    before = [row for row in rows if row[0] != part(len(parts))]
    if not before:
        return
    old, new = ([key for key, _, _ in judged(some)[0]] for some in (before, rows))
    both = set(old) & set(new)
    if len(before) == len(rows) or both == set(old):  # none of them is in conflict now
        assert [key for key in new if key in both] == [key for key in old if key in both]


def test_ingest_and_validate_call_them_the_same():
    assert (SUPERSEDED, LANDED_AGAIN) == UNCOUNTED
