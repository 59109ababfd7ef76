"""Values that stand for nothing, for several things or for another moment, in every role and format."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pyarrow as pa

from tests.hostile.columnar import TIMED, stored
from tests.hostile.planted import GOOD, Expect, Row, as_csv, as_jsonl, good, pairs, put

HEAD = as_jsonl(pairs(GOOD))
IDS = {"text": "text", "label": "label", "id": "id"}
ZONE = {"time_zone": "Europe/Berlin"}


def label(written, name, reason=None):
    """A label as JSON writes it, and what it must be."""
    record = f'{{"text": "x", "label": {written}}}'
    source = record.encode() if reason and reason != "label_missing" else None
    return lambda: Expect(put("data.jsonl", f"{HEAD}{record}\n"), good(Row("x", name, reason, source)))


def typed(values, *names, reasons=None):
    """Labels of a parquet column of some type, null last."""

    def make():
        table = pa.table({"text": [f"row {i}" for i in range(len(names))], "label": values()})
        why = reasons or [None if name else "label_missing" for name in names]
        rows = [Row(f"row {i}", name, reason) for i, (name, reason) in enumerate(zip(names, why, strict=True))]
        return Expect(put("data.parquet", stored(table)), rows)

    return make


def identified(written, reason=None):
    record = f'{{"text": "x", "label": "a", "id": {written}}}\n'
    head = as_jsonl([(row.text, row.label, str(i)) for i, row in enumerate(GOOD)], ("text", "label", "id"))
    return lambda: Expect(put("data.jsonl", head + record), good(Row("x", "a", reason)), columns=IDS)


def timed(times, moments, reasons=None, **ingest):
    """Times of a csv as they are written, and the moments (or None) that they must be."""

    def make():
        records = [(f"row {i}", "ab"[i % 2], time) for i, time in enumerate(times)]
        put("data.csv", as_csv(records, header=("text", "label", "time")))
        utc = [moment and moment.replace(tzinfo=UTC) for moment in moments]
        why = ["timestamp_unreadable" if moment is None else None for moment in moments]
        rows = [
            Row(f"row {i}", "ab"[i % 2], reason, extra={"timestamp": moment})
            for i, (moment, reason) in enumerate(zip(utc, why, strict=True))
        ]
        return Expect("data.csv", rows, columns=TIMED, ingest=ingest)

    return make


def doubtful(*times, words=(), **ingest):
    def make():
        records = [(f"row {i}", "a", time) for i, time in enumerate(times)]
        put("data.csv", as_csv(records, header=("text", "label", "time")))
        return Expect("data.csv", refused=("data.csv", *words), columns=TIMED, ingest={"max_undated": 0.05, **ingest})

    return make


def beside(name, kept):
    """A column that plays no part and bears the name of one of ours."""

    def make():
        records = [(row.text, row.label, "mine") for row in GOOD]
        put("data.csv", as_csv(records, header=("body", "tag", name)))
        rows = [Row(row.text, row.label, extra={kept: "mine"}) for row in GOOD]
        return Expect("data.csv", rows, columns={"text": "body", "label": "tag"})

    return make


def folder(one, two, kept, **more):
    """Two parquet files whose column n has these values."""

    def make():
        for i, values in enumerate((one, two)):
            columns = {"text": [GOOD[i].text], "label": [GOOD[i].label]} | ({"n": values} if values is not None else {})
            put(f"data/{i}.parquet", stored(pa.table(columns)))
        rows = [Row(row.text, row.label, extra={"n": n}) for row, n in zip(GOOD, kept, strict=True)]
        return Expect("data", None if "refused" in more else rows, **more)

    return make


def words_of_pandas():
    """NaN as text, where pandas wrote a file without any."""
    put("data/0.parquet", stored(pa.table({"text": [float("nan")], "label": ["a"]})))
    put("data/1.parquet", stored(pa.table({"text": ["x"], "label": ["b"]})))
    return Expect("data", [Row(None, "a", "text_missing"), Row("x", "b")])


def look_alike(labels):
    """Labels that are kept apart, since nothing says that they are one."""
    rows = [Row(f"row {i}", name) for i, name in enumerate(labels)]
    return lambda: Expect(put("data.csv", as_csv(pairs(rows))), rows)


JAN, FEB = datetime(2025, 1, 31), datetime(2025, 2, 5)
LABELS = {
    "one_in_a_list": label('["a"]', "a"),
    "list_of_two": label('["a", "b"]', None, "label_multiple"),
    "list_of_the_same": label('["a", "a"]', "a"),
    "empty_list": label("[]", None, "label_missing"),
    "list_of_null": label("[null]", None, "label_missing"),
    "list_of_a_number": label("[1]", "1"),
    "list_of_lists": label('[["a"]]', None, "label_not_a_string"),
    "object": label('{"name": "a"}', None, "label_not_a_string"),
    "empty_object": label("{}", None, "label_not_a_string"),
    "nan_token": label("NaN", None, "label_missing"),
    "infinity_token": label("-Infinity", None, "label_missing"),
    "float": label("1.0", "1.0"),
    "big_number": label("12345678901234567890", "12345678901234567890"),
    "string_of_a_list": label(json.dumps('["a"]'), '["a"]'),
    "string_of_nan": label('"nan"', "nan"),
    "unseen": label('"\\u200b\\ufeff"', "\u200b\ufeff", "label_missing"),
    "unseen_and_space": label('" \\u2060 "', " \u2060 ", "label_missing"),
    "truth": label("true", "true"),
    "minus_zero": label("-0", "-0"),
    "blank_string": label('"  "', "  ", "label_missing"),
    "floats": typed(lambda: pa.array([1.0, 2.0, float("nan"), None]), "1", "2", None, None),
    "floats_small": typed(lambda: pa.array([0.5, -0.0], pa.float32()), "0.5", "0"),
    "infinite": typed(lambda: pa.array([1.0, float("inf"), float("-inf")]), "1", None, None),
    "lists": typed(lambda: pa.array([["a"], [], None, ["b", None]]), "a", None, None, "b"),
    "lists_of_two": typed(
        lambda: pa.array([["a"], ["a", "b"], ["b"]]), "a", None, "b", reasons=[None, "label_multiple", None]
    ),
    "fixed_lists": typed(lambda: pa.array([[1], [2]], pa.list_(pa.int8(), 1)), "1", "2"),
}
OTHERS = {
    "id_nan": identified("NaN", "id_missing"),
    "id_null": identified("null", "id_missing"),
    "id_list": identified('["k"]'),
    "id_two": identified('["k", "l"]', "id_not_a_string"),
    "id_object": identified('{"k": 1}', "id_not_a_string"),
    "text_nan": lambda: Expect(
        put("data.jsonl", HEAD + '{"text": NaN, "label": "a"}\n'), good(Row(None, "a", "text_missing"))
    ),
    "text_all_nan": words_of_pandas,
    "column_id": beside("id", "source_id"),
    "column_label": beside("label", "source_label"),
    "column_text": beside("text", "source_text"),
    "column_problem": beside("problem", "source_problem"),
    "column_reasons": beside("reasons", "source_reasons"),
    "type_int_float": folder([1], [1.5], [1.0, 1.5]),
    "type_int_text": folder([1], ["x"], ["1", "x"]),
    "type_nested": folder([{"k": 1}], ["x"], ['{"k": 1}', "x"]),
    "type_wide_int": folder([2**60], [0.5], [str(2**60), "0.5"]),
    "column_new": folder(None, [1], [None, 1]),
    "column_stops": folder(
        [1],
        ["x"],
        [None, None],
        refused=("data/0.parquet", "data/1.parquet", "int64"),
        ingest={"columns_differ": "stop"},
    ),
    "labels_alike": look_alike(["spam", "Spam", "spam\u200b", "spam ", "cafe\u0301", "caf\u00e9", "n/a"]),
    "labels_alike_numbers": look_alike(["1", "1.0", "01", "2"]),
    "labels_alike_signs": look_alike(
        ["0", "-0", "0.0", "e-mail", "e\u2013mail", "e_mail", "sp\u0430m", "spam", "'spam'"]
    ),
    "text_unseen": lambda: Expect(
        put("data.csv", as_csv([*pairs(GOOD), ("\u200b\ufeff \u2060", "a")])),
        good(Row("\u200b\ufeff \u2060", "a", "text_too_short")),
    ),
}
TIMES = {
    "bigquery": timed(["2025-01-31 10:00:00 UTC", "2025-02-05 00:00:00 UTC"], [JAN.replace(hour=10), FEB]),
    "offset_after_space": timed(["2025-01-31 10:00:00 +0000"], [JAN.replace(hour=10)]),
    "rfc2822": timed(["Fri, 31 Jan 2025 10:00:00 -0500", "Wed, 5 Feb 2025 00:00:00 GMT"], [JAN.replace(hour=15), FEB]),
    "seconds": timed(["1738281600", "1738713600"], [JAN, FEB]),
    "milliseconds": timed(["1738281600000", "1738713600000"], [JAN, FEB]),
    "nanoseconds": timed(["1738281600000000000", "1738713600000000000"], [JAN, FEB]),
    "seconds_and_milliseconds": timed(["1738281600", "1738281600", "1738713600000"], [JAN, JAN, None]),
    "german": timed(["31.01.2025", "05.02.2025"], [JAN, FEB]),
    "american": timed(["1/31/2025 12:00 AM", "2/5/2025 12:00 AM"], [JAN, FEB]),
    "month_names": timed(["31 Jan 2025", "05 Feb 2025"], [JAN, FEB]),
    "web_server": timed(["31/Jan/2025:00:00:00 +0000", "05/Feb/2025:01:00:00 +0100"], [JAN, FEB]),
    "words_for_none": timed(["2025-01-31", "NaT", "null", ""], [JAN, None, None, None]),
    "excel_and_iso": timed(["2025-01-31", "2025-02-05", "45688"], [JAN, FEB, None]),
    "zone": timed(["2025-01-31 01:00:00", "2025-02-05T00:00:00Z"], [JAN, FEB], **ZONE),
    "zone_gap": timed(["2025-03-30 02:30:00", "2025-01-31 01:00"], [None, JAN], **ZONE),
    "zone_fold": timed(["2025-10-26 02:30:00"], [datetime(2025, 10, 26, 0, 30)], **ZONE),
    "named": timed(["05/02/2025", "31/01/2025"], [FEB, JAN], time_format="%d/%m/%Y"),
    "named_epoch": timed(["0", "86400"], [datetime(1970, 1, 1), datetime(1970, 1, 2)], time_format="epoch_s"),
    "open_order": doubtful("05/03/2025", words=("5 March 2025", "3 May 2025", "ingest.time_format")),
    "both_orders": doubtful("31/01/2025", "01/31/2025", words=("two orders", "ingest.time_format")),
    "day_before_month": doubtful("2025-31-01", "2025-05-02", words=("'2025-31-01'", '"%Y-%d-%m"')),
    "half_unreadable": doubtful(
        "2025-01-31", "sometime", words=("1 of 2 records", "'sometime' (data.csv, row 1)", "ingest.max_undated")
    ),
    "two_units": doubtful("1738281600", "1738281600", "1738713600000", words=("'1738713600000'", '"epoch_ms"')),
    "seconds_and_iso": doubtful("2025-01-31", "2025-02-01", "1738281600", words=("'1738281600'", '"epoch_s"')),
    "sheet_days": doubtful("45688", "45689.5", words=("'45688' (data.csv, row 0)", "day numbers of a spreadsheet")),
    "half_days_with_dots": doubtful("01/31/2025 11:30 p.m.", words=("11:30 p.m.", "ingest.time_format, such as")),
    "hour_24": doubtful("2025-01-31 24:00", "2025-01-31 12:00", words=("'2025-01-31 24:00'", "correct them")),
    "names_of_zones": doubtful("2025-01-31 12:00 CET", words=("'2025-01-31 12:00 CET'", "correct them")),
    "comma_before_milliseconds": lambda: Expect(
        put("data.csv", "text,label,time\nx,a,2025-01-31 12:00:00,123\ny,b,2025-01-31 12:00:01,456\n"),
        refused=("2 of 2", "12:00:00,123' (data.csv, row 0)", "ingest.dialect"),
        columns=TIMED,
    ),
    "noon_and_midnight": timed(
        ["1/31/2025 12:00 PM", "2/13/2025 12:00 AM"], [JAN.replace(hour=12), FEB.replace(day=13)]
    ),
    "offsets": timed(["2025-01-31T23:00:00-05:00", "2025-02-05T01:00:00+01:00"], [datetime(2025, 2, 1, 4), FEB]),
    "all_empty": doubtful("", "", words=("2 of 2 records", "empty", "ingest.max_undated")),
}


def cases():
    yield from ((f"value_label_{name}", make) for name, make in LABELS.items())
    yield from ((f"value_{name}", make) for name, make in OTHERS.items())
    yield from ((f"value_time_{name}", make) for name, make in TIMES.items())
