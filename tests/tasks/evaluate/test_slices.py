"""Slices: what a row is said to be, a planted weakness found by declaration and by search, and no alarm without one."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from tasks.evaluate import Slices
from tasks.evaluate.slices import slices
from tasks.evaluate.traits import NONE, by_size, by_time, script


def rows(n=600, seed=1):
    random = np.random.default_rng(seed)
    words = ["meeting", "notes", "prize", "money", "agenda", "later", "thanks", "list"]
    text = [" ".join(random.choice(words, random.integers(2, 12))) for _ in range(n)]
    when = [datetime(2026, 1 + i % 5, 3, tzinfo=UTC) for i in range(n)]
    sender = random.choice(["a", "b", "c", "d"], n).tolist()
    return pa.table({"text": text, "timestamp": pa.array(when, pa.timestamp("us", tz="UTC")), "sender": sender})


SECTION = Slices(columns=("sender",), permutations=200)


@pytest.mark.proof
def test_a_planted_weakness_is_found_as_a_declared_slice_and_by_the_search():
    table, random = rows(), np.random.default_rng(2)
    weak = np.array([s == "c" for s in table["sender"].to_pylist()])
    wrong = random.random(600) < np.where(weak, 0.4, 0.05)
    found = slices(table, wrong, np.zeros(600, bool), SECTION, 7)
    assert [its["where"] for its in found["declared"] if its["worse"]] == [["sender = c"]]
    worst = found["worst"][0]
    assert "sender = c" in worst["where"] and worst["worse"]
    assert found == slices(table, wrong, np.zeros(600, bool), SECTION, 7)
    one = next(its for its in found["declared"] if its["where"] == ["sender = c"])
    assert one["rows"] == weak.sum() and one["errors"] == wrong[weak].sum() and one["baseline_accuracy"] == 1.0
    assert one["interval"][0] < one["accuracy"] < one["interval"][1]


@pytest.mark.proof
def test_a_weakness_where_two_things_meet_or_a_word_stands_is_found_by_the_search_alone():
    table, random = rows(1500), np.random.default_rng(3)
    both = np.array(
        [
            s == "a" and t.month == 2
            for s, t in zip(*(table[n].to_pylist() for n in ("sender", "timestamp")), strict=True)
        ]
    )
    word = np.array(["prize" in text for text in table["text"].to_pylist()])
    for weak, where in ((both, ["sender = a", "time = 2026-02"]), (word, ["contains “prize”"])):
        wrong = random.random(1500) < np.where(weak, 0.35, 0.03)
        worst = slices(table, wrong, wrong, SECTION, 7)["worst"][0]
        assert sorted(worst["where"]) == where and worst["worse"]


@pytest.mark.long
def test_where_all_slices_are_alike_an_alarm_is_as_rare_as_declared():
    table, section, runs = rows(300), Slices(columns=("sender",), permutations=100, level=0.1, words=False), 30
    alarms = {"declared": 0, "worst": 0}
    for seed in range(runs):
        wrong = np.random.default_rng(seed).random(300) < 0.1
        found = slices(table, wrong, wrong, section, seed)
        for kind in alarms:
            alarms[kind] += any(its["worse"] for its in found[kind])
    assert all(count <= runs * 0.1 + 2 * np.sqrt(runs * 0.09) for count in alarms.values()), alarms
    assert alarms["worst"] > 0, "the search must be able to alarm at all"


def test_slices_with_few_rows_are_counted_and_a_model_without_mistakes_has_no_worst():
    table = rows(100)
    found = slices(table, np.zeros(100, bool), np.zeros(100, bool), Slices(columns=("sender",), min_rows=90), 7)
    assert (found["declared"], found["worst"]) == ([], []) and found["too_few_rows"] >= 4
    assert slices(table, np.zeros(100, bool), np.zeros(100, bool), SECTION, 7)["worst"] == []


@pytest.mark.proof
def test_a_column_that_the_rows_do_not_have_is_a_finding():
    right = np.zeros(100, bool)
    found = slices(rows(100), right, right, Slices(columns=("x", "sender")), 7)
    assert found["missing_columns"] == ["x"]
    assert found["declared"] == slices(rows(100), right, right, Slices(columns=("sender",)), 7)["declared"]
    assert "missing_columns" not in slices(rows(100), right, right, SECTION, 7)


def test_numbers_are_cut_into_parts_of_equally_many_rows_and_each_lies_in_its_part():
    names = by_size([*range(1, 101), None], " words")
    assert [names.count(name) for name in dict.fromkeys(names)] == [25, 25, 25, 25, 1]
    assert (names[24], names[25], names[-1]) == ("up to 25 words", "over 25 to 50 words", NONE)
    assert by_size([1, 1, 2]) == ["1", "1", "2"]
    assert len(set(by_size([0] * 90 + list(range(10))))) <= 2


def test_times_are_cut_as_finely_as_can_be_read():
    day = datetime(2026, 1, 3, tzinfo=UTC)
    assert by_time([day, day.replace(day=4)]) == ["2026-01-03", "2026-01-04"]
    assert by_time([day, day.replace(month=4), None]) == ["2026-01", "2026-04", NONE]
    assert by_time([day, day.replace(year=2029)]) == ["2026", "2029"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Hello мир", "Latin"),
        ("привет", "Cyrillic"),
        ("漢字かな字", "Han"),
        ("5 µm", "Latin"),
        ("µ", NONE),
        ("ქართ", "Georgian"),
        ("𐎀", "Other"),
        ("12 !", NONE),
        ("", NONE),
    ],
)
def test_the_script_is_that_of_most_letters(text, name):
    assert script(text) == name
