"""Hostile .json and .ndjson, folders called key=value, exports of annotation tools, and filters."""

from __future__ import annotations

import gzip
import json

from tests.hostile.delimited import lost
from tests.hostile.places import folder
from tests.hostile.planted import GOOD, Expect, Row, as_csv, as_jsonl, as_parquet, good, pairs, put

RECORDS = [{"text": text, "label": label} for text, label in pairs(GOOD)]
ARRAY = json.dumps(RECORDS)


def read(content, *rows, name="data.json", **more):
    """Only these rows."""
    return lambda: Expect(put(name, _text(content)), list(rows), **more)


def refused(content, *words, name="data.json", **more):
    return lambda: Expect(put(name, _text(content)), refused=(name, *words), **more)


def _text(content):
    return content if isinstance(content, str | bytes) else json.dumps(content, ensure_ascii=False)


def element(written, *rows):
    """An array of the two good records and this."""
    return read(
        ARRAY[:-1].encode() + b", " + (written if isinstance(written, bytes) else written.encode()) + b"]", *good(*rows)
    )


def broken(written):
    """An element of which only its bytes are kept."""
    return element(written, lost(written))


DOCUMENTS = {
    "array": read(ARRAY, *GOOD),
    "array_indented": read(json.dumps(RECORDS, indent=4), *GOOD),
    "array_crlf": read(json.dumps(RECORDS, indent=4).replace("\n", "\r\n"), *GOOD),
    "array_mark": read(b"\xef\xbb\xbf" + ARRAY.encode(), *GOOD),
    "array_utf16": read(b"\xff\xfe" + ARRAY.encode("utf-16-le"), *GOOD),
    "array_gz": read(gzip.compress(ARRAY.encode()), *GOOD, name="data.json.gz"),
    "array_cut": refused(ARRAY[:-5], "line 1", "not valid JSON"),
    "array_without_end": refused(ARRAY[:-1], "line 1", "has no end"),
    "array_trailing_comma": refused(ARRAY[:-1] + ",]", "line 1", "not valid JSON"),
    "array_without_comma": refused(ARRAY.replace("}, {", "} {"), "no comma"),
    "array_twice": refused(ARRAY + "\n" + ARRAY, "line 2", "more after"),
    "array_and_garbage": refused(ARRAY + "x", "more after"),
    "array_of_numbers": refused("[1, 2]", "no record is a JSON object"),
    "array_of_arrays": refused('[["text", "label"], ["x", "a"]]', "no record is a JSON object"),
    "array_empty": refused("[]", "no records"),
    "array_line_of_fault": refused(json.dumps(RECORDS, indent=1).replace('"b"', "b"), "line 8"),
    "array_comment": refused("// tickets\n" + ARRAY, "line 1"),
    "array_single_quotes": refused(ARRAY.replace('"', "'"), "line 1"),
    "array_deep": refused(ARRAY[:-1] + ', {"text": ' + "[" * 100_000 + "]" * 100_000 + "}]", "too deep"),
    "array_ten_megabytes": element(json.dumps({"text": "z" * 10_000_000, "label": "a"}), Row("z" * 10_000_000)),
    "element_number": broken("5"),
    "element_null": broken("null"),
    "element_string": broken('"text"'),
    "element_array": broken('["x", "a"]'),
    "element_duplicate_keys": broken('{"text": "x", "label": "a", "text": "y"}'),
    "element_nested_duplicate_keys": broken('{"text": "x", "label": "a", "v": {"k": 1, "k": 2}}'),
    "element_lone_key": broken('{"text": "x", "label": "a", "\\ud800": 1}'),
    "element_empty": element("{}", Row(None, None, "text_missing")),
    "element_bad_byte": element(
        b'{"text": "x\xff", "label": "a"}', lost(b'{"text": "x\xff", "label": "a"}', "text_undecodable", "a")
    ),
    "element_text_number": element('{"text": 5, "label": "a"}', Row(None, "a", "text_not_a_string")),
    "element_brackets_in_text": element('{"text": "a]}, {[", "label": "a"}', Row("a]}, {[")),
    "element_big_integer": element(
        f'{{"text": "x", "label": "a", "v": {"9" * 5000}}}', Row("x", extra={"v": "9" * 5000})
    ),
    "element_nan": element('{"text": "x", "label": "a", "v": NaN}', Row("x", extra={"v": "NaN"})),
    "lines": read(as_jsonl(pairs(GOOD)), *GOOD),
    "lines_one_broken": read(as_jsonl(pairs(GOOD)) + "{\n", *good(lost("{"))),
    "lines_ndjson": read(as_jsonl(pairs(GOOD)), *GOOD, name="data.ndjson"),
    "lines_mark": read(b"\xef\xbb\xbf" + as_jsonl(pairs(GOOD)).encode(), *GOOD),
    "several_indented": read("\n".join(json.dumps(one, indent=2) for one in RECORDS), *GOOD),
    "several_cut": refused("\n".join(json.dumps(one, indent=2) for one in RECORDS)[:-2], "line 7"),
    "object": read(RECORDS[0], GOOD[0]),
    "object_scalar": refused("5", "no object"),
    "object_null": refused("null", "no object"),
    "object_empty": refused("{}", "none of its values is a list of objects"),
    "object_with_list": refused({"rows": RECORDS}, "say `records: rows` under ingest"),
    "object_with_lists": refused({"a": {"b": RECORDS}, "c": RECORDS}, "records: a.b", "(or c)"),
    "path": read({"a": {"b": RECORDS}}, *GOOD, ingest={"records": "a.b"}),
    "path_missing": refused({"a": {"b": RECORDS}}, "'a.c'", "a.b", ingest={"records": "a.c"}),
    "path_to_object": refused({"a": {"b": RECORDS}}, "'a'", ingest={"records": "a"}),
    "path_through_list": refused({"a": RECORDS}, "'a.text'", ingest={"records": "a.text"}),
    "path_in_array": refused(ARRAY, "leave out ingest.records", ingest={"records": "a"}),
    "path_to_broken": read({"a": [*RECORDS, 5]}, *good(lost("5")), ingest={"records": "a"}),
    "columns": read({"text": {"0": "x", "1": "y"}, "label": {"0": "a", "1": "b"}}, Row("x"), Row("y", "b")),
    "columns_differ": refused({"text": {"0": "x", "1": "y"}, "label": {"0": "a"}}, "same rows"),
    "columns_lengths": refused({"text": ["x", "y"], "label": ["a"]}, "same rows"),
    "split_lengths": refused(
        {"columns": ["text", "label"], "data": [["x", "a"], ["y"]]}, "none of its values is a list of objects"
    ),
    "many_keys": refused([*RECORDS, *({f"k{i}": 1} for i in range(3_000))], "more than 1000 columns"),
    "empty": refused("", "no records"),
    "blank": refused(" \n\n", "no records"),
    "not_json": refused("text,label\nx,a\n", "line 1", "not valid JSON"),
    "bomb": lambda: Expect(
        put("data.json.gz", gzip.compress(b"[" + b" " * 300_000_000, 9)), refused=("data.json.gz", "bomb"), seconds=5
    ),
}
HALVES = [as_csv([pair]) for pair in pairs(GOOD)]
NO_LABEL = "text\nfirst\n"
PARTITIONS = {
    "label": folder(
        ("label=a/x.csv", NO_LABEL), ("label=b/x.csv", "text\nsecond\n"), rows=[Row("first"), Row("second", "b")]
    ),
    "escaped": folder(("label=a%2Fb%20c/x.csv", NO_LABEL), rows=[Row("first", "a/b c")]),
    "missing": folder(
        ("label=A/x.csv", "text\nsecond\n"),
        ("label=__HIVE_DEFAULT_PARTITION__/x.csv", NO_LABEL),
        rows=[Row("second", "A"), Row("first", None, "label_missing")],
    ),
    "empty": folder(
        ("label=/x.csv", NO_LABEL),
        ("label=a/x.csv", "text\nsecond\n"),
        rows=[Row("first", None, "label_missing"), Row("second")],
    ),
    "equal": folder(("label=a/x.csv", HALVES[0]), rows=GOOD[:1]),
    "other": folder(("label=z/x.csv", HALVES[0]), words=("label=z", "'label'", "rename")),
    "twice": folder(("label=a/label=b/x.csv", NO_LABEL), words=("'label'", "two of its folders")),
    "some": folder(("label=a/x.csv", NO_LABEL), ("y.csv", NO_LABEL), words=("data/y.csv", "no column 'label'")),
    "parquet": folder(("year=2020/x.parquet", as_parquet([("x", "a")])), rows=[Row("x", extra={"year": "2020"})]),
    "sign_inside": folder(("label=a=b/x.csv", NO_LABEL), rows=[Row("first", "a=b")]),
    "no_key": folder(("=a/x.csv", HALVES[0]), rows=GOOD[:1]),
    "ours": folder(("problem=a/x.csv", HALVES[0]), rows=[Row(GOOD[0].text, extra={"source_problem": "a"})]),
    "delta": folder(("a.parquet", as_parquet(pairs(GOOD))), ("_delta_log/0.json", "{}"), words=("Delta table",)),
    "unfinished": folder(("a.csv", HALVES[0]), ("_temporary/0/b.csv", HALVES[1]), words=("still being written",)),
}


def export(kind, records, *rows):
    """The two good records and these, as a tool exports them."""
    content = "".join(_text(one) + "\n" for one in [*ANSWERED[kind], *records])
    return lambda: Expect(put("data.jsonl", content), good(*rows), ingest={"format": kind})


def annotated(*labels, text="x", **more):
    """A task of Label Studio, annotated once for each label."""
    results = [{"from_name": "label", "type": "choices", "value": {"choices": [one]}} for one in labels]
    return {"data": {"text": text}, "annotations": [{"result": [one], **more} for one in results]}


ANSWERED = {
    "doccano": [one | {"label": [one["label"]]} for one in RECORDS],
    "prodigy": [one | {"answer": "accept", "_input_hash": -i} for i, one in enumerate(RECORDS)],
    "label_studio": [annotated(one["label"], text=one["text"]) for one in RECORDS],
}
EXPORTS = {
    "doccano_string": export("doccano", [{"text": "x", "label": "a"}], Row("x")),
    "doccano_several": export("doccano", [{"text": "x", "label": ["a", "b"]}], Row("x", None, "label_multiple")),
    "doccano_spans": export("doccano", [{"text": "x", "label": [[0, 1, "A"]]}], Row("x", None, "label_not_a_string")),
    "doccano_broken": export("doccano", [{"text": "x", "label": ["a"]}, "{"], Row("x"), lost("{")),
    "doccano_null": export("doccano", [{"text": "x", "label": ["a"]}, {"text": "y", "label": None}], Row("x")),
    "doccano_none": lambda: Expect(
        put("data.jsonl", '{"text": "x", "label": []}\n'),
        refused=("data.jsonl", "none holds an answer"),
        ingest={"format": "doccano"},
    ),
    "prodigy_unknown_answer": export("prodigy", [{"text": "x", "label": "a", "answer": "skip"}], Row("x")),
    "prodigy_no_answer": export("prodigy", [{"text": "x", "label": "a"}], Row("x")),
    "prodigy_two_options": export(
        "prodigy", [{"text": "x", "accept": ["a", "b"], "answer": "accept"}], Row("x", None, "label_multiple")
    ),
    "prodigy_odd_hash": export("prodigy", [{"text": "x", "label": "a", "_input_hash": [1]}], Row("x")),
    "studio_agreed": export("label_studio", [annotated("a", "a")], Row("x")),
    "studio_differ": export("label_studio", [annotated("a", "b")], Row("x", None, "annotations_differ")),
    "studio_cancelled": export("label_studio", [annotated("a"), annotated("b", was_cancelled=True)], Row("x")),
    "studio_odd": export(
        "label_studio",
        [
            {"data": "x", "annotations": "y"},
            {"data": {}, "annotations": [5]},
            {"data": {}, "annotations": [{"result": 5}]},
        ],
        *[Row(None, None, "record_unparseable")] * 3,
    ),
    "studio_other_control": lambda: Expect(
        put("data.jsonl", json.dumps(annotated("a")).replace("from_name", "x")),
        refused=("data.jsonl", "none holds an answer"),
        ingest={"format": "label_studio"},
    ),
}
THREE = as_csv([("x", "a", "en"), ("y", "b", "de"), ("z", "a", "")], header=("text", "label", "lang"))


def where(filters, *rows, words=()):
    return lambda: Expect(put("data.csv", THREE), list(rows) if rows else None, words, ingest={"where": filters})


WHERE = {
    "one": where({"lang": "en"}, Row("x")),
    "several": where({"lang": ["en", "de"]}, Row("x"), Row("y", "b")),
    "missing": where({"lang": None}, Row("z")),
    "missing_or": where({"lang": [None, "de"]}, Row("y", "b"), Row("z")),
    "role": where({"label": "a"}, Row("x"), Row("z")),
    "none": where({"lang": "es"}, words=("data.csv", "ingest.where", "'en' (1)")),
    "no_column": where({"land": "es"}, words=("data.csv", "'land'", "'lang'")),
    "empty_list": where({"lang": []}, words=("data.csv", "ingest.where")),
    "case": where({"lang": "EN"}, words=("data.csv", "ingest.where")),
}


def cases():
    yield from ((f"json_{name}", make) for name, make in DOCUMENTS.items())
    yield from ((f"partition_{name}", make) for name, make in PARTITIONS.items())
    yield from ((f"export_{name}", make) for name, make in EXPORTS.items())
    yield from ((f"where_{name}", make) for name, make in WHERE.items())
