"""Nights on which clocks change: each is run once, and no moment is in two windows or in none."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from prefect.server.schemas.schedules import CronSchedule

from flows.schedule.prefect_yaml import read
from flows.windows.ranges import next_window
from tasks.dataset.windows import WindowRange, Windows
from tests.support.processes import TOP

BERLIN = ZoneInfo("Europe/Berlin")
BEGIN, END = datetime(2026, 10, 1, tzinfo=BERLIN), datetime(2027, 4, 30, tzinfo=BERLIN)  # 25 October, 28 March
SHIPPED = {one.name: one.schedules[0] for one in read(TOP / "prefect.yaml") if one.schedules}


def dates(name, zone):
    """When Prefect's own scheduler runs a deployment of the shipped prefect.yaml, in UTC."""
    schedule = SHIPPED[name].model_copy(update={"timezone": zone}).rule()
    rule = CronSchedule.model_validate(schedule.model_dump())
    return [datetime.fromtimestamp(date.timestamp(), UTC) for date in asyncio.run(rule.get_dates(250, BEGIN, END))]


@pytest.mark.parametrize("name", ["training", "monitoring"])
def test_each_night_is_run_once_at_the_local_hour(name):
    local = [date.astimezone(BERLIN) for date in dates(name, "Europe/Berlin")]
    nights = [date.date() for date in local]
    assert nights == [BEGIN.date() + timedelta(days=number) for number in range((END.date() - BEGIN.date()).days)]
    hour = int(SHIPPED[name].cron.split()[1])
    others = {date.strftime("%Y-%m-%d %H:%M") for date in local if (date.hour, date.minute) != (hour, 0)}
    assert others == ({"2027-03-28 01:00"} if hour == 2 else set())  # there is no 02:00 that night


@pytest.mark.parametrize("name", ["rebuild", "prune"])
def test_each_sunday_is_run_once_at_the_local_hour(name):
    local = [date.astimezone(BERLIN) for date in dates(name, "Europe/Berlin")]
    assert {
        one - other for one, other in zip((d.date() for d in local[1:]), (d.date() for d in local), strict=False)
    } == {timedelta(days=7)}
    assert {(date.weekday(), date.hour) for date in local} == {(6, int(SHIPPED[name].cron.split()[1]))}


@pytest.mark.parametrize("name", ["training", "monitoring"])
def test_as_shipped_in_utc_nights_are_24_hours_apart(name):
    assert SHIPPED[name].timezone == "UTC"
    found = dates(name, "UTC")
    assert {following - one for one, following in pairwise(found)} == {timedelta(days=1)}


def windows(until):
    reference = WindowRange(until=datetime(2026, 10, 1, tzinfo=UTC))
    current = WindowRange(**{"from": datetime(2026, 10, 1, tzinfo=UTC), "until": until})
    return Windows(reference=reference, current=current)


@pytest.mark.parametrize("days", [1, 7, 31])
def test_windows_have_no_gap_and_no_overlap(days):
    asked = windows(datetime(2026, 10, 1, tzinfo=UTC) + timedelta(days=days))
    window = next_window(asked, None)
    for _ in range(200 // days):
        following = next_window(asked, window.until)
        assert following.since == window.until
        assert (following.since.tzinfo, following.since.hour) == (UTC, 0)
        assert following.until - following.since == timedelta(days=days) or days == 31  # calendar months
        window = following


def test_by_the_nightly_schedule_each_day_is_watched_once_and_one_a_night():
    asked, seen, watched = windows(datetime(2026, 10, 2, tzinfo=UTC)), None, []
    for night in dates("monitoring", "Europe/Berlin")[1:]:  # the first night, 1 October has not ended yet
        closed = []
        while (window := next_window(asked, seen)).until <= night:
            closed.append(window)
            seen = window.until
        assert len(closed) == 1, night
        watched += closed
    assert all(one.until == other.since for one, other in pairwise(watched))
    assert watched[0].since == datetime(2026, 10, 1, tzinfo=UTC) and len(watched) > 200
