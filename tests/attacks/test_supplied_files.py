"""Files of a data supplier that are made to run code, to read or fetch something else, or to fill the memory."""

from __future__ import annotations

import base64
import io
import random
import resource
import struct
import warnings
import zipfile
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tasks.core.errors import UserError
from tasks.dataset.windows import Columns, Windows
from tasks.images import BROKEN, HUGE, UNKNOWN, opened, thumbnail
from tasks.ingest import Params
from tasks.ingest.__main__ import read_window
from tasks.ingest.windows import plan

ROWS = {"text": ["one two", "three four"], "label": ["a", "b"]}
CSV = "text,label\none two,a\nthree four,b\n"
SPREADSHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
MEBIBYTE = 1 << 20


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ingest(source, columns=None):
    section = Params(columns=Columns(**(columns or {"text": "text", "label": "label"})))
    windows = Windows.model_validate({"reference": {"source": source}})
    return read_window(plan("reference", windows, section))[0]


def texts(source, columns=None):
    return ingest(source, columns)["text"].to_pylist()


def peak():
    """The most memory that this process has held so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# parquet: metadata that names code


def extension(canary, name):
    metadata = {"ARROW:extension:name": name, "ARROW:extension:metadata": canary.pickle}
    field = pa.field("text", pa.string(), metadata=metadata)
    return pa.table(ROWS).cast(pa.schema([field, pa.field("label", pa.string())]))


@pytest.mark.parametrize("name", ["arrow.py_extension_type", "pandas.period", "os.system"])
def test_an_arrow_extension_type_is_not_unpickled(canary, name):
    pq.write_table(extension(canary, name), "data.parquet")
    assert texts("data.parquet") == ROWS["text"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("pandas", '{"index_columns": ["text"], "columns": [{"name": "text", "pandas_type": "object"}]}'),
        ("pandas", '{"index_columns": [{"kind": "range", "start": 0, "stop": 1e300, "step": 0}], "columns": []}'),
        ("huggingface", '{"info": {"features": {"text": {"_type": "Image"}, "label": {"_type": "PythonObject"}}}}'),
        ("org.apache.spark.sql.parquet.row.metadata", "[" * 100_000),
    ],
)
def test_metadata_of_other_tools_is_not_acted_on(canary, key, value):
    pq.write_table(pa.table(ROWS).replace_schema_metadata({key: value}), "data.parquet")
    assert texts("data.parquet") == ROWS["text"]


def test_a_pickled_schema_or_column_is_never_loaded(canary):
    pq.write_table(pa.table(ROWS).replace_schema_metadata({"ARROW:schema": b"AAAA" + canary.pickle}), "schema.parquet")
    with pytest.raises(UserError, match=r"schema\.parquet cannot be read as parquet"):
        ingest("schema.parquet")
    pq.write_table(pa.table({**ROWS, "object": [canary.pickle] * 2}), "object.parquet")
    assert texts("object.parquet") == ROWS["text"]


@pytest.mark.parametrize("size", [0, 8, 2**31 - 1, 2**32 - 1])
def test_a_footer_that_lies_about_its_size_is_refused(size):
    pq.write_table(pa.table(ROWS), "data.parquet")
    written = Path("data.parquet").read_bytes()
    Path("data.parquet").write_bytes(written[:-8] + struct.pack("<I", size) + b"PAR1")
    with pytest.raises(UserError, match=r"data\.parquet cannot be read as parquet"):
        ingest("data.parquet")


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(4))
def test_changed_bytes_of_a_parquet_file_are_read_or_refused_but_never_a_traceback(seed):
    draw = random.Random(seed)
    pq.write_table(pa.table(ROWS | {"number": [1, 2]}), "data.parquet")
    written = Path("data.parquet").read_bytes()
    for _ in range(60):
        changed = bytearray(written)
        for _ in range(draw.randrange(1, 5)):
            changed[draw.randrange(4, len(changed) - 8)] = draw.randrange(256)
        Path("data.parquet").write_bytes(changed)
        try:
            ingest("data.parquet")
        except UserError as refusal:
            assert "data.parquet" in str(refusal) or "columns" in str(refusal)


# spreadsheets: XML that refers elsewhere


def workbook(sheet, target="worksheets/sheet1.xml", mode="", **members):
    relation = f"<Relationship Id='r1' Type='{OFFICE}/%s' Target='%s' %s/>"
    with zipfile.ZipFile("data.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", f"<Types xmlns='{PACKAGE}/content-types'/>")
        for name, inner in (
            ("_rels/.rels", relation % ("officeDocument", "xl/workbook.xml", "")),
            ("xl/_rels/workbook.xml.rels", relation % ("worksheet", target, mode)),
        ):
            archive.writestr(name, f"<Relationships xmlns='{PACKAGE}/relationships'>{inner}</Relationships>")
        book = "<sheets><sheet name='S' sheetId='1' r:id='r1'/></sheets>"
        archive.writestr("xl/workbook.xml", f"<workbook xmlns='{SPREADSHEET}' xmlns:r='{OFFICE}'>{book}</workbook>")
        archive.writestr("xl/worksheets/sheet1.xml", sheet)
        for name, content in members.items():
            archive.writestr(name, content)


def sheet(text, before=""):
    rows = [("text", "label"), (text, "a"), ("three four", "b")]
    cells = ["".join(f"<c t='inlineStr'><is><t>{value}</t></is></c>" for value in row) for row in rows]
    data = "".join(f"<row>{row}</row>" for row in cells)
    return f"<?xml version='1.0'?>{before}<worksheet xmlns='{SPREADSHEET}'><sheetData>{data}</sheetData></worksheet>"


def laughs():
    """Ten to the ninth times ``lol``."""
    entities = "".join(f"<!ENTITY {chr(98 + i)} '{('&' + chr(97 + i) + ';') * 10}'>" for i in range(9))
    return f"<!DOCTYPE w [<!ENTITY a 'lol'>{entities}]>"


@pytest.mark.parametrize("kind", ["file", "address", "parameter", "laughs", "quadratic"])
def test_an_entity_in_a_sheet_brings_nothing_in(canary, folder, kind):
    secret = folder.parent / "secret.txt"
    secret.write_text("a secret of the machine")
    before, name = {
        "file": (f"<!DOCTYPE w [<!ENTITY e SYSTEM 'file://{secret}'>]>", "e"),
        "address": (f"<!DOCTYPE w [<!ENTITY e SYSTEM '{canary.url('entity')}'>]>", "e"),
        "parameter": (f"<!DOCTYPE w [<!ENTITY % p SYSTEM '{canary.url('parameter')}'> %p;]>", "e"),
        "laughs": (laughs(), "j"),
        "quadratic": (f"<!DOCTYPE w [<!ENTITY e '{'x' * 100_000}'>]>", "e;&e" * 1000 + ";&e"),
    }[kind]
    workbook(sheet(f"one &{name}; two", before))
    held = peak()
    with pytest.raises(UserError, match=r"data\.xlsx: sheet 'S' cannot be read"):
        ingest("data.xlsx")
    assert peak() - held < 200


def test_a_sheet_outside_of_the_workbook_is_not_opened(folder):
    secret = folder.parent / "outside.xml"
    secret.write_text(sheet("a secret of the machine"))
    workbook(sheet("one two"), f"../../../../..{secret}", "TargetMode='External'")
    with pytest.raises(UserError, match=r"data\.xlsx"):
        ingest("data.xlsx")


def test_a_member_with_a_path_is_not_unpacked(folder):
    workbook(sheet("one two"), **{"../../slip": "x", str(folder.parent / "slip"): "x"})
    assert texts("data.xlsx") == ["one two", "three four"]
    assert not list(folder.parent.rglob("slip"))


# names


NAMES = [
    "-rf",
    "--help",
    "line\nend",
    "esc\x1b[31m",
    "$(touch x)",
    "`touch x`",
    "; touch x",
    "a'b",
    'a"b',
    "%s%n{0}",
    "\u202egpj",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_files_name_is_only_a_name(canary, name):
    Path("source").mkdir()
    Path("source", f"{name}.csv").write_text(CSV)
    assert ingest("source")["source_file"].to_pylist() == [f"source/{name}.csv"] * 2


@pytest.mark.parametrize("name", ["label=..%2F..%2Fetc", "label=..", "label=%00", "label=", "label=-rf", "label=~root"])
def test_a_partition_is_only_a_value(folder, name):
    Path("source", name).mkdir(parents=True)
    Path("source", name, "part.csv").write_text("text\none two\nthree four\n")
    try:
        found = ingest("source")
    except UserError as refusal:
        assert name in str(refusal) or "label" in str(refusal)
    else:
        assert found["source_file"].to_pylist() == [f"source/{name}/part.csv"] * 2


@pytest.mark.parametrize(
    "source",
    [
        "/etc/passwd",
        "../../etc/passwd",
        "/dev/zero",
        "/proc/self/environ",
        "~/.ssh",
        "file:///etc/passwd",
        "-rf",
        "a\0b",
        "x" * 5000,
    ],
)
def test_a_source_is_a_path_in_the_repository_or_refused(source):
    with pytest.raises(UserError, match="source"):
        ingest(source)


@pytest.mark.parametrize("place", ["file", "folder", "chain"])
def test_a_link_out_of_the_repository_is_refused(folder, place):
    secret = folder.parent / "elsewhere" / "secret.csv"
    secret.parent.mkdir(exist_ok=True)
    secret.write_text(CSV)
    if place == "file":
        Path("data.csv").symlink_to(secret)
    elif place == "folder":
        Path("data").symlink_to(secret.parent)
    else:
        Path("step.csv").symlink_to(secret)
        Path("data.csv").symlink_to("step.csv")
    with pytest.raises(UserError, match="outside"):
        ingest("data" if place == "folder" else "data.csv")


# pictures


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width=4, height=4, more=b""):
    """A picture of this size, of which only the header is true; ``more`` stands behind it."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + more + chunk(b"IDAT", zlib.compress(b"x")) + chunk(b"IEND", b"")


def tiff(width, height):
    entries = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1)]
    packed = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in [*entries, (279, 4, 1)])
    return b"II*\0" + struct.pack("<IH", 8, len(entries) + 1) + packed + b"\0\0\0\0"


def real():
    held = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(held, "PNG")
    return held.getvalue()


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
INFLATES = zlib.compress(b"A" * 80 * MEBIBYTE)
BOMBS = {
    "largest png": (png(2**31 - 1, 2**31 - 1), {HUGE, BROKEN}),
    "wide png": (png(60_000, 60_000), {HUGE}),
    "no size": (png(0, 0), {BROKEN, UNKNOWN}),
    "text chunk": (real()[:33] + chunk(b"zTXt", b"a\0\0" + INFLATES) + real()[33:], {None, BROKEN}),
    "profile": (real()[:33] + chunk(b"iCCP", b"a\0\0" + INFLATES) + real()[33:], {None, BROKEN}),
    "tiff": (tiff(2**31 - 1, 2**31 - 1), {HUGE, BROKEN}),
    "tiff that points at itself": (b"II*\0\x08\0\0\0\x01\0\0\1\3\0\1\0\0\0\1\0\0\0\x08\0\0\0", {BROKEN, UNKNOWN}),
    "ppm": (b"P6 100000 100000 255\n", {HUGE}),
    "gif": (b"GIF89a\xff\xff\xff\xff\x80\0\0", {HUGE, BROKEN, UNKNOWN}),
    "webp": (b"RIFF\xff\xff\xff\xffWEBPVP8L", {UNKNOWN, BROKEN}),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(1)</script></svg>", {UNKNOWN}),
    "pdf": (b"%PDF-1.4\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>", {UNKNOWN}),
}  # fmt: skip


@pytest.mark.parametrize("kind", BOMBS)
def test_a_picture_made_to_harm_is_a_fault_of_its_row(kind):
    data, faults = BOMBS[kind]
    held = peak()
    assert opened(data).fault in faults
    assert peak() - held < 200


@pytest.mark.parametrize("code", ["({file}) (w) file closefile", "(%pipe%{shell}) (w) file closefile"])
def test_postscript_is_not_run(canary, code):
    picture = POSTSCRIPT + code.format(file=canary.file, shell=canary.shell).encode()
    assert opened(picture).fault == UNKNOWN


def test_a_pages_thumbnail_holds_pixels_only():
    exif = Image.Exif()
    exif[0x010E] = "<script>alert('description')</script>"
    held = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Image.new("RGB", (200, 200), "red").save(held, "PNG", exif=exif)
    shown = thumbnail(held.getvalue() + b"<script>alert('behind')</script>")
    assert b"script" in held.getvalue() and b"script" not in base64.b64decode(shown.partition(",")[2])
