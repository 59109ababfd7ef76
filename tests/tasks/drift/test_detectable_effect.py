"""What a verdict could have seen, and how the change it saw compares with that of past windows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import ndtri

from tasks.drift import Params
from tasks.drift.detectable_effect import past_windows
from tasks.drift.rows import Rows, observe
from tasks.drift.testing import adjusted, critical, p_values
from tasks.drift.verdict import judge

DAY = np.timedelta64(1, "D")


def rows(rng, count, times=None, foreign=0, shift=None):
    """Numbers and categories of one kind; the last ``foreign`` rows lie in the outermost tenth of the numbers."""
    numbers = {name: rng.normal(size=count) for name in ("a", "b")}
    if shift is not None:
        numbers["a"] += shift
    prediction = rng.choice(np.array(["x", "y", "z"], dtype=object), size=count)
    for values in numbers.values():
        values[count - foreign :] = ndtri(0.9 + 0.1 * rng.random(foreign))
    return Rows(count, None, numbers, {"prediction": prediction}, times=times)


def test_contamination_of_the_stated_share_is_found_as_often_as_stated():
    params = Params(permutations=199)
    rng = np.random.default_rng(0)
    sight = judge(rows(rng, 600), rows(rng, 300), params, 7)["sight"]
    share = sight["smallest_share_of_foreign_rows"]
    assert share <= min(sight["smallest_share_by_signal"].values()), "all signals together see no less than one"

    def found(foreign):
        draws = (judge(rows(rng, 600), rows(rng, 300, foreign=foreign), params, draw) for draw in range(60))
        return np.mean([verdict["significant"] for verdict in draws])

    assert found(round(300 * share)) >= 0.65  # 80 % less three standard errors
    assert found(round(300 * share / 3)) < 0.65


def test_a_quantity_in_which_all_rows_are_alike_sees_nothing():
    rng = np.random.default_rng(0)
    sides = [rows(rng, 600), rows(rng, 300)]
    before = judge(*sides, Params(permutations=199), 7)["sight"]
    for side in sides:
        side.numbers["links"] = np.zeros(side.count)
    after = judge(*sides, Params(permutations=199), 7)["sight"]
    assert after["smallest_share_by_signal"]["text: links"] is None
    assert after["smallest_share_of_foreign_rows"] == pytest.approx(before["smallest_share_of_foreign_rows"], rel=0.3)


def test_more_rows_see_less_contamination():
    rng = np.random.default_rng(0)
    few, many = (judge(rows(rng, n), rows(rng, n), Params(), 7)["sight"] for n in (100, 2000))
    assert many["smallest_share_of_foreign_rows"] < few["smallest_share_of_foreign_rows"] / 2


def test_the_critical_value_is_the_largest_that_the_adjustment_lets_pass():
    p = p_values(np.random.default_rng(0).gamma(1, size=(200, 3)))
    limit = critical(p, 0.05)
    family_wise = np.array([adjusted(np.roll(p, -draw, axis=0)).min() for draw in range(200)])
    assert ((p.min(axis=1) <= limit) == (family_wise <= 0.05)).all()
    assert critical(np.ones((100, 3)), 0.05) == 0


def test_past_windows_are_as_long_as_the_current_one_and_count_back_from_the_newest_row():
    start = np.datetime64("2026-01-01", "us")
    reference = Rows(100, times=start + np.arange(100) * DAY)
    current = Rows(31, times=start + (200 + np.arange(31)) * DAY)
    windows = past_windows(reference, current, fewest=10)
    assert [(found.min(), found.max()) for found in windows] == [(70, 99), (40, 69), (10, 39), (0, 9)]
    assert [len(found) for found in past_windows(reference, current, fewest=11)] == [30, 30, 30]
    assert past_windows(Rows(100), current, fewest=10) == []


def test_a_change_like_those_of_the_past_is_told_from_one_beyond_them():
    rng = np.random.default_rng(0)
    start = np.datetime64("2026-01-01", "us")
    times = np.sort(start + rng.integers(0, 100, 2000) * DAY)
    month = ((times - start) // (10 * DAY)).astype(int)
    waves = np.where(month % 2, 0.4, -0.4)  # "a" goes up and down from window to window
    reference = rows(rng, 2000, times, shift=waves)
    later = start + (100 + np.arange(250) % 11) * DAY
    usual, beyond = (
        judge(reference, rows(rng, 250, later, shift=by), Params(permutations=199), 7) for by in (0.3, 2.0)
    )
    for verdict, fewest, most in ((usual, 3, 10), (beyond, 0, 0)):
        assert verdict["signals"]["text: a"]["significant"]
        assert verdict["sight"]["past_windows"] == 10
        assert fewest <= verdict["sight"]["past_windows_that_differ_as_much"]["text: a"] <= most


@pytest.mark.parametrize(("params", "expected"), [({}, 0.05 * 36.5), ({"windows_a_year": 52.0}, 2.6)])
def test_false_alarms_a_year_follow_from_the_level_and_the_schedule(params, expected):
    rng = np.random.default_rng(0)
    times = np.datetime64("2026-01-01", "us") + np.arange(51) * np.timedelta64(288, "m")
    verdict = judge(rows(rng, 60, times), rows(rng, 51, times), Params(permutations=99, **params), 7)
    assert verdict["sight"]["false_alarms_a_year"] == pytest.approx(expected, rel=0.01)
    assert judge(rows(rng, 60), rows(rng, 51), Params(permutations=99), 7)["sight"]["false_alarms_a_year"] is None


def test_only_a_column_of_times_in_every_row_counts_as_when():
    when = np.array(["2026-01-01", "2026-01-02"], dtype="datetime64[us]")
    for column, known in ((pa.array(when), True), (pa.array([when[0], None]), False), (pa.array(["a", "b"]), False)):
        assert (
            observe(pa.table({"confidence": [0.5, 0.6], "timestamp": column}), None, None, "x").times is None
        ) != known
