"""What is compared, what is not, and that nothing alike is nothing."""

from __future__ import annotations

import pytest

from tasks.split.neighbours import BANDS, MAX_COMPARED, ROWS_PER_BAND, find_similar, near_duplicates, shingles


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


def test_a_row_is_compared_with_as_many_earlier_ones_as_is_said():
    """Of equal texts each is compared with the last ones before it, so that a thousand copies cost no million pairs."""
    pairs = near_duplicates(["the same three words"] * (MAX_COMPARED + 9), 0.7)
    lags = (pairs[:, 0] - pairs[:, 1]).tolist()
    assert {lag: lags.count(lag) for lag in lags} == {lag: MAX_COMPARED + 9 - lag for lag in range(1, MAX_COMPARED + 1)}


@pytest.mark.parametrize(("similarity", "proposed"), [(0.7, 0.928), (0.8, 0.998)])
def test_the_bands_propose_a_pair_as_often_as_the_module_says(similarity, proposed):
    assert 1 - (1 - similarity**ROWS_PER_BAND) ** BANDS == pytest.approx(proposed, abs=1e-3)
