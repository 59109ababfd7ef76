"""Hostile .xlsx, .ods and .xls."""

from __future__ import annotations

import io
import zipfile

from tests.hostile.planted import GOOD, Expect, Row, good, put
from tests.support.workbooks import MAIN, open_document, sheet_xml, workbook

HEAD = {"A1": "text", "B1": "label"}
CELLS = HEAD | {"A2": GOOD[0].text, "B2": GOOD[0].label, "A3": GOOD[1].text, "B3": GOOD[1].label}


def read(cells, *rows, name="data.xlsx", book=None, **more):
    """The two good rows, then those of these cells."""
    return lambda: Expect(put(name, workbook(CELLS | cells, **(book or {}))), good(*rows), **more)


def refused(content, *words, name="data.xlsx", **more):
    return lambda: Expect(put(name, content()), refused=(name, *words), **more)


def cell(inner, text):
    """A third row whose label is this cell."""
    return read({"A4": "x", "B4": inner}, Row("x", text))


def held(inner, text):
    return read({"A4": "x", "B4": inner}, Row("x", text, "cell_error"))


def shifted(cells, rows):
    """The cells so many rows further down."""
    return {f"{name[0]}{int(name[1:]) + rows}": value for name, value in cells.items()}


def bomb():
    """A few bytes that stand for hundreds of megabytes."""
    return workbook(CELLS, xl__media__x="0" * 300_000_000)


def lying():
    """An archive whose directory says that a member is short."""
    made = bytearray(workbook(CELLS | {f"A{i}": "x" * 1000 for i in range(4, 500)}))
    end = made.rindex(b"xl/worksheets/0.xml") - 46
    made[end + 24 : end + 28] = (100).to_bytes(4, "little")
    return bytes(made)


def without(*names):
    return lambda: workbook(CELLS, **dict.fromkeys(names))


def archive(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, content in members.items():
            made.writestr(name, content)
    return out.getvalue()


LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + f']><worksheet xmlns="{MAIN}"><sheetData><row r="1"><c r="A1" t="str"><v>&i;</v></c></row></sheetData>'
    "</worksheet>"
)
MERGED = '<mergeCells count="1"><mergeCell ref="B4:B5"/></mergeCells>'
CELL = "<table:table-cell office:value-type='string'{}><text:p>{}</text:p></table:table-cell>"


def ods_row(*cells, more=""):
    found = "".join(one if one.startswith("<") else CELL.format("", one) for one in cells)
    return f"<table:table-row{more}>{found}</table:table-row>"


def ods(*rows, expected=(), words=()):
    content = open_document("".join((ods_row("text", "label"), *(ods_row(r.text, r.label) for r in GOOD), *rows)))
    return lambda: Expect(
        put("data.ods", content), None if words else good(*expected), ("data.ods", *words) if words else ()
    )


CASES = {
    "plain": read({}),
    "integer": cell("<><v>1</v>", "1"),
    "integer_float": cell("<><v>1.0</v>", "1"),
    "fraction": cell("<><v>0.1</v>", "0.1"),
    "large": cell("<><v>1E+20</v>", "100000000000000000000"),
    "negative": cell("<><v>-3</v>", "-3"),
    "truth": cell('<t="b"><v>1</v>', "TRUE"),
    "untruth": cell('<t="b"><v>0</v>', "FALSE"),
    "digits_as_text": cell("007", "007"),
    "formula": cell('<t="str"><f>A1&amp;"x"</f><v>result</v>', "result"),
    "spaces": cell("  a ", "  a "),
    "line_break": read({"A4": "a\nb", "B4": "a"}, Row("a\nb")),
    "emoji": read({"A4": "👍 ü", "B4": "a"}, Row("👍 ü")),
    "markup": read({"A4": "&lt;b&gt; &amp;amp;", "B4": "a"}, Row("<b> &amp;")),
    "na": held('<t="e"><v>#N/A</v>', "#N/A"),
    "division": held('<t="e"><f>1/0</f><v>#DIV/0!</v>', "#DIV/0!"),
    "error_in_text": read({"A4": '<t="e"><v>#REF!</v>', "B4": "a"}, Row("#REF!", "a", "cell_error")),
    "formula_without_result": held("<><f>A1&amp;A2</f><v></v>", None),
    "formula_without_value": held('<><f t="shared" si="0"/>', None),
    "formula_in_text_without_result": read({"A4": "<><f>A2</f><v/>", "B4": "a"}, Row("", "a", "cell_error")),
    "formula_of_nothing": read({"A4": "x", "B4": '<t="str"><f>IF(1,"")</f><v></v>'}, Row("x", None, "label_missing")),
    "formula_elsewhere": read({"C1": "n", "A4": "x", "B4": "a", "C4": "<><f>A2</f>"}, Row("x", extra={"n": ""})),
    "hidden_first": lambda: Expect(
        put("data.xlsx", workbook(HEAD | {"A2": "old", "B2": "a"}, more={"T": CELLS}.items(), hidden=("S",))), GOOD
    ),
    "all_hidden": read({}, book={"hidden": ("S",)}),
    "title_rows": lambda: Expect(
        put("data.xlsx", workbook({"A1": "Report of May", "A3": "by team"} | shifted(CELLS, 4))), GOOD
    ),
    "title_without_table": refused(lambda: workbook({"A1": "Report"} | shifted({"A1": "x"}, 2)), "no column 'text'"),
    "error_elsewhere": read(
        {"C1": "n", "A4": "x", "B4": "a", "C4": '<t="e"><v>#N/A</v>'}, Row("x", extra={"n": "#N/A"})
    ),
    "gap": read({"A9": "x", "B9": "a"}, Row("x")),
    "no_label": read({"A4": "x"}, Row("x", None, "label_missing")),
    "no_text": read({"B4": "a"}, Row("", "a", "text_too_short")),
    "merged": read(
        {"A4": "x", "B4": "a", "A5": "y"}, Row("x"), Row("y", None, "label_missing"), book={"extra": MERGED}
    ),
    "unnamed_column": read({"C2": "note"}, book={}),
    "no_names_no_cells": read({"D1": "", "D2": ""}),
    "headers_twice": refused(lambda: workbook(CELLS | {"C1": "text"}), "'text'", "twice"),
    "no_header": refused(lambda: workbook({"A1": "x", "B1": "a"}), "no column 'text'", "x"),
    "empty_sheet": refused(lambda: workbook({}), "is empty"),
    "only_header": refused(lambda: workbook(HEAD), "no records"),
    "first_sheet_empty": refused(lambda: workbook({}, more={"T": CELLS}.items()), "is empty"),
    "second_sheet": refused(lambda: workbook({"A1": "About"}, more={"T": CELLS}.items()), "'T'", "say `sheet: T`"),
    "named_sheet": lambda: Expect(
        put("data.xlsx", workbook({"A1": "About"}, more={"T": CELLS}.items())), GOOD, ingest={"sheet": "T"}
    ),
    "no_such_sheet": refused(lambda: workbook(CELLS), "'T'", "'S'", ingest={"sheet": "T"}),
    "far_cell": refused(lambda: workbook(CELLS | {"XFD1048576": "x"}), "1048576", "cells"),
    "far_row": refused(lambda: workbook(CELLS | {"Z1048576": "x"}), "1048576", "cells"),
    "wide": refused(lambda: workbook(CELLS | {"ZZZ1": "x"}), "more than 1000 columns"),
    "bomb": refused(bomb, "bomb", seconds=5),
    "lying_directory": refused(lying, "cannot be read"),
    "budget": refused(lambda: workbook(CELLS), "max_bytes", ingest={"max_bytes": 500}),
    "laughs": refused(lambda: workbook(CELLS, xl__worksheets__0=LAUGHS), ""),
    "no_archive": refused(lambda: b"text,label\nx,a\n", "cannot be read as a spreadsheet"),
    "empty_file": refused(lambda: b"", "cannot be read as a spreadsheet"),
    "cut": refused(lambda: workbook(CELLS)[:-100], "cannot be read as a spreadsheet"),
    "no_workbook": refused(without("xl__workbook"), "no sheets"),
    "no_sheet": refused(without("xl__worksheets__0"), ""),
    "other_archive": refused(lambda: archive(**{"data.csv": "text,label\nx,a\n"}), "cannot be read"),
    "broken_sheet": refused(lambda: workbook(CELLS, xl__worksheets__0=sheet_xml(CELLS)[:-40]), ""),
    "no_shared_string": refused(lambda: workbook(CELLS | {"A4": '<t="s"><v>9</v>'}), ""),
    "password": refused(lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "cannot be read as a spreadsheet"),
    "xls_broken": refused(lambda: b"\xd0\xcf\x11\xe0" + bytes(600), "cannot be read", name="data.xls"),
    "ods_plain": ods(),
    "ods_error": ods(
        ods_row("x", CELL.format(" calcext:value-type='error' xmlns:calcext='c'", "#N/A")),
        expected=[Row("x", "#N/A", "cell_error")],
    ),
    "ods_repeated": ods(
        ods_row("x", "a", more=" table:number-rows-repeated='3'"),
        expected=[Row("x"), *[Row("x", "a", "duplicate_text")] * 2],
    ),
    "ods_empty_end": ods(ods_row("<table:table-cell/>", more=" table:number-rows-repeated='1048000'")),
    "ods_often": ods(ods_row("x", "a", more=" table:number-rows-repeated='90000000'"), words=("cells",)),
    "ods_no_content": lambda: Expect(put("data.ods", archive(mimetype="x")), refused=("data.ods", "cannot be read")),
}


def cases():
    for name, make in CASES.items():
        yield f"sheet_{name}", make
