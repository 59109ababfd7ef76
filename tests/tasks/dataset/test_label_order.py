"""The order of labels: that of the numbers they are, or as they are listed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import UserError
from tasks.dataset.label_order import lowest_first, places
from tasks.dataset.labels import SINGLE, LabelFormat

WHOLE = st.lists(st.integers(-1000, 1000), min_size=2, max_size=12, unique=True)


@given(WHOLE)
def test_numbers_are_ordered_as_numbers_however_they_come(numbers):
    assert lowest_first(map(str, numbers)) == [str(one) for one in sorted(numbers)]


def test_numbers_with_a_sign_or_a_point_are_numbers():
    assert lowest_first(["10", "9", "-1", "+2.5", "0.50", ".25"]) == ["-1", ".25", "0.50", "+2.5", "9", "10"]


@pytest.mark.parametrize("odd", ["low", "nan", "inf", "1_000", "1e3", "1,5", "٣", " 1", "1 star", "", "."])
def test_what_is_no_number_asks_for_the_list(odd):
    with pytest.raises(UserError, match="is no number: list all of them in label_order, the lowest first"):
        lowest_first(["1", "2", odd])


@pytest.mark.parametrize("pair", [("1", "1.0"), ("0", "-0"), ("2", "+2"), ("3", "03")])
def test_two_labels_that_are_one_number_are_refused(pair):
    with pytest.raises(UserError, match=r"are one number: merge them by validate\.merge_labels"):
        lowest_first(["7", *pair])


@given(st.permutations(["low", "medium", "high", "10", "2"]), st.data())
def test_a_list_decides_for_numbers_too(listed, data):
    some = data.draw(st.lists(st.sampled_from(listed), min_size=1))
    assert lowest_first(some, listed) == [label for label in listed if label in some]


def test_a_label_that_the_list_lacks_is_named():
    with pytest.raises(UserError, match="label_order lacks the label 'huge': add it in its place"):
        lowest_first(["low", "huge"], ["low", "high"])


def test_a_step_is_to_the_next_listed_label_which_may_not_occur_else_to_the_next_that_does():
    listed = ["low", "medium", "high"]
    assert places(["low", "high"], listed).tolist() == [0, 2]
    assert places(["1", "5", "10"]).tolist() == [0, 1, 2]


def test_other_tasks_have_the_alphabets_order():
    assert SINGLE.in_order({"b", "a", "10", "9"}) == ["10", "9", "a", "b"]
    ordinal = LabelFormat("ordinal", ("b", "a"))
    assert ordinal.in_order({"a", "b"}) == ["b", "a"] and ordinal.steps(["b", "a"]).tolist() == [0, 1]
    assert ordinal.ordered and not ordinal.several and not SINGLE.ordered
    assert ordinal.labels("a") == ("a",) and ordinal.cell(["a"]) == "a"
