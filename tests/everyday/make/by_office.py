"""What spreadsheets write: openpyxl and XlsxWriter for Excel's own format, LibreOffice for all others."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from datetime import datetime
from pathlib import Path

import openpyxl

from tests.everyday.make.by_python import frame
from tests.everyday.rows import NUMBER, PLAIN, ROWS

HEADER = ["id", "text", "label", "created_at"]


def make(files: Path) -> None:
    """Write the files."""
    _openpyxl(files)
    frame().to_excel(files / "pandas.xlsx", index=False, engine="xlsxwriter")
    frame().to_excel(files / "pandas_index.xlsx", engine="openpyxl")
    _libreoffice(files / "openpyxl.xlsx", "ods", files / "libreoffice.ods")
    _libreoffice(files / "openpyxl.xlsx", "xlsx", files / "libreoffice.xlsx")
    _libreoffice(files / "openpyxl.xlsx", "xls", files / "libreoffice.xls")
    _libreoffice(files / "openpyxl.xlsx", "fods", files / "libreoffice.fods")
    text = "csv:Text - txt - csv (StarCalc)"
    _libreoffice(files / "openpyxl.xlsx", f"{text}:44,34,76,1", files / "libreoffice.csv")
    _libreoffice(files / "openpyxl.xlsx", f"{text}:59,34,76,1", files / "libreoffice_semicolon.csv")
    _libreoffice(files / "openpyxl.xlsx", f"{text}:9,34,76,1", files / "libreoffice_tab.csv")
    _libreoffice(files / "openpyxl_plain.xlsx", f"{text}:59,34,1,1", files / "libreoffice_cp1252_semicolon.csv")
    _libreoffice(files / "openpyxl_plain.xlsx", f"{text}:44,34,1,1", files / "libreoffice_cp1252.csv")
    _libreoffice(files / "openpyxl.xlsx", f"{text}:9,34,65535,1", files / "libreoffice_utf16.csv")
    (files / "openpyxl_plain.xlsx").unlink()


def _sheet(book, title, rows, label=lambda name: name):
    sheet = book.create_sheet(title)
    sheet.append(HEADER)
    for number, (text, name, time) in enumerate(rows, 1):
        sheet.append([number, text, label(name), datetime.fromisoformat(time)])
        sheet.cell(sheet.max_row, 4).number_format = "yyyy-mm-dd hh:mm:ss"
    return sheet


def _openpyxl(files: Path) -> None:
    for name, rows in (("openpyxl", ROWS), ("openpyxl_plain", PLAIN)):
        book = openpyxl.Workbook()
        book.remove(book.active)
        _sheet(book, "tickets", rows)
        book.save(files / f"{name}.xlsx")
    book = openpyxl.Workbook()
    book.active.title = "About"
    book.active.append(["Export of the help desk"])
    _sheet(book, "tickets", ROWS)
    book.save(files / "openpyxl_second_sheet.xlsx")
    book = openpyxl.Workbook()
    book.remove(book.active)
    _sheet(book, "tickets", ROWS, label=lambda name: int(NUMBER[name]))
    book.save(files / "openpyxl_numbers.xlsx")


def _libreoffice(source: Path, kind: str, target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = ["soffice", "--headless", f"-env:UserInstallation=file://{folder}/profile", "--convert-to", kind]
        subprocess.run([*command, "--outdir", folder, source], check=True, capture_output=True)
        made = next(path for path in Path(folder).iterdir() if path.stem == source.stem)
        shutil.move(made, target)
