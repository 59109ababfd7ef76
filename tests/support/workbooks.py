"""Spreadsheets cell by cell, without the libraries that read them."""

from __future__ import annotations

import io
import zipfile

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MANIFEST = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def workbook(cells, sheet="S", more=(), extra="", hidden=(), **members):
    """An .xlsx file of one sheet. ``cells``: by name a text, or ``<`` and the XML of a cell from its type on.

    ``more``: further sheets by name and cells, ``hidden`` those that nobody sees. ``extra``: XML behind the cells.
    ``members``: other members of the archive by their path with ``__`` for ``/``, None to leave one out.
    """
    sheets = {sheet: cells, **dict(more)}
    names, states = list(sheets), ("visible", "hidden")
    found = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="xml" ContentType='
        '"application/xml"/></Types>',
        "_rels/.rels": _relations([("officeDocument", "xl/workbook.xml")]),
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets>'
        + "".join(
            f'<sheet name="{name}" sheetId="{i}" r:id="r{i}" state="{states[name in hidden]}"/>'
            for i, name in enumerate(names)
        )
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": _relations([("worksheet", f"worksheets/{i}.xml") for i in range(len(names))]),
    }
    found |= {f"xl/worksheets/{i}.xml": sheet_xml(sheets[name], extra) for i, name in enumerate(names)}
    found |= {name.replace("__", "/") + ".xml": content for name, content in members.items()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in found.items():
            if content is not None:
                archive.writestr(name, content)
    return out.getvalue()


def sheet_xml(cells, extra=""):
    """A sheet of these cells, in their order."""
    rows = {}
    for cell, value in cells.items():
        inner = value[1:] if value.startswith("<") else f't="inlineStr"><is><t xml:space="preserve">{value}</t></is>'
        number = cell.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        rows.setdefault(number, []).append(f'<c r="{cell}" {inner}</c>')
    body = "".join(f'<row r="{number}">{"".join(found)}</row>' for number, found in rows.items())
    return f'<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData>{extra}</worksheet>'


def open_document(rows):
    """An .ods file of one sheet, of the XML of its rows."""
    names = "office:1.0", "table:1.0", "text:1.0"
    spaces = " ".join(f'xmlns:{n.split(":")[0]}="urn:oasis:names:tc:opendocument:xmlns:{n}"' for n in names)
    content = (
        f"<office:document-content {spaces}><office:body><office:spreadsheet><table:table table:name='S'>{rows}"
        "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet", zipfile.ZIP_STORED)
        archive.writestr("META-INF/manifest.xml", f"<m:manifest xmlns:m='{MANIFEST}'/>")
        archive.writestr("content.xml", content)
    return out.getvalue()


def _relations(targets):
    made = "".join(
        f'<Relationship Id="r{i}" Type="{RELATIONS}/{kind}" Target="{target}"/>'
        for i, (kind, target) in enumerate(targets)
    )
    return f'<Relationships xmlns="{PACKAGE}/relationships">{made}</Relationships>'
