"""Bytes that Python's csv, pandas and DuckDB read too, each as a person calls it, and what each makes of them."""

from __future__ import annotations

import csv
import io

import duckdb
import pandas as pd

from tasks.core.errors import UserError
from tasks.ingest.decoding import Opening
from tasks.ingest.delimited import read_delimited_parts
from tasks.ingest.streams import Budget

H = b"text,label\n"
GOOD = H + b"one,a\ntwo,b\n"
INPUTS = {
    "plain.csv": GOOD,
    "crlf.csv": GOOD.replace(b"\n", b"\r\n"),
    "cr.csv": GOOD.replace(b"\n", b"\r"),
    "mixed_ends.csv": H + b"one,a\r\ntwo,b\nthree,a\r\n",
    "no_last_end.csv": H + b"one,a\ntwo,b",
    "mark.csv": b"\xef\xbb\xbf" + GOOD,
    "mark_and_quotes.csv": b'\xef\xbb\xbf"text","label"\n"one","a"\n',
    "utf16.csv": b"\xff\xfe" + GOOD.decode().encode("utf-16-le"),
    "blank_lines.csv": H + b"one,a\n\n\ntwo,b\n\n",
    "quoted_delimiter.csv": H + b'"one, two",a\nthree,b\n',
    "quoted_line_end.csv": H + b'"one\ntwo",a\nthree,b\n',
    "quoted_crlf.csv": H + b'"one\r\ntwo",a\r\nthree,b\r\n',
    "doubled_quotes.csv": H + b'"say ""hi""",a\nthree,b\n',
    "quote_in_the_middle.csv": H + b'say "hi" now,a\nthree,b\n',
    "all_quoted.csv": b'"text","label"\n"one","a"\n"two","b"\n',
    "empty_quoted.csv": H + b'"",a\nx,""\n',
    "white_space.csv": H + b" one , a \ntwo,b\n",
    "na.csv": H + b"NA,a\nnull,b\n007,1.50\n",
    "nul.csv": H + b"o\0ne,a\ntwo,b\n",
    "semicolons.csv": b"text;label\none, two;a\nthree;b\n",
    "tabs.csv": b"text\tlabel\none\ta\ntwo\tb\n",
    "pipes.csv": b"text|label\none|a\ntwo|b\n",
    "sep.csv": b"sep=;\ntext;label\none;a\ntwo;b\n",
    "preamble.csv": b"Report of May\n\ntext,label\none,a\ntwo,b\n",
    "comments.csv": b"# made by hand\ntext,label\none,a\n# a note\ntwo,b\n",
    "hash_text.csv": H + b"#one,a\ntwo,b\n",
    "unnamed.csv": b"text,label,,\none,a,,\ntwo,b,,\n",
    "trailing.csv": H + b"one,a,\ntwo,b,\n",
    "trailing_in_the_header.csv": b"text,label,\none,a\ntwo,b\n",
    "one_cell_too_many.csv": H + b"one,a\ntwo,b,c\nthree,a\n",
    "one_cell_too_few.csv": H + b"one,a\ntwo\nthree,a\n",
    "multiline_too_many.csv": H + b'"one\nsee, two\nthree",a,x\n"f,ive",b\n',
    "stray_quote.csv": H + b'"one,a\ntwo,b\n',
    "stray_quote_among_quoted.csv": H + b'"x, y",a\n"one,a\ntwo,b\n',
    "text_behind_the_quote.csv": H + b'"x, y",a\n"one" two,a\nthree,b\n',
    "backslash_quotes.csv": H + b'"say \\"hi, you\\"",a\nthree,b\n',
    "backslash.csv": H + b"C:\\new,a\n\\N,b\n",
    "single_quotes.csv": H + b"'one, two',a\nthree,b\n",
    "header_again.csv": H + b"one,a\ntext,label\ntwo,b\n",
    "quotes_as_text.tsv": b'text\tlabel\n"one\ta\ntwo\tb\nthree"\ta\n',
    "titles.tsv": b'text\tlabel\n"One" two\ta\nthree\tb\n',
    "latin1.csv": H + "café,a\ngarçon,b\n".encode("latin-1"),
    "one_bad_byte.csv": H + "café,a\n".encode() + b"x\xff,b\n",
}
HELD = ("held", "held")
REFUSED = "refused"


def ours(path):
    """Each record; one that is held as ``HELD``."""
    try:
        parts = list(read_delimited_parts(path, Opening(Budget(10**9), names=("text", "label")), _delimiter(path)))
    except UserError:
        return REFUSED
    found = []
    for part in parts:
        out = part.unparseable | part.repeated | frozenset().union(*part.undecodable.values())
        rows = part.table.select(["text", "label"]).to_pylist()
        found += [HELD if i in out else tuple(row.values()) for i, row in enumerate(rows)]
    return found


def by_csv(path):
    try:
        rows = list(csv.reader(io.StringIO(path.read_bytes().decode(), newline=""), delimiter=_delimiter(path)))
    except (UnicodeError, csv.Error):
        return REFUSED
    return [tuple(row[:2]) if len(row) == len(rows[0]) else tuple(row) for row in rows[1:]]


def by_pandas(path):
    try:
        table = pd.read_csv(path, sep=_delimiter(path), dtype=str, keep_default_na=False)
    except (ValueError, pd.errors.ParserError):
        return REFUSED
    return [tuple(row[:2]) for row in table.itertuples(index=False, name=None)]


def by_duckdb(path):
    try:
        found = duckdb.connect().execute(f"SELECT * FROM read_csv('{path}', all_varchar = true, header = true)")
    except duckdb.Error:
        return REFUSED
    return [tuple(value or "" for value in row[:2]) for row in found.fetchall()]


PEERS = {"csv": by_csv, "pandas": by_pandas, "duckdb": by_duckdb}


def _delimiter(path):
    return "\t" if path.suffix == ".tsv" else ","


BLANK = "ours: a blank line is no record"
DETECTED = "ours: the header divided by it names the columns; the others must be told"
HELD_WHY = "ours: nothing is filled up, cut or joined; the record is held whole"
ONE_COLUMN = "ours: a record that does not fit is held; DuckDB makes the whole file one column"
DIFFER = {
    "mixed_ends.csv": {"duckdb": "ours: each line end is one; DuckDB refuses the mixture"},
    "utf16.csv": dict.fromkeys(PEERS, "ours: the byte order mark says the encoding; the others must be told"),
    "blank_lines.csv": {"csv": BLANK},
    "quoted_crlf.csv": {"duckdb": "ours: RFC 4180 allows CRLF in quotes; DuckDB refuses it"},
    "nul.csv": {"pandas": "ours: a NUL is a character; pandas ends the cell at it"},
    "semicolons.csv": {"csv": DETECTED, "pandas": DETECTED},
    "tabs.csv": {"csv": DETECTED, "pandas": DETECTED},
    "pipes.csv": {"csv": DETECTED, "pandas": DETECTED},
    "sep.csv": dict.fromkeys(PEERS, "ours: the line is Excel's word for the delimiter, neither header nor data"),
    "preamble.csv": {"csv": "ours: the line that names the columns is the header", "pandas": "ours, as for csv"},
    "comments.csv": {"csv": "ours: what begins with # as the first line does is a note", "pandas": "ours, as for csv"},
    "trailing.csv": {
        "csv": "ours: the empty cell behind the last delimiter belongs to no column",
        "pandas": "ours: pandas moves every value one column on",
    },
    "trailing_in_the_header.csv": {"duckdb": "ours: two cells, two names; DuckDB makes it one column"},
    "one_cell_too_many.csv": {
        "csv": HELD_WHY,
        "pandas": "ours: pandas refuses the file for one record",
        "duckdb": ONE_COLUMN,
    },
    "one_cell_too_few.csv": {"csv": HELD_WHY, "pandas": "ours: pandas makes an empty label", "duckdb": ONE_COLUMN},
    "multiline_too_many.csv": {
        "csv": HELD_WHY,
        "pandas": "ours: pandas moves the values one column on",
        "duckdb": "ours: DuckDB makes a quoted cell the header's second line",
    },
    "stray_quote.csv": {
        "csv": "ours: as text the quote leaves two records of two cells; csv joins them into one cell",
        "pandas": "ours: pandas refuses the file",
    },
    "stray_quote_among_quoted.csv": {
        "csv": "ours: csv takes the next record into the cell",
        "pandas": "ours: pandas refuses the file",
        "duckdb": ONE_COLUMN,
    },
    "text_behind_the_quote.csv": {
        "csv": "either: csv drops the quotes; RFC 4180 does not know the record, so that it is held",
        "pandas": "either, as for csv",
        "duckdb": ONE_COLUMN,
    },
    "backslash_quotes.csv": {
        "csv": "ours: csv ends the cell at the escaped quote and makes three",
        "pandas": "ours: pandas moves the values one column on",
    },
    "single_quotes.csv": {
        "csv": "ours: only with ' as quote mark the record has two cells",
        "pandas": "ours: pandas moves the values one column on",
    },
    "header_again.csv": dict.fromkeys(PEERS, "ours: the header is no data"),
    "quotes_as_text.tsv": dict.fromkeys(PEERS, "ours: one record or three, and nothing in the file says which"),
    "titles.tsv": {"csv": "ours: the quotes belong to the text", "pandas": "ours, as for csv"},
    "one_bad_byte.csv": dict.fromkeys(PEERS, "ours: one bad byte costs one record"),
}
"""Who is right, and why, wherever a peer reads something else."""
