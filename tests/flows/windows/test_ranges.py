"""Consecutive windows: each begins where the last one ended, whatever their length and wherever they begin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flows.windows.ranges import TimeRange, as_text, as_utc, next_window, windows_for_refit
from tasks.core import params, paths
from tasks.dataset.windows import Windows

moments = st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC)).map(
    lambda at: at.replace(microsecond=0)
)
firsts = moments.map(lambda at: at.replace(day=1, hour=0, minute=0, second=0))
lengths = st.timedeltas(timedelta(seconds=1), timedelta(days=800)).map(lambda long: long - long % timedelta(seconds=1))


def windows_of(reference, current):
    given = {"reference": reference, "current": {"from": as_text(current.since), "until": as_text(current.until)}}
    return params.parse(Windows, given, "windows", paths.PARAMS)


@st.composite
def time_windows(draw):
    """Half of them whole calendar months."""
    if draw(st.booleans()):
        since = draw(firsts)
        month = since.month - 1 + draw(st.integers(1, 18))
        return TimeRange(since, since.replace(year=since.year + month // 12, month=month % 12 + 1))
    since = draw(moments)
    return TimeRange(since, since + draw(lengths))


@pytest.mark.proof
@given(time_windows(), st.integers(1, 30))
def test_consecutive_windows_leave_no_gap_and_do_not_overlap(first, count):
    windows, last = windows_of({"until": as_text(first.since)}, first), first
    for _ in range(count):
        following = next_window(windows, last.until)
        assert following.since == last.until < following.until
        assert following.months == first.months
        assert first.months or following.until - following.since == first.until - first.since
        last = following
    if first.months:
        months = 12 * (last.until.year - first.since.year) + last.until.month - first.since.month
        assert months == first.months * (count + 1), "whole months never drift against the calendar"


@pytest.mark.proof
@given(time_windows(), st.floats(0.5, 90))
def test_windows_of_so_many_days_leave_no_gap(first, days):
    following = next_window(windows_of({"until": as_text(first.since)}, first), first.until, days)
    assert following == TimeRange(first.until, first.until + timedelta(days=days))


@pytest.mark.proof
@given(time_windows(), moments)
def test_the_next_window_never_reaches_into_the_reference(current, until):
    assume(until <= current.since)
    windows = windows_of({"until": as_text(until)}, current)
    assert next_window(windows, None) == current
    assert next_window(windows, until - timedelta(days=3)).since == until


@pytest.mark.proof
@given(time_windows(), st.one_of(st.none(), lengths))
def test_a_refit_moves_the_reference_to_the_end_of_what_was_seen_and_current_behind_it(seen, length):
    begin = None if length is None else seen.since - length
    reference = {"from": as_text(begin), "until": as_text(seen.since)}
    new = windows_for_refit(windows_of(reference, seen), seen)
    assert as_utc(new["reference"]["until"]) == as_utc(new["current"]["from"]) == seen.until
    if length is None:
        assert new["reference"]["from"] is None
    else:
        assert as_utc(new["reference"]["until"]) - as_utc(new["reference"]["from"]) == length
    assert TimeRange(as_utc(new["current"]["from"]), as_utc(new["current"]["until"])) == seen.same_length_from(
        seen.until
    )


@given(moments)
def test_a_moment_is_read_as_it_was_written(at):
    assert as_utc(as_text(at)) == at
