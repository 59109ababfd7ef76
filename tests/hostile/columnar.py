"""Hostile parquet."""

from __future__ import annotations

import io
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

from tests.hostile.planted import GOOD, Expect, Row, as_parquet, put

TIMED = {"text": "text", "label": "label", "timestamp": "time"}
TEXT = [row.text for row in GOOD]
LABEL = [row.label for row in GOOD]


def stored(table, **options):
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def table(rows=GOOD, columns=None, **changes):
    """The two good rows with some columns in place of theirs, or added."""

    def make():
        made = pa.table({"text": TEXT, "label": LABEL} | {name: f() for name, f in changes.items()})
        return Expect(put("data.parquet", stored(made)), rows, **({"columns": columns} if columns else {}))

    return make


def refused(*words, columns=None, **changes):
    def make():
        made = pa.table({"text": TEXT, "label": LABEL} | {name: f() for name, f in changes.items()})
        put("data.parquet", stored(made))
        return Expect("data.parquet", refused=("data.parquet", *words), **({"columns": columns} if columns else {}))

    return make


def damaged(change, *words):
    def make():
        content = as_parquet([(f"row number {i}", "ab"[i % 2]) for i in range(1000)])
        return Expect(put("data.parquet", change(content)), refused=("data.parquet", *words))

    return make


def not_utf8(kind):
    def column():
        plain = pa.Array.from_buffers(pa.string(), 2, pa.array([b"fine", b"\xff\xfe"]).buffers())
        return plain if kind is None else plain.cast(kind)

    return column


def times(kind):
    return lambda: pa.array([datetime(2020, 1, 1), datetime(2021, 1, 1)]).cast(kind)


def counts(*values, kind):
    return lambda: pa.array(values, pa.int64()).cast(kind)


def said_often():
    """A few bytes that stand for gigabytes."""
    rows = pa.DictionaryArray.from_arrays(pa.array([0] * 2_000_000, pa.int32()), pa.array(["x" * 100_000]))
    made = pa.table({"text": rows, "label": pa.array(["a"] * 2_000_000).dictionary_encode()})
    return Expect(put("data.parquet", stored(made)), refused=("data.parquet", "bomb"), seconds=2)


def nothing_often():
    made = pa.table({"text": pa.nulls(30_000_000, pa.string()), "label": pa.nulls(30_000_000, pa.string())})
    return Expect(put("data.parquet", stored(made)), refused=("data.parquet", "bomb"), seconds=2)


UNREAD = [Row("fine"), Row(None, "b", "text_undecodable")]
CASES = {
    "dictionary": table(text=lambda: pa.array(TEXT).dictionary_encode()),
    "large_string": table(text=lambda: pa.array(TEXT, pa.large_string())),
    "string_view": table(text=lambda: pa.array(TEXT, pa.string_view())),
    "not_utf8": table(UNREAD, text=not_utf8(None)),
    "not_utf8_large": table(UNREAD, text=not_utf8(pa.large_string())),
    "not_utf8_label": table([Row(TEXT[0], "fine"), Row(TEXT[1], None, "value_undecodable")], label=not_utf8(None)),
    "null_text": table([GOOD[0], Row(None, "b", "text_missing")], text=lambda: pa.array([TEXT[0], None])),
    "empty_text": table([GOOD[0], Row("", "b", "text_too_short")], text=lambda: pa.array([TEXT[0], ""])),
    "label_integer": table([Row(TEXT[0], "1"), Row(TEXT[1], "2")], label=lambda: pa.array([1, 2])),
    "label_truth": table([Row(TEXT[0], "true"), Row(TEXT[1], "false")], label=lambda: pa.array([True, False])),
    "label_decimal": table(
        [Row(TEXT[0], "1.50"), Row(TEXT[1], "2.00")], label=lambda: pa.array([Decimal("1.50"), Decimal("2.00")])
    ),
    "label_dictionary": table(label=lambda: pa.array(LABEL).dictionary_encode()),
    "extra_decimal": table(extra=lambda: pa.array([Decimal("1.10"), None])),
    "extra_nested": table(extra=lambda: pa.array([{"a": [{"b": "c"}]}, None])),
    "extra_binary": table(extra=lambda: pa.array([b"\xff\x00", None])),
    "extra_map": table(extra=lambda: pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int32()))),
    "extra_duration": table(extra=lambda: pa.array([1, None], pa.duration("ns"))),
    "extra_null": table(extra=lambda: pa.nulls(2)),
    "extra_time": table(extra=lambda: pa.array([1, None], pa.timestamp("ms", "Asia/Tokyo"))),
    "time_s": table(columns=TIMED, time=times(pa.timestamp("s"))),
    "time_ms": table(columns=TIMED, time=times(pa.timestamp("ms"))),
    "time_ns": table(columns=TIMED, time=times(pa.timestamp("ns"))),
    "time_zone": table(columns=TIMED, time=times(pa.timestamp("us", "Asia/Kathmandu"))),
    "time_date": table(columns=TIMED, time=lambda: pa.array([date(2020, 1, 1), date(1, 1, 1)])),
    "time_date64": table(columns=TIMED, time=lambda: pa.array([date(2020, 1, 1), date(2021, 1, 1)], pa.date64())),
    "time_null": table(
        [GOOD[0], Row(TEXT[1], "b", "timestamp_unreadable")],
        columns=TIMED,
        time=lambda: pa.array([datetime(2020, 1, 1), None]),
    ),
    "time_year_300000": table(
        [GOOD[0], Row(TEXT[1], "b", "timestamp_unreadable")],
        columns=TIMED,
        time=counts(0, 9_400_000_000_000_000, kind=pa.timestamp("ms")),
    ),
    "time_before_year_1": table(
        [GOOD[0], Row(TEXT[1], "b", "timestamp_unreadable")],
        columns=TIMED,
        time=counts(0, -(2**60), kind=pa.timestamp("us")),
    ),
    "time_integer": refused("ISO 8601", columns=TIMED, time=lambda: pa.array([1, 2])),
    "time_of_day": refused("ISO 8601", columns=TIMED, time=lambda: pa.array([1, 2], pa.time64("us"))),
    "text_binary": refused("binary", text=lambda: pa.array([b"x", b"y"])),
    "text_list": refused("list", text=lambda: pa.array([["x"], ["y"]])),
    "text_integer": refused("int64", text=lambda: pa.array([1, 2])),
    "label_nested": refused("no label", label=lambda: pa.array([{"a": 1}, None])),
    "no_label": lambda: Expect(
        put("data.parquet", stored(pa.table({"text": TEXT}))), refused=("data.parquet", "no column 'label'")
    ),
    "twice": lambda: Expect(
        put("data.parquet", stored(pa.table([TEXT, LABEL, TEXT], names=["text", "label", "text"]))),
        refused=("data.parquet", "'text'"),
    ),
    "no_rows": lambda: Expect(put("data.parquet", as_parquet([])), refused=("data.parquet", "no records")),
    "row_groups": lambda: Expect(
        put("data.parquet", stored(pa.table({"text": TEXT, "label": LABEL}), row_group_size=1)), GOOD
    ),
    "cut_off": damaged(lambda c: c[: len(c) // 2], "cannot be read as parquet"),
    "no_end": damaged(lambda c: c[:-1], "cannot be read as parquet"),
    "end_only": damaged(lambda c: c[-200:], "cannot be read as parquet"),
    "empty": damaged(lambda c: b"", "cannot be read as parquet"),
    "magic_only": damaged(lambda c: b"PAR1PAR1", "cannot be read as parquet"),
    "csv_inside": damaged(lambda c: b"text,label\nx,a\n", "cannot be read as parquet"),
    "footer_length": damaged(lambda c: c[:-8] + b"\xff\xff\xff\x7f" + c[-4:], "cannot be read as parquet"),
    "damaged_page": damaged(lambda c: c[:200] + bytes(400) + c[600:], "cannot be read as parquet"),
    "said_often": said_often,
    "nothing_often": nothing_often,
}


def cases():
    for name, make in CASES.items():
        yield f"parquet_{name}", make
