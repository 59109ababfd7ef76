"""Texts that are kept code point for code point in every format, and labels that are not what they seem."""

from __future__ import annotations

from tests.hostile.planted import Expect, Row, good, packed, pairs, put

TEXTS = {
    "na": "NA",
    "null": "null",
    "none": "None",
    "nan": "nan",
    "hash_na": "#N/A",
    "number": "007",
    "exponent": "1e5",
    "truth": "TRUE",
    "date": "2020-01-01",
    "nul": "cut\x00here",
    "nul_only": "\x00",
    "crlf": "one\r\ntwo",
    "cr": "one\rtwo",
    "lf": "one\ntwo\n\nfour",
    "mixed_newlines": "a\rb\nc\r\nd\n\re",
    "line_separators": "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1eh",
    "bidi": "user \u202eexe.gnp\u202c file",
    "zero_width": "pass\u200bword\u200d\ufeff",
    "nfc": "caf\u00e9",
    "nfd": "cafe\u0301",
    "ligature": "ﬁne ½ Å",
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈",
    "astral": "\U0001f600\U0010ffff",
    "private": "\ue000\uf8ff",
    "noncharacter": "\ufffe\uffff",
    "replacement": "was \ufffd before",
    "combining": "z" + "\u0301" * 500,
    "control": "bell\x07esc\x1b[31mred\x7f",
    "quotes": 'say "hi" and ""',
    "quote_only": '"',
    "quotes_many": '"' * 999,
    "delimiters": "a,b\tc;d|e",
    "backslash": "C:\\new\\table\\",
    "html": "</script><script>alert(1)</script> ${x} {{7*7}} %s",
    "formula": "=cmd|' /C calc'!A0",
    "formula_at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "formula_minus": "-2+3+cmd|' /C calc'!A0",
    "sql": "'); DROP TABLE rows;--",
    "spaces": "  kept  as  it is \t ",
    "nbsp": "a\u00a0b\u3000c",
    "long": "word " * 50_000,
    "one_word": "x" * 300_000,
    "mark_inside": "\ufeffnot a mark",
    "turkish": "İstanbul ıssız",
    "cjk": "中文 日本語 한국어",
    "template": "{text} {{ label }} <text>",
}
FORMATS = ["data.csv", "data.tsv", "data.jsonl", "data.parquet", "data.csv.gz", "data.jsonl.zst"]


def text_case(name, file):
    def make():
        rows = good(Row(TEXTS[name], "b"))
        return Expect(put(file, packed(file, pairs(rows))), rows)

    return make


def cases():
    """Each text in two of the formats, in turn."""
    for i, name in enumerate(TEXTS):
        for file in (FORMATS[i % 6], FORMATS[(i + 2) % 6]):
            yield f"text_{name}_{file.partition('.')[2]}", text_case(name, file)
    for name, label in LABELS.items():
        yield f"label_{name}", label_case(label)


LABELS = {
    "typo": "spma",
    "case": "Spam",
    "space": "spam ",
    "zero_width": "spam\u200b",
    "homoglyph": "sp\u0430m",
    "fullwidth": "ｓｐａｍ",
    "quoted": '"spam"',
    "number": "1",
    "nul": "spam\x00",
    "html": "<b>spam</b>",
    "formula": "=1+1",
    "long": "spam" * 10_000,
    "newline": "spam\n",
}


def label_case(label):
    def make():
        rows = [
            Row("one", "spam"),
            Row("two", "ham"),
            Row("odd one", label, "label_not_allowed"),
            Row("blank", "  ", "label_missing"),
        ]
        return Expect(put("data.csv", packed("data.csv", pairs(rows))), rows, validate={"labels": ["spam", "ham"]})

    return make
