"""In which format a time is written, value by value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tasks.ingest.time_formats import candidates, epoch_unit, parser, propose


@pytest.mark.parametrize("zone", ["Z", " Z", "UTC", " UTC", " GMT", "+00:00", " +00:00", "+0000", "-00:00"])
def test_iso_names_utc_in_every_way(zone):
    moment = parser("iso")(f"2025-01-31T10:00{zone}")
    assert moment and (moment.isoformat(), parser("iso")("2025-01-31T10:00").tzinfo) == (
        "2025-01-31T10:00:00+00:00",
        None,
    )


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("31.01.2025 10:00 +01:00", "%d.%m.%Y %H:%M %z"),
        ("31.01.2025 10:00+01:00", "%d.%m.%Y %H:%M%z"),
        ("01/31/2025, 10:00:05 AM", "%m/%d/%Y, %I:%M:%S %p"),
        ("01/31/2025 10:00AM", "%m/%d/%Y %I:%M%p"),
        ("2025/01/31T10:00:05.25", "%Y/%m/%dT%H:%M:%S.%f"),
        ("31-Jan-25", "%d-%b-%y"),
        ("January 31, 2025", "%B %d, %Y"),
        ("31 January 2025", "%d %B %Y"),
    ],
)
def test_a_value_is_read_in_the_format_of_its_shape(value, form):
    assert form in candidates(value)
    assert propose([value]).format == form
    assert parser(form)(value).strftime("%Y-%m-%d") == "2025-01-31"


@pytest.mark.parametrize(("other", "form"), [("April 2, 2025", "%B %d, %Y"), ("Apr 2, 2025", "%b %d, %Y")])
def test_may_is_a_whole_name_and_a_short_one(other, form):
    found = propose(["May 1, 2025", "May 2, 2025", other])
    assert (found.format, found.read) == (form, 3)


def test_a_zone_is_kept():
    moment = parser("%d.%m.%Y %H:%M %z")("31.01.2025 10:00 +01:00")
    assert moment.utcoffset() == timedelta(hours=1)
    assert moment == datetime(2025, 1, 31, 9, tzinfo=UTC)


@pytest.mark.parametrize(("unit", "scale"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_counts_of_1973_to_2103_name_their_unit(unit, scale):
    assert epoch_unit(10**8 * scale) == epoch_unit((4_200_000_000 - 1) * scale) == unit
    assert epoch_unit(4_200_000_000 * scale) is None
    assert epoch_unit(10**8 * scale - 1) is None


@pytest.mark.parametrize("value", ["Mon, 31 Feb 2025 10:00:00 +0000", "31.02.2025", "2025-02-31", "99999999", "soon"])
def test_what_no_format_reads_is_not_counted(value):
    assert propose([value]).read == 0
