"""Few groups and rare labels: no split is empty when it need not be, and rare labels are trained on."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.split import NAMES, Params
from tasks.split.__main__ import split
from tasks.split.assignment import assign
from tasks.split.balance import Balance
from tests.support.raw_rows import raw_table

SHARES = Params().shares()
QUARTERS = {"train": 0.5, "validation": 0.25, "test": 0.25}


def places(balance, rows, earlier=None, groups=None):
    return assign(balance, sorted((earlier or {}).items()), rows, groups)


def by_label(labels, shares=SHARES):
    """Rows of each split, and the labels of each."""
    found = places(Balance(shares, [[label] for label in labels]), len(labels))
    of = {name: [label for label, place in zip(labels, found, strict=True) if place == name] for name in NAMES}
    return {name: len(of[name]) for name in NAMES}, of


def lacking(of):
    return [label for name in ("validation", "test") for label in of[name] if label not in of["train"]]


def test_without_labels_each_row_goes_where_most_rows_are_lacking():
    found = places(Balance(QUARTERS), 8)
    assert found == ["train", "validation", "test", "train"] * 2  # of equal ones the first


def test_an_empty_split_comes_first_with_groups():
    balance = Balance({"train": 0.98, "validation": 0.01, "test": 0.01}, empty_first=True)
    assert places(balance, 4, groups=["a", "b", "c", "d"]) == ["train", "validation", "test", "train"]
    assert places(Balance(balance.shares), 4, groups=["a", "b", "c", "d"]) == ["train"] * 4


def test_rows_that_join_count_and_rows_that_are_left_out_do_not():
    balance = Balance(QUARTERS, empty_first=True)
    found = places(balance, 6, {4: [0, 1]}, ["a", "b", None, "a", None, "c"])
    assert found == ["train", "validation", "test", "train", None, "train"]
    assert balance.rows == {"train": 3, "validation": 1, "test": 1}


@given(st.integers(3, 12), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_a_handful_of_teams_gives_all_three_splits(teams, seed):
    """110 rows, in any order of arrival: at least three teams are enough, and no team is in two splits."""
    random = Random(seed)
    team = [*map(str, range(teams)), *(str(random.randrange(teams)) for _ in range(110 - teams))]
    random.shuffle(team)
    found = places(Balance(SHARES, empty_first=True), 110, groups=team)
    assert set(found) == set(NAMES)
    assert len(set(zip(team, found, strict=True))) == teams


def test_many_groups_keep_the_shares():
    random = Random(3)
    teams = [str(random.randrange(300)) for _ in range(6000)]
    counts = Counter(places(Balance(SHARES, empty_first=True), 6000, groups=teams))
    for name in NAMES:
        assert counts[name] / 6000 == pytest.approx(SHARES[name], abs=0.03)


@pytest.mark.parametrize("order", ["sorted", "round", "shuffled"])
@pytest.mark.parametrize(("labels", "rows"), [(77, 6), (1000, 3), (2, 6), (500, 2)])
def test_few_rows_a_label_give_all_three_splits_and_every_label_is_trained_on(labels, rows, order):
    given_labels = [f"c{i % labels:04}" for i in range(labels * rows)]
    if order == "sorted":
        given_labels.sort()
    if order == "shuffled":
        Random(5).shuffle(given_labels)
    counts, of = by_label(given_labels)
    for name in NAMES:
        assert counts[name] == pytest.approx(SHARES[name] * len(given_labels), abs=7)
    assert not lacking(of)


@pytest.mark.parametrize("rows", [110, 1000])
def test_labels_of_one_row_each_fill_all_three_splits(rows):
    counts, _ = by_label([f"c{i}" for i in range(rows)])
    for name in NAMES:
        assert counts[name] == pytest.approx(SHARES[name] * rows, abs=0.1 * rows)
        assert counts[name]


@pytest.mark.proof
@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_a_rare_label_among_common_ones_is_trained_on(seed):
    random = Random(seed)
    labels = [f"rare{i}" if i % 40 == 39 else random.choice("aaab") for i in range(1200)]
    counts, of = by_label(labels)
    assert not lacking(of)
    for name in NAMES:
        assert counts[name] == pytest.approx(SHARES[name] * 1200, abs=13)


@given(st.integers(0, 10_000), st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_appended_rows_move_none_whatever_the_labels_and_groups(seed, cut):
    random = Random(seed)
    labels = [random.choice(["a", "b", f"rare{i}", None]) for i in range(60)]
    alone = [[label] for label in labels]
    teams = [random.choice(["x", "y", "z", f"t{i}", None]) for i in range(60)]
    earlier = {i: random.sample(range(i), 1) for i in range(1, 60) if random.random() < 0.3}
    whole = places(Balance(SHARES, alone, empty_first=True), 60, earlier, teams)
    part = places(Balance(SHARES, alone, empty_first=True), cut, {k: v for k, v in earlier.items() if k < cut}, teams)
    assert whole[:cut] == part


def test_the_stage_splits_77_labels_of_6_rows_and_says_how_many_of_each():
    texts = [f"row {i} {'abcdefgh'[i % 8]} {i * 7}" for i in range(462)]
    tables, figures = split(raw_table(texts, [f"c{i % 77}" for i in range(462)]), Params(stratify=True), 1)
    assert figures["rows"] == {"train": 322, "validation": 49, "test": 91, "quarantine": 0}
    assert len(figures["labels"]["train"]) == 77
    assert not len(tables["quarantine"])
