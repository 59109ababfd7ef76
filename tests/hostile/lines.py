"""Hostile jsonl."""

from __future__ import annotations

import json

from tests.hostile.delimited import lost
from tests.hostile.planted import GOOD, Expect, Row, as_jsonl, good, pairs, put

HEAD = as_jsonl(pairs(GOOD)).encode()


def line(content, *rows, **more):
    """Two good records, then what is given."""
    content = content.encode() if isinstance(content, str) else content
    return lambda: Expect(put("data.jsonl", HEAD + content + b"\n"), good(*rows), **more)


def broken(content):
    """A line of which only its bytes are kept."""
    return line(content, lost(content))


def value(written, kept=None):
    """An extra value: kept as the JSON that wrote it."""
    return line(f'{{"text": "x", "label": "a", "v": {written}}}', Row("x", "a", extra={"v": kept or written}))


def not_text(written):
    content = f'{{"text": {written}, "label": "a"}}'
    return line(content, Row(None, "a", "text_not_a_string", content.encode()))


CASES = {
    "half": broken('{"text": "x", "label"'),
    "array": broken('["x", "a"]'),
    "string": broken('"x"'),
    "number": broken("5"),
    "null": broken("null"),
    "two_on_a_line": broken('{"text": "x"} {"text": "y"}'),
    "trailing_comma": broken('{"text": "x", "label": "a",}'),
    "single_quotes": broken("{'text': 'x', 'label': 'a'}"),
    "duplicate_keys": broken('{"text": "x", "label": "a", "text": "y"}'),
    "nested_duplicate_keys": broken('{"text": "x", "label": "a", "v": {"k": 1, "k": 2}}'),
    "deep": broken('{"text": "x", "label": "a", "v": ' + "[" * 100_000 + "]" * 100_000 + "}"),
    "deep_objects": broken('{"a": ' * 50_000 + "1" + "}" * 50_000),
    "raw_control": broken('{"text": "x\ty", "label": "a"}'),
    "garbage": broken(b"\x80\x81\x82"),
    "lone_key": broken('{"text": "x", "label": "a", "\\ud800": 1}'),
    "mark_inside": broken(b"\xef\xbb\xbf" + b'{"text": "x", "label": "a"}'),
    "lone_surrogate": line(
        '{"text": "\\ud83d", "label": "a"}', lost('{"text": "\\ud83d", "label": "a"}', "text_undecodable", "a")
    ),
    "surrogates_swapped": line(
        '{"text": "\\ude00\\ud83d", "label": "a"}',
        lost('{"text": "\\ude00\\ud83d", "label": "a"}', "text_undecodable", "a"),
    ),
    "pair": line('{"text": "\\ud83d\\ude00", "label": "a"}', Row("😀")),
    "escaped_nul": line('{"text": "x\\u0000y", "label": "a"}', Row("x\x00y")),
    "bad_byte": line(
        b'{"text": "x\xff", "label": "a"}', lost(b'{"text": "x\xff", "label": "a"}', "text_undecodable", "a")
    ),
    "text_null": line('{"text": null, "label": "a"}', Row(None, "a", "text_missing")),
    "text_absent": line('{"label": "a"}', Row(None, "a", "text_missing")),
    "empty_object": line("{}", Row(None, None, "text_missing")),
    "text_number": not_text("5"),
    "text_truth": not_text("true"),
    "text_list": not_text('["x"]'),
    "text_object": not_text('{"x": 1}'),
    "label_number": line('{"text": "x", "label": 1}', Row("x", "1")),
    "label_truth": line('{"text": "x", "label": true}', Row("x", "true")),
    "label_null": line('{"text": "x", "label": null}', Row("x", None, "label_missing")),
    "nan": value("NaN"),
    "infinity": value("-Infinity"),
    "big_integer": value("9" * 5_000),
    "many_digits": value("0.10000000000000000000001"),
    "exponent": value("1E400"),
    "minus_zero": value("-0.0"),
    "nested": value('{"a": [1.10, null, "é"]}'),
    "blank_lines": line('\n  \n\t\n{"text": "x", "label": "a"}\n\n', Row("x")),
    "crlf": line('{"text": "x", "label": "a"}\r\n{"text": "y", "label": "b"}\r', Row("x"), Row("y", "b")),
    "separator_inside": line('{"text": "x\u2028y", "label": "a"}'.encode(), Row("x\u2028y")),
    "mark": lambda: Expect(put("data.jsonl", b"\xef\xbb\xbf" + HEAD), GOOD),
    "utf16": lambda: Expect(put("data.jsonl", b"\xff\xfe" + HEAD.decode().encode("utf-16-le")), GOOD),
    "empty": lambda: Expect(put("data.jsonl", ""), refused=("data.jsonl", "no records")),
    "blank": lambda: Expect(put("data.jsonl", "\n\n"), refused=("data.jsonl", "no records")),
    "other_keys": lambda: Expect(put("data.jsonl", '{"Text": "x"}\n'), refused=("data.jsonl", "no column 'text'")),
    "python_objects": lambda: Expect(
        put("data.jsonl", "{'text': 'x', 'label': 'a'}\n"),
        refused=("data.jsonl", "row 0", "{'text': 'x'", "no record is"),
    ),
    "cr_alone": lambda: Expect(
        put("data.jsonl", HEAD.replace(b"\n", b"\r")), refused=("data.jsonl", "row 0", "no record is a JSON object")
    ),
    "record_separators": lambda: Expect(
        put("data.jsonl", b"\x1e" + HEAD.replace(b"\n{", b"\n\x1e{")), refused=("data.jsonl", "\\x1e", "no record is")
    ),
    "lists": lambda: Expect(
        put("data.json", '[["text", "label"], ["x", "a"]]'), refused=("data.json", "row 0", '["text", "label"]')
    ),
    "comment": line("// that was all", lost("// that was all")),
    "one_array": lambda: Expect(put("data.jsonl", json.dumps([{"text": "x", "label": "a"}], indent=1)), [Row("x")]),
    "many_keys": lambda: Expect(
        put("data.jsonl", HEAD + "".join(f'{{"k{i}": 1}}\n' for i in range(3_000)).encode()),
        refused=("data.jsonl", "more than 1000 columns"),
    ),
    "ten_megabytes": lambda: Expect(
        put("data.jsonl", as_jsonl([*pairs(GOOD), ("z" * 10_000_000, "a")])), good(Row("z" * 10_000_000))
    ),
}


def cases():
    for name, make in CASES.items():
        yield f"jsonl_{name}", make
