"""What is compared, what is not, and that nothing alike is nothing."""

from __future__ import annotations

from random import Random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core import tables
from tasks.split import neighbours
from tasks.split.neighbours import BANDS, COMPARED, FIRST, MOST, ROWS_PER_BAND, find_similar, shingles


def near_duplicates(texts, similarity):
    return neighbours.near_duplicates(pa.chunked_array([pa.array(texts, pa.string())]), similarity)


def test_a_text_is_its_pairs_of_words_and_a_short_one_its_words():
    assert shingles("One two THREE") == ["one two", "two three"]
    assert shingles("One two") == ["one", "two"]
    assert shingles(" one\n") == ["one"]
    assert shingles("") == []


def test_texts_that_are_all_unlike_have_no_pairs():
    assert near_duplicates(["one two three", "four five six"], 0.7).shape == (0, 2)
    assert near_duplicates([], 0.7).shape == (0, 2)


def test_a_similarity_that_is_reached_is_enough():
    assert near_duplicates(["one two three", "one two three"], 1.0).tolist() == [[1, 0]]
    others = ["one two three", "one two four", "five six seven", "", "One TWO three"]
    assert find_similar("one two three", others, 1.0) == [0, 4]
    assert find_similar("one two three", others, 1 / 3) == [0, 1, 4], "one of three pairs of words is shared"
    assert find_similar("one two three", others, 0.34) == [0, 4]
    assert find_similar("", others, 0.1) == [3]


def test_of_equal_texts_a_row_is_compared_with_as_many_earlier_ones_as_is_said():
    """So that a thousand copies cost no million pairs."""
    pairs = near_duplicates(["the same three words"] * (FIRST + 9), 0.7).tolist()
    earlier = {row: [before for later, before in pairs if later == row] for row in range(FIRST + 9)}
    assert earlier == {row: list(range(0 if row < FIRST else row - COMPARED, row)) for row in range(FIRST + 9)}


@pytest.mark.proof
@pytest.mark.hypothesis
@given(
    st.lists(st.sampled_from(["", "one", "a b c d", "a b c e", "a b c d f", "x y z", "X  y z", "z z z"]), max_size=90)
)
def test_every_pair_has_the_similarity_that_python_sets_give_and_later_rows_change_none(texts):
    pairs = near_duplicates(texts, 0.5).tolist()
    assert all(before < row for row, before in pairs)
    assert all(before in find_similar_rows(texts, row) for row, before in pairs)
    half = len(texts) // 2
    assert near_duplicates(texts[:half], 0.5).tolist() == [pair for pair in pairs if pair[0] < half]


def find_similar_rows(texts, row):
    return find_similar(texts[row], texts[:row], 0.5)


@pytest.mark.proof
def test_rows_of_a_template_cost_pairs_in_proportion_to_their_number():
    dice = Random(3)
    words = [f"w{i}" for i in range(30)]
    texts = [" ".join([*words[:9], str(dice.random()), *words[9:]]) for _ in range(2000)]
    few, many = len(near_duplicates(texts[:1000], 0.7)), len(near_duplicates(texts, 0.7))
    assert many - few < 1000 * (MOST + COMPARED)
    linked = {row for row, _ in near_duplicates(texts, 0.7).tolist()}
    assert linked == set(range(1, 2000)), "each has a near-duplicate before it"


@pytest.mark.parametrize(("similarity", "proposed"), [(0.7, 0.928), (0.8, 0.998)])
def test_the_bands_propose_a_pair_as_often_as_the_module_says(similarity, proposed):
    assert 1 - (1 - similarity**ROWS_PER_BAND) ** BANDS == pytest.approx(proposed, abs=1e-3)


@pytest.mark.proof
def test_neither_the_rows_in_memory_nor_what_is_compared_at_once_change_a_pair(monkeypatch):
    dice = Random(4)
    words = [f"w{i}" for i in range(40)]
    texts = [" ".join(dice.choices(words, k=12) if row % 3 else words[:20]) + f" {row % 50}" for row in range(700)]
    found = near_duplicates(texts, 0.6).tolist()
    monkeypatch.setattr(tables, "BATCH", 60)
    monkeypatch.setattr(neighbours, "AT_ONCE", 500)
    assert near_duplicates(texts, 0.6).tolist() == found != []
