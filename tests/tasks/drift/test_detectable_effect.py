"""What a verdict could have seen, and how the change it saw compares with that of past windows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import ndtri

from tasks.drift import Params
from tasks.drift.past_windows import past_windows
from tasks.drift.rows import Rows, rows_from_table
from tasks.drift.testing import adjusted_p_values, critical_p_value, p_values
from tasks.drift.verdict import drift_verdict

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


@pytest.mark.proof
def test_contamination_of_the_stated_share_is_found_as_often_as_stated():
    params = Params(permutations=199)
    rng = np.random.default_rng(0)
    detectable = drift_verdict(rows(rng, 600), rows(rng, 300), params, 7)["detectable_effect"]
    share = detectable["min_contaminated_share"]
    assert share <= min(detectable["min_contaminated_share_by_signal"].values()), (
        "all signals together see no less than one"
    )

    def found(foreign):
        draws = (drift_verdict(rows(rng, 600), rows(rng, 300, foreign=foreign), params, draw) for draw in range(60))
        return np.mean([verdict["significant"] for verdict in draws])

    assert found(round(300 * share)) >= 0.65  # 80 % less three standard errors
    assert found(round(300 * share / 3)) < 0.65


def test_a_quantity_in_which_all_rows_are_alike_sees_nothing():
    rng = np.random.default_rng(0)
    sides = [rows(rng, 600), rows(rng, 300)]
    before = drift_verdict(*sides, Params(permutations=199), 7)["detectable_effect"]
    for side in sides:
        side.numbers["links"] = np.zeros(side.count)
    after = drift_verdict(*sides, Params(permutations=199), 7)["detectable_effect"]
    assert after["min_contaminated_share_by_signal"]["text: links"] is None
    assert after["min_contaminated_share"] == pytest.approx(before["min_contaminated_share"], rel=0.3)


@pytest.mark.proof
def test_more_rows_see_less_contamination():
    rng = np.random.default_rng(0)
    few, many = (drift_verdict(rows(rng, n), rows(rng, n), Params(), 7)["detectable_effect"] for n in (100, 2000))
    assert many["min_contaminated_share"] < few["min_contaminated_share"] / 2


def test_the_critical_value_is_the_largest_that_the_adjustment_lets_pass():
    p = p_values(np.random.default_rng(0).gamma(1, size=(200, 3)))
    limit = critical_p_value(p, 0.05)
    family_wise = np.array([adjusted_p_values(np.roll(p, -draw, axis=0)).min() for draw in range(200)])
    assert ((p.min(axis=1) <= limit) == (family_wise <= 0.05)).all()
    assert critical_p_value(np.ones((100, 3)), 0.05) == 0


def test_past_windows_are_as_long_as_the_current_one_and_count_back_from_the_newest_row():
    start = np.datetime64("2026-01-01", "us")
    reference = Rows(100, times=start + np.arange(100) * DAY)
    current = Rows(31, times=start + (200 + np.arange(31)) * DAY)
    windows = past_windows(reference, current, min_rows=10)
    assert [(found.rows.min(), found.rows.max()) for found in windows] == [(70, 99), (40, 69), (10, 39)]
    assert all(found.until - found.since == 30 * DAY for found in windows)
    assert {found.until for found in windows} == {start + day * DAY + np.timedelta64(1, "us") for day in (99, 69, 39)}
    weeks = past_windows(reference, current, 7, 7 * DAY)
    assert [len(found.rows) for found in weeks] == [7] * 14  # the two oldest rows are no week
    assert past_windows(reference, current, 8, 7 * DAY) == []
    assert past_windows(Rows(100), current, min_rows=10) == []


def test_a_change_like_those_of_the_past_is_told_from_one_beyond_them():
    rng = np.random.default_rng(0)
    start = np.datetime64("2026-01-01", "us")
    times = np.sort(start + rng.integers(0, 100, 2000) * DAY)
    month = ((times - start) // (10 * DAY)).astype(int)
    waves = np.where(month % 2, 0.4, -0.4)  # "a" goes up and down from window to window
    reference = rows(rng, 2000, times, shift=waves)
    later = start + (100 + np.arange(250) % 11) * DAY
    usual, beyond = (
        drift_verdict(reference, rows(rng, 250, later, shift=by), Params(permutations=199), 7) for by in (0.3, 2.0)
    )
    for verdict in (usual, beyond):
        found = verdict["distances"]
        assert len(found["past"]) == 10 and found["current"].keys() == {"text: a", "text: b", "predictions"}
        for name, now in found["current"].items():
            as_different = sum(past["distances"][name] >= now for past in found["past"])
            assert as_different == verdict["detectable_effect"]["past_windows_as_different"][name]
    for verdict, fewest, most in ((usual, 3, 10), (beyond, 0, 0)):
        assert verdict["signals"]["text: a"]["significant"]
        assert verdict["detectable_effect"]["past_windows"] == 10
        assert fewest <= verdict["detectable_effect"]["past_windows_as_different"]["text: a"] <= most


@pytest.mark.parametrize(("params", "expected"), [({}, 0.05 * 36.5), ({"windows_per_year": 52.0}, 2.6)])
def test_false_alarms_per_year_follow_from_the_level_and_the_schedule(params, expected):
    rng = np.random.default_rng(0)
    times = np.datetime64("2026-01-01", "us") + np.arange(51) * np.timedelta64(288, "m")
    verdict = drift_verdict(rows(rng, 60, times), rows(rng, 51, times), Params(permutations=99, **params), 7)
    assert verdict["detectable_effect"]["false_alarms_per_year"] == pytest.approx(expected, rel=0.01)
    assert (
        drift_verdict(rows(rng, 60), rows(rng, 51), Params(permutations=99), 7)["detectable_effect"][
            "false_alarms_per_year"
        ]
        is None
    )


def test_only_a_column_of_times_in_every_row_counts_as_when():
    when = np.array(["2026-01-01", "2026-01-02"], dtype="datetime64[us]")
    for column, known in ((pa.array(when), True), (pa.array([when[0], None]), False), (pa.array(["a", "b"]), False)):
        assert (
            rows_from_table(pa.table({"confidence": [0.5, 0.6], "timestamp": column}), None, None, "x").times is None
        ) != known
