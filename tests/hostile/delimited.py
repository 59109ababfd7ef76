"""Hostile csv and tsv: quotes, ragged records, headers, encodings."""

from __future__ import annotations

from tests.hostile.planted import GOOD, Expect, Row, as_csv, good, pairs, put

HEAD = "text,label\nthe first good row,a\nanother good row,b\n"
UNREAD = "record_unparseable"


def csv(tail, *rows, **more):
    """Two good records, then what is given, as bytes."""
    tail = tail.encode() if isinstance(tail, str) else tail
    return lambda: Expect(put("data.csv", HEAD.encode() + tail), good(*rows), **more)


def quoted(tail, *rows, **more):
    """The same in a file in which quote marks must quote, since a cell holds the delimiter."""
    tail = tail.encode() if isinstance(tail, str) else tail
    return csv(b'"well, quoted",a\n' + tail, Row("well, quoted"), *rows, **more)


def whole(content, *words, name="data.csv", **more):
    """A file that must be refused with these words."""
    return lambda: Expect(put(name, content), refused=(name, *words), **more)


def lost(line, reason=UNREAD, label=None):
    """A record of which only its bytes are kept."""
    return Row(None, label, reason, line if isinstance(line, bytes) else line.encode())


def encoded(codec, mark=b"", text="naïve café", **more):
    def make():
        rows = good(Row(text, "b"))
        return Expect(put("data.csv", mark + as_csv(pairs(rows)).encode(codec)), rows, **more)

    return make


def many_open_quotes():
    lines = [f'"open {i},a' for i in range(20_000)]
    put("data.csv", HEAD + '"x, y",a\n"y, z",b\n' * 2_000 + "\n".join(lines) + "\nlast,a\n")
    known = [Row("x, y", "a", "duplicate_text"), Row("y, z", "b", "duplicate_text")] * 2_000
    known[:2] = [Row("x, y", "a"), Row("y, z", "b")]
    return Expect("data.csv", good(*known, *map(lost, lines), Row("last", "a")))


def quote_to_the_end():
    lines = [f"row {i},a" for i in range(50_000)]
    put("data.csv", HEAD + '"well, quoted",a\n"never closed,a\n' + "\n".join(lines))
    rows = (Row(f"row {i}") for i in range(50_000))
    return Expect("data.csv", good(Row("well, quoted"), lost('"never closed,a'), *rows))


def columns(count, words=()):
    def make():
        names = [f"c{i}" for i in range(count)]
        put("data.csv", as_csv([(*pair, *names) for pair in pairs(GOOD)], header=("text", "label", *names)))
        return Expect("data.csv", None if words else GOOD, words)

    return make


QUOTES = {
    "unclosed_last": quoted('"open,a', lost('"open,a')),
    "unclosed_only_quote": quoted('"', lost('"')),
    "unclosed_then_good": quoted('"open,a\nnext,b\nlast,a\n', lost('"open,a'), Row("next", "b"), Row("last")),
    "unclosed_then_quoted": quoted('"open,a\n"next",b\n', lost('"open,a'), Row("next", "b")),
    "after_the_quote": quoted('"quoted" more,a\nlast,b\n', lost('"quoted" more,a'), Row("last", "b")),
    "in_the_middle": csv('say "hi" now,a\n', Row('say "hi" now')),
    "doubled": csv('"a ""b"" c",a\n', Row('a "b" c')),
    "empty_quoted": csv('"",a\n', Row("", "a", "text_too_short")),
    "four": csv('"""",a\n', Row('"')),
    "newline_inside": csv('"two\nlines",a\n', Row("two\nlines")),
    "record_inside": csv('"x\nfake,b\ny",a\n', Row("x\nfake,b\ny")),
    "delimiter_inside": csv('"a,b",a\n', Row("a,b")),
    "backslash_quote": quoted('"a \\" b",a\nlast,b\n', lost('"a \\" b",a'), Row("last", "b")),
    "single_quotes": csv("'a,b',a\n", Row("a,b")),
    "spaces_before": csv(' "a",a\n', Row(' "a"')),
    "many_open": many_open_quotes,
    "to_the_end": quote_to_the_end,
    "a_million": quoted('"' * 1_000_001 + ",a\nlast,b\n", lost('"' * 1_000_001 + ",a"), Row("last", "b")),
}
RAGGED = {
    "short": csv("one cell\nlast,b\n", lost("one cell"), Row("last", "b")),
    "long": csv("x,a,more\n", lost("x,a,more")),
    "trailing_delimiter": csv("x,a,\n", lost("x,a,")),
    "only_delimiters": csv(",\n", Row("", None, "text_too_short")),
    "blank_lines": csv("\n\r\n\nx,a\n\n\n", Row("x")),
    "white_lines": csv("   \nx,a\n", lost("   "), Row("x")),
    "no_last_newline": csv("x,a", Row("x")),
    "cr_only": lambda: Expect(put("data.csv", HEAD.replace("\n", "\r") + "x,a\r"), good(Row("x"))),
    "mixed_newlines": csv("x,a\r\ny,b\rz,a\n", Row("x"), Row("y", "b"), Row("z")),
    "bare_cr_in_a_cell": csv("x\ry,a\n", lost("x"), Row("y")),
    "million_commas": csv("," * 1_000_000 + "\nx,a\n", lost("," * 1_000_000), Row("x")),
    "ten_megabytes": csv("y" * 10_000_000 + ",a\n", Row("y" * 10_000_000)),
    "form_feed": csv("x\x0cy,a\n\x1c,b\n", Row("x\x0cy"), Row("\x1c", "b", "text_too_short")),
    "ctrl_z": csv("x,a\n\x1a", Row("x"), lost("\x1a")),
    "comment": csv("#x,a\n", Row("#x")),
    "git_conflict": csv("<<<<<<< HEAD\nx,a\n=======\n", lost("<<<<<<< HEAD"), Row("x"), lost("=======")),
}
HEADERS = {
    "empty": whole("", "no header"),
    "empty_tsv": whole("", "no header", name="data.tsv"),
    "only_a_mark": whole(b"\xef\xbb\xbf", "no header"),
    "only_newlines": whole("\n\n\r\n", "no header"),
    "only_header": whole("text,label\n", "no records"),
    "unclosed": whole('"text,label\nx,a\n', "no header"),
    "twice": whole("text,label,text\nx,a,y\n", "'text'", "twice"),
    "no_text": whole("body,label\nx,a\n", "no column 'text'", "'body', 'label'"),
    "no_label": whole("text,tag\nx,a\n", "no column 'label'"),
    "case": whole("Text,Label\nx,a\n", "no column 'text'"),
    "spaces": whole(" text, label\nx,a\n", "no column 'text'"),
    "zero_width": whole("te\u200bxt,label\nx,a\n", "no column 'text'"),
    "taken_twice": whole("text,label,problem,source_problem\nx,a,y,z\n", "'problem'", "rename"),
    "not_utf8": whole(b"text,label,caf\xe9\nx,a,y\n", "not UTF-8", "cp1252", "café"),
    "binary": whole(bytes(range(1, 256)) * 20, name="data.csv"),
    "nul": whole("te\x00xt,label\nx,a\n", "no column 'text'"),
    "blank_name": lambda: Expect(
        put("data.csv", as_csv([(*p, "k", "v") for p in pairs(GOOD)], header=("text", "label", "", "  "))),
        [Row(r.text, r.label, extra={"": "k", "  ": "v"}) for r in GOOD],
    ),
    "200_columns": columns(200),
    "5000_columns": columns(5_000, ("data.csv", "more than 1000 columns")),
    "html": whole("<!DOCTYPE html><html><body>404</body></html>", "no column 'text'"),
    "json": whole('[{"text": "x"}]', "no column 'text'"),
}
ENCODINGS = {
    "utf8_mark": encoded("utf-8", b"\xef\xbb\xbf"),
    "utf16_le": encoded("utf-16-le", b"\xff\xfe", "naïve 😀 中"),
    "utf16_be": encoded("utf-16-be", b"\xfe\xff", "naïve 😀 中"),
    "utf32_le": encoded("utf-32-le", b"\xff\xfe\x00\x00", "naïve 😀"),
    "utf32_be": encoded("utf-32-be", b"\x00\x00\xfe\xff", "naïve 😀"),
    "utf16_le_bare": whole("text,label\nx,a\n".encode("utf-16-le"), "UTF-16", "utf-16-le"),
    "utf16_be_bare": whole("text,label\nx,a\n".encode("utf-16-be"), "UTF-16", "utf-16-be"),
    "utf16_le_named": encoded("utf-16-le", ingest={"encoding": "utf-16-le"}),
    "latin1_named": encoded("latin-1", ingest={"encoding": "latin-1"}),
    "cp1252_named": encoded("cp1252", text="“smart” €5", ingest={"encoding": "cp1252"}),
    "gb18030_named": encoded("gb18030", text="中文 😀", ingest={"encoding": "gb18030"}),
    "shift_jis_named": encoded("shift_jis", text="日本語ソ表", ingest={"encoding": "shift_jis"}),
    "koi8_named": encoded("koi8-r", text="привет", ingest={"encoding": "koi8-r"}),
    "cp1252_undefined": csv(b"x\x81y,a\n", lost(b"x\x81y,a", "text_undecodable", "a"), ingest={"encoding": "cp1252"}),
    "latin1_unnamed": csv(b"caf\xe9,a\nx,b\n", lost(b"caf\xe9,a", "text_undecodable", "a"), Row("x", "b")),
    "cut_sequence": csv(b"caf\xc3,a\n", lost(b"caf\xc3,a", "text_undecodable", "a")),
    "overlong": csv(b"x\xc0\xafy,a\n", lost(b"x\xc0\xafy,a", "text_undecodable", "a")),
    "surrogate_bytes": csv(b"x\xed\xa0\x80,a\n", lost(b"x\xed\xa0\x80,a", "text_undecodable", "a")),
    "too_high": csv(b"x\xf5\x80\x80\x80,a\n", lost(b"x\xf5\x80\x80\x80,a", "text_undecodable", "a")),
    "bad_label": csv(b"x,\xff\n", Row("x", None, "value_undecodable", b"x,\xff")),
    "bad_in_quotes": csv(b'"x\n\xff",a\n', lost(b'"x\n\xff",a', "text_undecodable", "a")),
    "bad_unclosed": quoted(b'"x\xff,a\ny,b', lost(b'"x\xff,a'), Row("y", "b")),
    "utf16_lone_surrogate": lambda: Expect(
        put("data.csv", b"\xff\xfe" + HEAD.encode("utf-16-le") + b"\x00\xd8,\x00a\x00\n\x00"),
        good(lost(b"\x00\xd8,\x00a\x00", "text_undecodable", "a")),
    ),
    "utf16_odd_byte": whole(b"\xff\xfe" + HEAD.encode("utf-16-le") + b"x", "utf-16-le", "truncated"),
    "utf8_then_utf16": csv(
        b"\xff\xfex\x00,\x00a\x00\n", lost(b"\xff\xfex\x00,\x00a\x00", "text_undecodable", "\x00a\x00")
    ),
}


def cases():
    for group, found in (("quotes", QUOTES), ("ragged", RAGGED), ("header", HEADERS), ("encoding", ENCODINGS)):
        for name, make in found.items():
            yield f"{group}_{name}", make
