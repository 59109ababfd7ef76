"""Hostile dialects: quote marks that are text, recovery, headers, delimiters, preambles, comments, encodings."""

from __future__ import annotations

import gzip

from tests.hostile.delimited import HEAD, lost, whole
from tests.hostile.planted import GOOD, Expect, Row, good, put

AGAIN = "header_repeated"
SURE = '"well, quoted",a\n'
KEY = "ingest.dialect"


def file(content, *rows, name="data.csv", **more):
    """A file of these rows and no others."""
    content = content.encode() if isinstance(content, str) else content
    return lambda: Expect(put(name, content), list(rows), **more)


def behind(tail, *rows, **more):
    """Two good records, then what is given."""
    tail = tail.encode() if isinstance(tail, str) else tail
    return file(HEAD.encode() + tail, *good(*rows), **more)


def sure(tail, *rows, **more):
    """The same, after a record in which quote marks must quote."""
    return behind(SURE + tail, Row("well, quoted"), *rows, **more)


def with_dialect(content, *rows, name="data.csv", **keys):
    return file(content, *rows, name=name, ingest={"dialect": keys})


def tsv(*lines, rows=None, words=(), **more):
    content = "text\tlabel\n" + "".join(f"{line}\n" for line in lines)
    return lambda: Expect(put("data.tsv", content), rows, words, **more)


def folder(files, rows, words=(), **more):
    def make():
        for name, content in files.items():
            put(f"data/{name}", content)
        return Expect("data", None if words else rows, words, **more)

    return make


PLAIN = [f"line {i}\t{'ab'[i % 2]}" for i in range(12)]
PLAIN_ROWS = [Row(f"line {i}", "ab"[i % 2]) for i in range(12)]
SWALLOWED = ['"open one\ta', "inside\tb", 'closed one"\ta']
AS_TEXT = [Row('"open one', "a"), Row("inside", "b"), Row('closed one"', "a")]
AS_ONE = [Row("open one\ta\ninside\tb\nclosed one", "a")]
CSV_PLAIN = "".join(f"line {i},{'ab'[i % 2]}\n" for i in range(12))
QUOTES = {
    "tsv_two_readings": tsv(*PLAIN, *SWALLOWED, words=("row 12", "13 or 15", "quoted: true", "quoted: false", KEY)),
    "tsv_set_text": tsv(*PLAIN, *SWALLOWED, rows=[*PLAIN_ROWS, *AS_TEXT], ingest={"dialect": {"quoted": False}}),
    "tsv_set_quoted": tsv(*PLAIN, *SWALLOWED, rows=[*PLAIN_ROWS, *AS_ONE], ingest={"dialect": {"quoted": True}}),
    "tsv_two_readings_tiny": tsv(*SWALLOWED, words=("row 0", "1 or 3")),
    "csv_two_readings": whole("text,label\n" + CSV_PLAIN + '"open,a\nclosed",b\n', "row 12", "'\"open,a'", KEY),
    "two_readings_in_gz": lambda: Expect(
        put("data.csv.gz", gzip.compress(("text,label\n" + CSV_PLAIN + '"open,a\nclosed",b\n').encode())),
        refused=("data.csv.gz", "row 12", KEY),
    ),
    "two_readings_far_behind": whole("text,label\n" + CSV_PLAIN * 9_000 + '"open,a\nclosed",b\n', "row 108000", KEY),
    "greeting_is_no_record": file(
        "text,label\n" + CSV_PLAIN + '"Dear team,\nplease see below",b\n',
        *(Row(f"line {i}", "ab"[i % 2]) for i in range(12)),
        Row("Dear team,\nplease see below", "b"),
    ),
    "greeting_among_many": file(
        "text,label\n" + CSV_PLAIN + '"Dear team,\nplease see below",b\n"x, y",a\n',
        *(Row(f"line {i}", "ab"[i % 2]) for i in range(12)),
        Row("Dear team,\nplease see below", "b"),
        Row("x, y", "a"),
    ),
    "tsv_inches": tsv('5" pipe\ta', '7" pipe\tb', rows=[Row('5" pipe', "a"), Row('7" pipe', "b")]),
    "tsv_open_once": tsv('"never closed\ta', "two\tb", rows=[Row('"never closed', "a"), Row("two", "b")]),
    "tsv_titles": tsv('"One" and more\ta', "two\tb", rows=[Row('"One" and more', "a"), Row("two", "b")]),
    "tsv_quoted": tsv('"a\tb"\ta', "two\tb", rows=[Row("a\tb", "a"), Row("two", "b")]),
    "csv_open_once": behind('"open,a\nnext,b\n', Row('"open'), Row("next", "b")),
    "all_quoted_one_broken": file(
        '"text","label"\n"one","a"\n"two" more,"b"\n"three","a"\n', Row("one"), lost('"two" more,"b"'), Row("three")
    ),
    "backslash": file('text,label\n"say \\"hi, you\\"",a\ntwo,b\n', Row('say "hi, you"'), Row("two", "b")),
    "backslash_of_spark": file(
        '"text","label"\n"C:\\new \\"x\\", y","a"\n"b","b"\n', Row('C:\\new "x", y'), Row("b", "b")
    ),
    "backslash_is_text": behind("C:\\new\\,a\n\\N,b\n", Row("C:\\new\\"), Row("\\N", "b")),
    "backslash_set": with_dialect(
        "text\tlabel\none\\\ttwo\\\nthree\ta\nfour\tb\n",
        Row("one\ttwo\nthree"),
        Row("four", "b"),
        name="data.tsv",
        quoted=False,
        escape="\\",
    ),
    "single": file("text,label\n'one, it''s',a\ntwo,b\n", Row("one, it's"), Row("two", "b")),
    "apostrophes": behind("'tis so,a\nit's,b\n'cause,a\n", Row("'tis so"), Row("it's", "b"), Row("'cause")),
    "single_in_the_header": file("'text','label'\n'one','a'\n'two','b'\n", Row("one"), Row("two", "b")),
    "set_quote": with_dialect("text,label\n|one, two|,a\nthree,b\n", Row("one, two"), Row("three", "b"), quote="|"),
}
RECOVERY = {
    "too_many_cells": sure(
        '"Hello,\nplease, see\nbye",a,x\nlast,b\n', lost('"Hello,\nplease, see\nbye",a,x'), Row("last", "b")
    ),
    "too_few_cells": sure('"Hello,\nplease, see\nbye"\nlast,b\n', lost('"Hello,\nplease, see\nbye"'), Row("last", "b")),
    "too_many_each_line_fits": sure('x,"one\ntwo",a\nlast,b\n', lost('x,"one\ntwo",a'), Row("last", "b")),
    "quotes_inside": sure(
        '"He "x" said, so\nand left, ok",b\nlast,b\n', lost('"He "x" said, so\nand left, ok",b'), Row("last", "b")
    ),
    "quotes_inside_second_line": sure(
        '"Dear team\nhe said "no, thanks"\nbye",b\nlast,b\n',
        lost('"Dear team\nhe said "no, thanks"\nbye",b'),
        Row("last", "b"),
    ),
    "cut_off": sure('"Dear team,\nplease see, spam\nmy order', lost('"Dear team,\nplease see, spam\nmy order')),
    "not_closed_then_quoted": sure(
        '"Dear team,\nplease see\n"next, one",a\n', lost('"Dear team,\nplease see'), Row("next, one")
    ),
    "crlf_kept": sure('"a,\r\nb",a,x\r\nlast,b\r\n', lost('"a,\r\nb",a,x'), Row("last", "b")),
    "bad_bytes_inside": behind(
        SURE.encode() + b'"a\xff,\nb",a,x\nlast,b\n', Row("well, quoted"), lost(b'"a\xff,\nb",a,x'), Row("last", "b")
    ),
}
HEADERS = {
    "again_in_capitals": behind("TEXT,Label\nx,a\n", lost(b"TEXT,Label", AGAIN), Row("x")),
    "again_with_spaces": behind(" text , label\nx,a\n", lost(b" text , label", AGAIN), Row("x")),
    "again_after_a_mark": behind("\ufefftext,label\nx,a\n", lost("\ufefftext,label".encode(), AGAIN), Row("x")),
    "again_not_quite": behind("texts,label\n", Row("texts", "label")),
    "no_header_unsaid": whole("win money,spam\nhello,ham\n", "'win money', 'spam'", "ingest.columns.text", "header: 0"),
    "no_header_said": file(
        "win money,spam\nhello,ham\n",
        Row("win money", "spam"),
        Row("hello", "ham"),
        columns={"text": "1", "label": "2"},
        ingest={"dialect": {"header": 0}},
    ),
    "in_capitals": whole("Text,label\nx,a\n", "'Text'", "set ingest.columns.text to 'Text'"),
    "unseen": whole("te\u200bxt,label\nx,a\n", "te\\u200bxt", "set ingest.columns.text to"),
    "decomposed": whole("te\u0301xt,label\nx,a\n", "'te\\u0301xt'", columns={"text": "t\u00e9xt", "label": "label"}),
    "again": behind("text,label\nx,a\n", lost("text,label", AGAIN), Row("x")),
    "again_quoted": behind('"text","label"\nx,a\n', lost('"text","label"', AGAIN), Row("x")),
    "again_with_mark": behind(b"\xef\xbb\xbftext,label\nx,a\n", lost("\ufefftext,label", AGAIN), Row("x")),
    "again_thrice": behind("text,label\n" * 3 + "x,a\n", *[lost("text,label", AGAIN)] * 3, Row("x")),
    "nearly_again": behind("text,tag\nText one,b\n", Row("text", "tag"), Row("Text one", "b")),
    "unnamed": file("text,label,,,\r\none,a,,,\r\ntwo,b,,,\r\n", Row("one"), Row("two", "b")),
    "unnamed_first": file(
        ",text,label\n0,one,a\n1,two,b\n", Row("one", extra={"": "0"}), Row("two", "b", extra={"": "1"})
    ),
    "twice_unused": file("text,label,n,n\none,a,1,2\n", Row("one", extra={"n": "1", "n#2": "2"})),
    "twice_used": whole("text,label,label\none,a,b\n", "'label'", "twice"),
    "trailing": file("text,label\none,a,\ntwo,b,\n", Row("one"), Row("two", "b")),
    "trailing_once": behind("x, more,\ny,b\n", lost("x, more,"), Row("y", "b")),
    "trailing_in_header": file("text,label,\none,a\ntwo,b\n", Row("one"), Row("two", "b")),
    "preamble": file("Report of May\n\ntext,label\none,a\ntwo,b\n", Row("one"), Row("two", "b")),
    "preamble_with_quote": file('A 5" report\ntext,label\none,a\n"t, u",b\n', Row("one"), Row("t, u", "b")),
    "preamble_like_records": whole("Report,May\ntext,label\none,a\n", "line 2", "header: 2", KEY),
    "preamble_set": with_dialect("Report,May\ntext,label\none,a\ntwo,b\n", Row("one"), Row("two", "b"), header=2),
    "none_set": file(
        "a\tone\nb\ttwo\n",
        Row("one"),
        Row("two", "b"),
        name="data.tsv",
        columns={"text": "2", "label": "1"},
        ingest={"dialect": {"header": 0}},
    ),
    "comments": file("# by hand\ntext,label\none,a\n# a note\ntwo,b\n", Row("one"), Row("two", "b")),
    "comments_set": with_dialect("text,label\none,a\n%x,a\ntwo,b\n", Row("one"), Row("two", "b"), comment="%"),
    "comments_like_records": whole(
        "# by hand\ntext,label\none,a\n# note\n" + "x,b\n" * 90_000 + "#y,a\n", "comment", "have as many cells", KEY
    ),
    "hashtags": behind("#love it,a\n# really,b\n", Row("#love it"), Row("# really", "b")),
}
DELIMITERS = {
    "semicolon": file("text;label\none, two;a\nthree;b\n", Row("one, two"), Row("three", "b")),
    "tab_in_csv": file("text\tlabel\none, two\ta\nthree\tb\n", Row("one, two"), Row("three", "b")),
    "pipe": file("text|label\none, two|a\nthree|b\n", Row("one, two"), Row("three", "b")),
    "comma_in_tsv": file("text,label\none,a\ntwo,b\n", Row("one"), Row("two", "b"), name="data.tsv"),
    "sep": file("sep=;\r\ntext;label\r\none, two;a\r\nthree;b\r\n", Row("one, two"), Row("three", "b")),
    "sep_with_mark": file("\ufeffsep=\t\ntext\tlabel\none\ta\ntwo\tb\n", Row("one"), Row("two", "b")),
    "set": with_dialect("text:label\none:a\ntwo:b\n", Row("one"), Row("two", "b"), delimiter=":"),
    "set_for_another_file": folder(
        {"eu/x.csv": "text^label\none^a\n", "y.csv": HEAD},
        [Row("one"), *GOOD],
        ingest={"files": {"eu/*.csv": {"delimiter": "^"}}},
    ),
    "mixed_folder": folder(
        {"a.csv": "text;label\none;a\n", "b.csv": "label|text\nb|two\n", "c.csv": HEAD},
        [Row("one"), Row("two", "b"), *GOOD],
    ),
    "semicolons_and_decimals": file(
        "text;label;n\none;a;1,5\ntwo;b;2,5\n", Row("one", extra={"n": "1,5"}), Row("two", "b", extra={"n": "2,5"})
    ),
    "cr_and_semicolons": file("text;label\rone;a\rtwo;b\r", Row("one"), Row("two", "b")),
}
CAFE = "text,label\ncafé,a\ngarçon,b\n"
CP1252 = {"encoding": "cp1252"}
ENCODINGS = {
    "utf8_beside_cp1252": folder(
        {"a.csv": CAFE.encode("cp1252"), "b.csv": CAFE.replace("é", "è").replace("ç", "c").encode()},
        [Row("café"), Row("garçon", "b"), Row("cafè"), Row("garcon", "b")],
        ingest=CP1252,
    ),
    "cp1252_by_pattern": folder(
        {"old/a.csv": CAFE.encode("cp1252"), "b.csv": HEAD},
        [*GOOD, Row("café"), Row("garçon", "b")],
        ingest={"files": {"old/*": CP1252}},
    ),
    "cp1252_unsaid": whole(CAFE.encode("cp1252"), "not UTF-8", "line 2", "cp1252", "café", "encoding: cp1252"),
    "cp1251_unsaid": whole("text,label\nПривет всем,a\nзаказ не пришёл,b\n".encode("cp1251"), "cp1251", "Привет"),
    "shift_jis_unsaid": whole("text,label\n注文が届かない,a\nありがとう,b\n".encode("shift_jis"), "shift_jis", "注文"),
    "gb18030_unsaid": whole(("text,label\n" + "我的订单没有到,a\n" * 9).encode("gb18030"), "gb18030", "订单"),
    "jsonl_unsaid": whole(
        '{"text": "café", "label": "a"}\n{"text": "garçon", "label": "b"}\n'.encode("cp1252"),
        "cp1252",
        name="data.jsonl",
    ),
    "utf8_said": behind(
        CAFE.encode("cp1252").partition(b"\n")[2],
        lost(b"caf\xe9,a", "text_undecodable", "a"),
        lost(b"gar\xe7on,b", "text_undecodable", "b"),
        ingest={"encoding": "utf-8"},
    ),
    "mostly_utf8": file(
        "text,label\né,a\nè,b\nê,a\n".encode() + b"\xe9,a\n\xe8,b\n",
        Row("é"),
        Row("è", "b"),
        Row("ê"),
        lost(b"\xe9,a", "text_undecodable", "a"),
        lost(b"\xe8,b", "text_undecodable", "b"),
    ),
    "both_readings": whole(
        "text,label\n聯聯,a\n".encode(), "UTF-8", "gb18030", "files", ingest={"encoding": "gb18030"}
    ),
    "utf16_semicolons": file("\ufefftext;label\none;a\ntwo;b\n".encode("utf-16-le"), Row("one"), Row("two", "b")),
    "utf16_tsv_two_readings": whole(
        ("\ufefftext\tlabel\n" + "\n".join(SWALLOWED) + "\n").encode("utf-16-be"), "1 or 3", KEY, name="data.tsv"
    ),
    "mark_and_quotes": file(b'\xef\xbb\xbf"text","label"\n"one","a"\n"two","b"\n', Row("one"), Row("two", "b")),
    "nul": behind(b"x\0y,a\n\0,b\n", Row("x\0y"), Row("\0", "b")),
}


def cases():
    groups = (("quotes", QUOTES), ("recovery", RECOVERY), ("header", HEADERS), ("delimiter", DELIMITERS))
    for group, found in (*groups, ("encoding", ENCODINGS)):
        for name, make in found.items():
            yield f"dialect_{group}_{name}", make
