"""Times of every usual form become the right moment, and what could be two moments is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.core.errors import UserError
from tasks.dataset.windows import Columns, Windows
from tasks.ingest import Params
from tasks.ingest.__main__ import read_window
from tasks.ingest.reading import Reading
from tasks.ingest.summary import lines
from tasks.ingest.time_formats import parser, propose
from tasks.ingest.times import TimeReader
from tasks.ingest.windows import plan

MOMENTS = st.datetimes(datetime(1975, 1, 1), datetime(2099, 12, 31)).map(lambda moment: moment.replace(microsecond=0))
STRPTIME = [
    "%d.%m.%Y %H:%M:%S",
    "%m/%d/%Y %I:%M:%S %p",
    "%d/%m/%Y, %H:%M:%S",
    "%Y/%m/%d %H:%M:%S",
    "%d-%b-%Y %H:%M:%S",
    "%b %d, %Y %I:%M:%S %p",
    "%d %B %Y %H:%M:%S",
    "%a %b %d %H:%M:%S %Y",
    "%d/%b/%Y:%H:%M:%S +0000",
    "%d.%m.%Y %H:%M:%S+00:00",
]
SETTLING = [datetime(2020, 1, 31, 13), datetime(2020, 12, 25, 1)]


def read(values, kind=None, **options):
    column = pa.chunked_array([pa.array(values, kind)])
    moments, _ = TimeReader(**options).read(column, "data.csv")
    return [moment and moment.replace(tzinfo=None) for moment in moments.to_pylist()]


@pytest.mark.proof
@settings(deadline=None, max_examples=60)
@given(moments=st.lists(MOMENTS, min_size=1, max_size=6), form=st.sampled_from(STRPTIME))
def test_what_a_format_writes_is_read_back_without_naming_it(moments, form):
    moments = [*SETTLING, *moments]
    assert read([moment.strftime(form) for moment in moments]) == moments


@pytest.mark.proof
@settings(deadline=None, max_examples=40)
@given(moments=st.lists(MOMENTS, min_size=1, max_size=6), form=st.sampled_from(STRPTIME[:8]))
def test_what_a_format_writes_is_read_back_when_it_is_named(moments, form):
    assert read([moment.strftime(form) for moment in moments], format=form) == moments


@pytest.mark.proof
@settings(deadline=None, max_examples=40)
@given(
    moments=st.lists(MOMENTS, min_size=1, max_size=6),
    unit=st.sampled_from([1, 10**3, 10**6, 10**9]),
    kind=st.sampled_from([pa.int64(), pa.string(), pa.float64()]),
)
def test_a_count_since_1970_is_read_in_its_unit(moments, unit, kind):
    counts = [int(moment.replace(tzinfo=UTC).timestamp()) * unit for moment in moments]
    written = {pa.string(): str, pa.float64(): float}.get(kind, int)
    assert read(list(map(written, counts)), kind) == moments


@pytest.mark.proof
@settings(deadline=None, max_examples=40)
@given(moments=st.lists(MOMENTS, min_size=1, max_size=6), hours=st.integers(-12, 14))
def test_mail_headers_are_read(moments, hours):
    written = [format_datetime(moment.replace(tzinfo=UTC) + timedelta(hours=0)) for moment in moments]
    assert read([f"{text[:-5]}{hours:+03d}00" for text in written]) == [m - timedelta(hours=hours) for m in moments]


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2025-01-01 10:00:00 UTC", datetime(2025, 1, 1, 10)),
        ("2025-01-01 10:00:00.123456 UTC", datetime(2025, 1, 1, 10, 0, 0, 123456)),
        ("2025-01-01 10:00:00 +0000", datetime(2025, 1, 1, 10)),
        ("2025-01-01T10:00:00+0530", datetime(2025, 1, 1, 4, 30)),
        ("2025-01-01 10:00:00 GMT", datetime(2025, 1, 1, 10)),
        ("20250131", datetime(2025, 1, 31)),
        ("Tue, 05 Mar 2024 10:00:00 -0000", datetime(2024, 3, 5, 10)),
        ("Tue, 5 Mar 2024 10:00:00 EST", datetime(2024, 3, 5, 15)),
        ("Wed Oct 10 20:19:24 +0000 2018", datetime(2018, 10, 10, 20, 19, 24)),
        ("10/Oct/2000:13:55:36 -0700", datetime(2000, 10, 10, 20, 55, 36)),
        ("1580428800.25", datetime(2020, 1, 31, 0, 0, 0, 250000)),
        ("31.01.2020", datetime(2020, 1, 31)),
        ("1/31/20", datetime(2020, 1, 31)),
        ("Mon, 05 Aug 2024 10:00:00 CEST", None),  # a zone that nobody can look up is not UTC
        ("2025-02-30 10:00", None),
        ("1604010112000123456789", None),
    ],
)
def test_one_value(written, moment):
    assert read([written]) == [moment]


def test_a_time_that_python_has_no_name_for_cannot_be_read():
    clock = TimeReader()
    column = pa.chunked_array([pa.array([0, 9_400_000_000_000_000], pa.int64()).cast(pa.timestamp("ms"))])
    assert clock.read(column, "m.parquet")[0].null_count == 1
    assert clock.unreadable == [("m.parquet", 1, "9400000000000000")]


def test_numbers_that_are_dates_are_dates():
    assert read([20250131, 20241231], pa.int32()) == [datetime(2025, 1, 31), datetime(2024, 12, 31)]


@pytest.mark.parametrize("number", [45_000, 7, 2_000_000_000_000_000_000_0])
def test_a_number_without_unit_or_origin_is_refused(number):
    with pytest.raises(UserError, match=r"ingest\.time_format"):
        read([float(number)], pa.float64())


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["05/03/2025"], ["'05/03/2025' may be", "5 March 2025", "3 May 2025", '"%d/%m/%Y"', '"%m/%d/%Y"']),
        (["05.03.2025 10:00", "01.02.2025 09:00"], ["5 March 2025 or 3 May 2025", '"%d.%m.%Y %H:%M"']),
        (["31/12/2025", "12/31/2025", "01/02/2025"], ["two orders", "31 December 2025", "'12/31/2025'"]),
        (["2025-31-01", "2025-05-01"], ["two orders", "31 January 2025", '"%Y-%d-%m"', "iso"]),
        (["2025-31-01", "2025-01-31"], ["two orders", "'2025-31-01' (31 January 2025)"]),
        (["05.03.24"], ["may be", "%y"]),
    ],
)
def test_day_and_month_that_nothing_settles_are_refused_with_both_readings(values, words):
    with pytest.raises(UserError) as refusal:
        read(values)
    assert all(word in str(refusal.value) for word in ("data.csv", "ingest.time_format", *words)), refusal.value


def test_a_named_format_settles_it_and_what_it_cannot_read_is_held():
    assert read(["05/03/2025", "31/12/2025", "12/31/2025"], format="%d/%m/%Y") == [
        datetime(2025, 3, 5),
        datetime(2025, 12, 31),
        None,
    ]
    assert read(["2025-31-01", "2025-05-01"], format="%Y-%d-%m") == [datetime(2025, 1, 31), datetime(2025, 1, 5)]
    assert read(["2025-31-01", "2025-05-01"], format="iso") == [None, datetime(2025, 5, 1)]
    assert read(["0", "1"], format="epoch_s") == [datetime(1970, 1, 1), datetime(1970, 1, 1, 0, 0, 1)]
    assert read([0, 1], pa.int64(), format="epoch_ms")[1] == datetime(1970, 1, 1, 0, 0, 0, 1000)


def test_times_without_a_zone_are_those_of_time_zone():
    zone = {"zone": "Europe/Berlin"}
    assert read(["2025-01-01 10:00:00", "2025-07-01 10:00:00"], **zone) == [
        datetime(2025, 1, 1, 9),
        datetime(2025, 7, 1, 8),
    ]
    assert read(["2025-07-01T10:00:00Z", "2025-07-01T10:00+02:00", "2025-07-01T10:00"], **zone) == [
        datetime(2025, 7, 1, 10),
        datetime(2025, 7, 1, 8),
        datetime(2025, 7, 1, 8),
    ]
    assert read(["01.07.2025 10:00", "31.12.2025 10:00"], **zone)[0] == datetime(2025, 7, 1, 8)
    assert read([datetime(2025, 7, 1, 10)], pa.timestamp("ms"), **zone) == [datetime(2025, 7, 1, 8)]
    assert read([datetime(2025, 7, 1, 10)], pa.timestamp("ms", "UTC"), **zone) == [datetime(2025, 7, 1, 10)]
    assert read([date(2025, 7, 1)], pa.date32(), **zone) == [datetime(2025, 6, 30, 22)]
    assert read([1751364000], pa.int64(), **zone) == [datetime(2025, 7, 1, 10)]


def test_an_hour_that_occurs_twice_is_the_first_and_one_that_never_did_cannot_be_read():
    clock = TimeReader(zone="Europe/Berlin")
    column = pa.chunked_array([["2025-10-26 02:30:00", "2025-03-30 02:30:00", "2025-03-30 03:30:00"]])
    moments, _ = clock.read(column, "data.csv")
    assert [m and m.replace(tzinfo=None) for m in moments.to_pylist()] == [
        datetime(2025, 10, 26, 0, 30),
        None,
        datetime(2025, 3, 30, 1, 30),
    ]
    assert clock.folds == 1
    assert clock.unreadable == [("data.csv", 1, "2025-03-30 02:30:00")]


@pytest.mark.parametrize("word", ["", "NaN", "NaT", "null", "None", "N/A", " "])
def test_a_word_for_no_time_is_none(word):
    _, absent = TimeReader().read(pa.chunked_array([["2025-01-01", word]]), "data.csv")
    assert absent.to_pylist() == [False, True]


def test_one_slip_of_the_pen_is_held_and_changes_no_order():
    times = [f"{day:02}.01.2025 {hour:02}:30" for day in range(1, 32) for hour in range(24)]
    found = read([*times, "01.13.2025 00:30"])
    assert found[-1] is None
    assert found[0] == datetime(2025, 1, 1, 0, 30)


def test_a_file_keeps_the_format_of_its_first_records():
    clock = TimeReader()
    clock.read(pa.chunked_array([["31.01.2025"]]), "a.csv")
    moments, _ = clock.read(pa.chunked_array([["05.03.2025", "2025-03-05"]]), "a.csv", 1)
    assert moments.to_pylist() == [datetime(2025, 3, 5, tzinfo=UTC), None]
    with pytest.raises(UserError, match="may be"):
        clock.read(pa.chunked_array([["05.03.2025"]]), "b.csv")


@pytest.mark.parametrize(
    "section",
    [{"time_format": "day first"}, {"time_format": "%H:%M"}, {"time_zone": "Berlin"}, {"time_format": "%Q"}],
)
def test_a_format_or_zone_that_nobody_knows_is_refused(section):
    with pytest.raises(ValidationError, match="name"):
        Params(**section)


def test_a_proposal_says_how_much_it_rests_on():
    found = propose(["31.01.2025", "12.02.2025", "soon"])
    assert (found.format, found.read, found.values, found.rival) == ("%d.%m.%Y", 2, 3, None)
    assert parser(found.format)("31.01.2025") == datetime(2025, 1, 31)


ALL = Windows.model_validate({"current": {"source": "other.csv"}})


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ingest(window, **section):
    windows = {"reference": {"until": "2020-02-01"}, "current": {"from": "2020-02-01"}}
    columns = Columns(text="text", label="label", timestamp="when")
    found = Reading(plan(window, Windows.model_validate(windows), Params(source="m.csv", columns=columns, **section)))
    rows, figures = read_window(found.plan, found)
    return rows, "\n".join(lines(figures, found))


def write(*times):
    rows = "".join(f"text {i},{'ab'[i % 2]},{time}\n" for i, time in enumerate(times))
    Path("m.csv").write_text("text,label,when\n" + rows, encoding="utf-8")


def test_a_source_half_of_which_has_no_time_stops_the_run_with_values_and_the_key(here):
    write(*["2020-01-01T10:00:00", "02.01.2020 09:44"] * 20)
    with pytest.raises(UserError) as refusal:
        ingest("reference")
    said = str(refusal.value)
    assert "ingest.columns.timestamp: 20 of 40 records" in said
    assert "'02.01.2020 09:44' (m.csv, row 1)" in said
    assert said.count("m.csv, row") == 3
    assert 'ingest.time_format: "%d.%m.%Y %H:%M"' in said
    rows, told = ingest("reference", max_undated=0.5)
    assert len(rows) == 20
    assert "20 have no time that can be read: current takes them" in told


def test_a_few_undated_records_are_said(here):
    write(*["2020-01-01"] * 30, "", *["2020-02-02"] * 9)
    _, told = ingest("reference")
    assert told == (
        "reference: 30 rows of m.csv, with no problem; of the source's 40 records 9 are in the other window, "
        "1 have no time that can be read: current takes them"
    )
    _, told = ingest("current")
    assert "10 rows of m.csv, with a problem: 1 timestamp_unreadable" in told


def test_the_format_that_was_found_is_said(here):
    write("31.01.2020", "01.02.2020")
    _, told = ingest("current")
    assert 'm.csv: times are read as "%d.%m.%Y" (UTC where they name no zone)' in told


def test_a_parquet_column_of_counts_is_read(here):
    pq.write_table(pa.table({"text": ["x", "y"], "label": ["a", "b"], "when": [1580428800, 1580515200]}), "m.parquet")
    columns = Columns(text="text", label="label", timestamp="when")
    rows, _ = read_window(plan("reference", ALL, Params(source="m.parquet", columns=columns)))
    assert rows["timestamp"].to_pylist() == [
        datetime(2020, 1, 31, tzinfo=UTC),
        datetime(2020, 2, 1, tzinfo=UTC),
    ]


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_the_first_and_the_last_second_are_times_and_the_ones_beside_them_are_not(unit):
    scale = {"s": 1, "ms": 1000, "us": 10**6}[unit]
    first, last = -62135596800, 253402300799
    counts = [first * scale, last * scale, (last + 1) * scale - 1, first * scale - 1, (last + 1) * scale]
    expected = [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59), None, None, None]
    expected[2] = datetime(1970, 1, 1) + timedelta(microseconds=counts[2] * 10**6 // scale)
    assert read(counts, pa.timestamp(unit)) == expected
    assert read(counts, pa.int64(), format=f"epoch_{unit}") == expected


def test_nanoseconds_reach_as_far_as_they_can():
    ends = [-(2**63), 2**63 - 1]
    assert [moment.year for moment in read(ends, pa.timestamp("ns"))] == [1677, 2262]


def test_a_count_too_large_for_any_time_cannot_be_read():
    assert read([2**62, 0], pa.int64(), format="epoch_s") == [None, datetime(1970, 1, 1)]
    assert read(["1e400", "nan", "inf", "0"], format="epoch_s") == [None, None, None, datetime(1970, 1, 1)]


@pytest.mark.parametrize(("low", "high"), [(19_000_101, 21_001_231), (20_250_131, 20_250_131)])
def test_numbers_that_are_days_are_read_as_days(low, high):
    assert read([low, high], pa.int64()) == [datetime.strptime(str(n), "%Y%m%d") for n in (low, high)]
    with pytest.raises(UserError, match="holds numbers"):
        read([19_000_100, high], pa.int64())
    with pytest.raises(UserError, match="holds numbers"):
        read([low, 21_001_232], pa.int64())


def test_the_unit_of_counts_is_known_from_1973_to_2103():
    assert read([10**8, 4_199_999_999], pa.int64()) == [
        datetime(1970, 1, 1) + timedelta(seconds=n) for n in (10**8, 4_199_999_999)
    ]
    for outside in (10**8 - 1, 4_200_000_000):
        with pytest.raises(UserError, match=r"holds numbers \(.* to .*\) that are no seconds"):
            read([outside, 10**9], pa.int64())
