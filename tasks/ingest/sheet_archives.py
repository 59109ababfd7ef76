"""The zip archive that an .xlsx or .ods file is: its size unpacked, and which cells hold the error of a formula."""

from __future__ import annotations

import posixpath
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from tasks.core.errors import UserError
from tasks.ingest.streams import Budget, refuse_bomb

Errors = Mapping[tuple[int, int], str]
"""By row and column, from 0, the error that a cell shows; nothing where its formula has no result."""
Layout = tuple[int, int, dict[tuple[int, int], str]]
"""How many rows and columns a sheet reaches to, and its errors."""
MAX_CELLS = 20_000_000  # as Python's values they take 2 GB
BLOCK = 1 << 20
ROW = re.compile(rb'<(?:\w+:)?row\b[^>]*?\sr="(\d{1,9})"')
COLUMN = re.compile(rb'\sr="([A-Z]{1,3})\d')
ERROR = re.compile(rb'<(?:\w+:)?c\b(?=[^>]*\st="e")[^>]*\sr="([A-Z]+)(\d+)"[^>]*>[^v]*?<(?:\w+:)?v>([^<]*)')
NO_RESULT = re.compile(
    rb'<(?:\w+:)?c\b(?![^>]*\st="str")[^>]*\sr="([A-Z]+)(\d+)"[^>]*>\s*<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)\s*'
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
"""A formula that no program has worked out; one that gives an empty text has the type str."""
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


def check_archive(path: Path, size: int, budget: Budget) -> None:
    """Count what the archive unpacks to. UserError: it is damaged, a bomb, or beyond ``ingest.max_bytes``."""
    if path.suffix.lower() == ".xls":
        budget.spend(size, path)
        return
    unpacked = 0
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                with archive.open(member) as file:
                    while block := file.read(BLOCK):
                        unpacked += len(block)
                        budget.spend(len(block), path)
                        refuse_bomb(unpacked, size, path)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise UserError(f"{path} cannot be read as a spreadsheet: {error}: save it again without a password") from None


def layout(path: Path, sheet: str) -> Errors:
    """The cells of a sheet that hold an error: its reader takes them for empty ones. None are known of an .xls file.

    UserError: its cells reach so far that a table of all between would not fit into memory.
    """
    suffix, rows, columns, errors = path.suffix.lower(), 0, 0, dict[tuple[int, int], str]()
    if suffix != ".xls":
        with zipfile.ZipFile(path) as archive:
            rows, columns, errors = (_of_excel if suffix == ".xlsx" else _of_open_document)(archive, sheet)
    if rows * columns > MAX_CELLS:
        raise UserError(
            f"{path}: sheet {sheet!r} reaches to row {rows} and column {columns}, more than {MAX_CELLS} cells: "
            "delete what is far from the table, or save it as csv"
        )
    return errors


def _of_excel(archive: zipfile.ZipFile, sheet: str) -> Layout:
    member = _member(archive, sheet)
    data = archive.read(member) if member in archive.namelist() else b""
    rows = max(map(int, set(ROW.findall(data))), default=0)
    columns = max(map(_column, set(COLUMN.findall(data))), default=-1) + 1
    found = ERROR.findall(data) if b't="e"' in data else []
    found += [(letters, row, b"") for letters, row in NO_RESULT.findall(data)]
    return rows, columns, {(int(row) - 1, _column(letters)): value.decode() for letters, row, value in found}


def _of_open_document(archive: zipfile.ZipFile, sheet: str) -> Layout:
    """Rows and cells are written once for as often as they are repeated; the last ones of a sheet are empty."""
    rows = columns = row = column = 0
    errors: dict[tuple[int, int], str] = {}
    name, used = "", False
    try:
        for event, one in ElementTree.iterparse(archive.open("content.xml"), events=("start", "end")):
            if event == "start":
                if one.tag == f"{TABLE}table":
                    name, row = one.get(f"{TABLE}name", ""), 0
                elif one.tag == f"{TABLE}table-row":
                    column, used = 0, False
            elif name == sheet and one.tag in (f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
                count = int(one.get(f"{TABLE}number-columns-repeated", "1"))
                if len(one) or any(key.endswith("value-type") for key in one.attrib):
                    used, columns = True, max(columns, column + count)
                    if any(key.endswith("}value-type") and value == "error" for key, value in one.items()):
                        errors[row, column] = "".join(one.itertext()).strip()
                column += count
                one.clear()
            elif name == sheet and one.tag == f"{TABLE}table-row":
                row += int(one.get(f"{TABLE}number-rows-repeated", "1"))
                rows = row if used else rows
                one.clear()
    except (KeyError, ValueError, ElementTree.ParseError):
        return 0, 0, {}  # the reader of sheets says what is wrong
    return rows, columns, errors


def _member(archive: zipfile.ZipFile, sheet: str) -> str:
    """The path of the sheet in the archive; empty where the archive does not say."""
    try:
        book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
        related = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    except (KeyError, ElementTree.ParseError):
        return ""
    targets = {one.get("Id"): one.get("Target", "") for one in related}
    for one in book.iter():
        if one.tag.endswith("}sheet") and one.get("name") == sheet:
            return posixpath.normpath(posixpath.join("xl", targets.get(one.get(RELATION), ""))).lstrip("/")
    return ""


def _column(letters: bytes) -> int:
    place = 0
    for letter in letters:
        place = place * 26 + letter - ord("A") + 1
    return place - 1
