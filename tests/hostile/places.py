"""Hostile files: packed, linked, piped, growing, hidden, in folders; and hostile times, ids, copies and classes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import socket
import threading
import time
import zipfile
from pathlib import Path

import zstandard

from tests.hostile.columnar import TIMED
from tests.hostile.planted import GOOD, Expect, Row, as_csv, as_jsonl, as_parquet, good, pairs, put

CSV = as_csv(pairs(GOOD)).encode()
NAMED = {"text": "text", "label": "label", "id": "key"}


def file(name, content, rows=GOOD, **more):
    return lambda: Expect(put(name, content()), rows, **more)


def refused(name, content, *words, source=None, **more):
    return lambda: Expect(source or name, refused=words, **more) if put(name, content()) else None


def zeros(size):
    return b"text,label\n" + b"\0" * size


def bomb_gz():
    put("data.csv.gz", gzip.compress(zeros(300_000_000), 9))
    return Expect("data.csv.gz", refused=("data.csv.gz", "bomb"), seconds=2)


def bomb_zst():
    put("data.jsonl.zst", zstandard.compress(zeros(300_000_000)))
    return Expect("data.jsonl.zst", refused=("data.jsonl.zst", "bomb"), seconds=2)


def zipped():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.csv", zeros(50_000_000))
    return out.getvalue()


def link(to, name="data.csv", rows=None, words=()):
    def make():
        put("elsewhere/real.csv", CSV)
        Path(name).symlink_to(to)
        return Expect(name, rows, words)

    return make


def folder(*files, rows=GOOD, words=(), **more):
    """A folder of these files (name, content)."""

    def make():
        for name, content in files:
            put(f"data/{name}", content)
        return Expect("data", None if words else rows, words, **more)

    return make


def pipe(name, source):
    def make():
        put("data/a.csv", CSV)
        os.mkfifo(name)
        return Expect(source, refused=(name, "not a regular file"))

    return make


def plugged():
    with socket.socket(socket.AF_UNIX) as end:
        end.bind("data.csv")
    return Expect("data.csv", refused=("data.csv", "not a regular file"))


def growing():
    put("data.csv", CSV + b"more,a\n" * 400_000)
    until = time.monotonic() + 30

    def write():
        with Path("data.csv").open("ab") as out:
            while time.monotonic() < until and Path("data.csv").exists():
                out.write(b"more,a\n" * 2_000)
                out.flush()
                time.sleep(0.01)  # or a busy machine opens a file that has grown beyond what is read in a minute

    threading.Thread(target=write, daemon=True).start()
    return Expect("data.csv", refused=("data.csv", "while it "), seconds=10)


def locked():
    Path(put("data.csv", CSV)).chmod(0)
    if os.access("data.csv", os.R_OK):  # nothing is locked for root
        return Expect("data.csv", GOOD)
    return Expect("data.csv", refused=("data.csv", "cannot be read"))


def members():
    return gzip.compress(CSV[:20]) + gzip.compress(CSV[20:])


def frames():
    return zstandard.compress(CSV[:20]) + zstandard.compress(CSV[20:])


FILES = {
    "gz": file("data.csv.gz", lambda: gzip.compress(CSV)),
    "gz_members": file("data.csv.gz", members),
    "gz_upper": file("DATA.CSV.GZ", lambda: gzip.compress(CSV)),
    "zst": file("data.csv.zst", lambda: zstandard.compress(CSV)),
    "zst_frames": file("data.csv.zst", frames),
    "gz_cut": refused("data.csv.gz", lambda: gzip.compress(CSV * 99)[:-20], "data.csv.gz", "cannot be unpacked"),
    "gz_checksum": refused(
        "data.csv.gz", lambda: gzip.compress(CSV)[:-8] + b"\0" * 8, "data.csv.gz", "cannot be unpacked"
    ),
    "gz_garbage_after": refused("data.csv.gz", lambda: gzip.compress(CSV) + b"garbage", "data.csv.gz", "unpacked"),
    "gz_zeros_after": file("data.csv.gz", lambda: gzip.compress(CSV) + bytes(512)),
    "xz_streams": file("data.csv.xz", lambda: lzma.compress(CSV[:20]) + lzma.compress(CSV[20:])),
    "gz_empty_file": refused("data.csv.gz", lambda: b"", "data.csv.gz", "empty"),
    "gz_of_nothing": refused("data.csv.gz", lambda: gzip.compress(b""), "data.csv.gz", "no header"),
    "gz_plain_inside": refused("data.csv.gz", lambda: CSV, "data.csv.gz", "cannot be unpacked", "take .gz off"),
    "gz_in_gz": refused("data.csv.gz", lambda: gzip.compress(gzip.compress(CSV)), "data.csv.gz", "header"),
    "gz_unnamed": refused("data.csv", lambda: gzip.compress(CSV), "data.csv", "holds gzip"),
    "zst_cut": refused("data.csv.zst", lambda: zstandard.compress(CSV * 99)[:-9], "data.csv.zst", "unpacked"),
    "zst_unnamed": refused("data.csv", lambda: zstandard.compress(CSV), "data.csv", "holds zstd"),
    "zip_unnamed": refused("data.csv", zipped, "data.csv", "holds zip"),
    "zip": refused("data.zip", zipped, "data.zip", "is a zip archive"),
    "bz2": file("data.csv.bz2", lambda: bz2.compress(CSV)),
    "bz2_streams": file("data.csv.bz2", lambda: bz2.compress(CSV[:20]) + bz2.compress(CSV[20:])),
    "bz2_cut": refused("data.csv.bz2", lambda: bz2.compress(CSV)[:-9], "data.csv.bz2", "cannot be unpacked"),
    "bz2_unnamed": refused("data.csv", lambda: bz2.compress(CSV), "data.csv", "holds bzip2"),
    "bomb_bz2": refused("data.csv.bz2", lambda: bz2.compress(zeros(100_000_000)), "data.csv.bz2", "bomb", seconds=5),
    "xz": file("data.json.xz", lambda: lzma.compress(as_jsonl(pairs(GOOD)).encode())),
    "xz_cut": refused("data.csv.xz", lambda: lzma.compress(CSV)[:-20], "data.csv.xz", "cannot be unpacked"),
    "xz_not": refused("data.csv.xz", lambda: CSV, "data.csv.xz", "cannot be unpacked"),
    "bomb_xz": refused("data.csv.xz", lambda: lzma.compress(zeros(100_000_000)), "data.csv.xz", "bomb", seconds=5),
    "txt": file("data.txt", lambda: as_csv(pairs(GOOD), "\t")),
    "txt_lines": file("data.txt", lambda: as_jsonl(pairs(GOOD))),
    "txt_prose": refused("data.txt", lambda: "Dear reader,\nthis is no table.\n", "data.txt", "no table"),
    "txt_empty": refused("data.txt", lambda: "", "data.txt"),
    "parquet_gz": refused("data.parquet.gz", lambda: gzip.compress(as_parquet(pairs(GOOD))), "data.parquet.gz"),
    "parquet_unnamed": refused("data.csv", lambda: as_parquet(pairs(GOOD)), "data.csv", "holds parquet"),
    "xlsx": refused("data.xlsx", lambda: b"PK\x03\x04", "data.xlsx", "cannot be read as a spreadsheet"),
    "bomb_gz": bomb_gz,
    "bomb_zst": bomb_zst,
    "too_large": refused("data.csv", lambda: CSV * 99, "data.csv", "max_bytes", ingest={"max_bytes": 1000}, seconds=2),
    "too_large_gz": refused(
        "data.csv.gz", lambda: gzip.compress(CSV * 99), "max_bytes", ingest={"max_bytes": 1000}, seconds=2
    ),
    "too_large_parquet": refused(
        "data.parquet", lambda: as_parquet(pairs(GOOD) * 99), "max_bytes", ingest={"max_bytes": 1000}, seconds=2
    ),
    "too_large_together": folder(
        ("a.csv", CSV), ("b.csv", CSV), words=("data/b.csv", "max_bytes"), ingest={"max_bytes": len(CSV) + 5}
    ),
    "link_inside": link("elsewhere/real.csv", rows=GOOD),
    "link_outside": link("/etc/passwd", words=("data.csv", "outside")),
    "link_to_zeros": link("/dev/zero", words=("data.csv", "not a regular file")),
    "link_up": link("../../../../../../etc/hosts", words=("data.csv", "outside")),
    "link_loop": link("data.csv", words=("data.csv", "leads nowhere")),
    "link_nowhere": link("gone.csv", words=("data.csv", "leads nowhere")),
    "link_to_folder": link("/etc", name="data", words=("data",)),
    "pipe": pipe("data.csv", "data.csv"),
    "pipe_in_folder": pipe("data/b.csv", "data"),
    "socket": plugged,
    "growing": growing,
    "locked": locked,
    "missing": lambda: Expect("data.csv", refused=("data.csv", "does not exist")),
    "folder_for_file": lambda: (
        Expect("data.csv", refused=("data.csv", "holds no files")) if not Path("data.csv").mkdir() else None
    ),
    "folder_named_as_file": lambda: Expect(put("data.csv/part.csv", CSV).split("/")[0], GOOD),
    "absolute": lambda: Expect(str(Path(put("data.csv", CSV)).resolve()), refused=("outside",)),
    "upwards": lambda: Expect("../data.csv", refused=("outside",)),
    "nul_in_name": lambda: Expect("da\0ta.csv", refused=("da",)),
    "name_odd": file("dä\nta 👍.csv", lambda: CSV),
    "name_upper": file("DATA.CSV", lambda: CSV),
}
MORE = Row("a third row", "a")
FOLDERS = {
    "mixed": folder(
        ("a.csv", CSV),
        ("b.jsonl", as_jsonl([("in b", "a")])),
        ("c.parquet", as_parquet([("in c", "b")])),
        ("d.tsv", as_csv([("in d", "a")], "\t")),
        ("e.csv.gz", gzip.compress(as_csv([("in e", "b")]).encode())),
        rows=good(Row("in b"), Row("in c", "b"), Row("in d"), Row("in e", "b")),
    ),
    "packed_beside_plain": folder(
        ("a.csv", CSV), ("a.csv.gz", gzip.compress(as_csv([(MORE.text, "a")]).encode())), rows=good(MORE)
    ),
    "below": folder(("b.csv", CSV), ("a/z/x.csv", as_csv([(MORE.text, "a")])), rows=[MORE, *GOOD]),
    "hidden": folder(("a.csv", CSV), (".b.csv", "x"), (".c/d.csv", "x"), (".gitignore", "/a.csv\n")),
    "dvc_beside": folder(("a.csv", CSV), ("a.csv.dvc", "outs:\n- path: a.csv\n"), (".gitignore", "/a.csv\n")),
    "dvc_alone": folder(("a.csv", CSV), ("b.csv.dvc", "outs:\n- path: b.csv\n"), words=("data/b.csv", "dvc pull")),
    "stranger": folder(("a.csv", CSV), ("notes.docx", "x"), words=("notes.docx", "move it")),
    "beside_data": folder(("a.csv", CSV), ("README.md", "x"), ("_SUCCESS", ""), ("Thumbs.db", "x"), ("LICENSE", "x")),
    "no_ending": folder(("a.csv", CSV), ("data", "x"), words=("data/data", "move it")),
    "backup": folder(("a.csv", CSV), ("a.csv~", CSV), words=("a.csv~", "move it")),
    "only_hidden": folder((".a.csv", CSV), words=("data", "holds no files")),
    "headers_differ": folder(("a.csv", CSV), ("b.csv", "label,text\na,a third row\n"), rows=good(MORE)),
    "header_missing": folder(("a.csv", CSV), ("b.csv", "x,a\ny,b\n"), words=("data/b.csv", "no column 'text'")),
    "one_empty": folder(("a.csv", CSV), ("b.csv", ""), words=("data/b.csv", "no header")),
    "one_without_records": folder(("a.csv", "text,label\n"), ("b.csv", CSV)),
    "partition_differs": folder(
        ("label=a/x.csv", CSV), ("label=b/y.csv", CSV), words=("data/label=a/x.csv", "'label'", "label=a")
    ),
    "partition_twice": folder(("label=a/label=b/x.csv", "text\nx\n"), words=("data/label=a/label=b/x.csv", "'label'")),
    "partition_escaped": folder(
        ("label=a%2Fb/x.csv", "text\nx\n"), ("label=c/x.csv", "text\ny\n"), rows=[Row("x", "a/b"), Row("y", "c")]
    ),
    "one_of_another_encoding": folder(
        ("a.csv", "text,label\ncafé,a\n"),
        ("b.csv", "text,label\ncafé,b\nplain,a\n".encode("cp1252")),
        rows=[Row("café"), Row(None, "b", "text_undecodable", "café,b".encode("cp1252")), Row("plain")],
    ),
    "one_of_another_encoding_named": folder(
        ("a.csv", "text,label\ncafé,a\n"),
        ("b.csv", "text,label\nthé,b\nplain,a\n".encode("cp1252")),
        rows=[Row("café"), Row("thé", "b"), Row("plain")],
        ingest={"files": {"b.csv": {"encoding": "cp1252"}}},
    ),
    "one_empty_jsonl": folder(("a.jsonl", ""), ("b.csv", CSV)),
    "types_differ": folder(
        ("a.csv", "text,label,n\nx,a,1\n"),
        ("b.parquet", as_parquet([("y", "b")])),
        rows=[Row("x", "a", extra={"n": "1"}), Row("y", "b", extra={"n": None})],
    ),
    "link_to_folder": lambda: (
        put("elsewhere/a.csv", CSV),
        put("data/a.csv", CSV),
        Path("data/more").symlink_to("../elsewhere"),
        Expect("data", refused=("data/more",)),
    )[-1],
    "name_not_utf8": lambda: (
        put("data/a.csv", CSV),
        Path(os.fsdecode(b"data/b\xff.csv")).write_bytes(CSV),
        Expect("data", refused=("not UTF-8",)),
    )[-1],
}
UNREAD = "timestamp_unreadable"
TIMES = {
    "iso": ("2020-01-01T10:00:00+05:45", None),
    "space": ("2020-01-01 10:00", None),
    "date": ("2020-01-01", None),
    "zulu": ("2020-01-01T00:00:00Z", None),
    "week": ("2020-W01-1", None),
    "basic": ("20200101T101500", None),
    "nanoseconds": ("2020-01-01T00:00:00.123456789", None),
    "year_0102": ("0102-01-01", None),
    "year_9999": ("9999-12-31T23:59:59", None),
    "year_0000": ("0000-01-01", UNREAD),
    "year_10000": ("10000-01-01", UNREAD),
    "before_year_1": ("0001-01-01T00:00+14:00", UNREAD),
    "leap_second": ("2016-12-31T23:59:60Z", UNREAD),
    "hour_24": ("2020-01-01T24:00:00", UNREAD),
    "month_13": ("2020-13-32", UNREAD),
    "february_30": ("2020-02-30", UNREAD),
    "epoch": ("1580428800", UNREAD),
    "epoch_ms": ("1604010112000", UNREAD),
    "epoch_like_iso": ("1212121212121", UNREAD),
    "ambiguous": ("01/02/2003", UNREAD),
    "german": ("31.01.2020", UNREAD),
    "words": ("yesterday", UNREAD),
    "null": ("null", UNREAD),
    "empty": ("", UNREAD),
    "spaces": (" ", UNREAD),
    "digits_of_others": ("２０２０-01-01", UNREAD),
    "odd_separator": ("2020-01-01x10:00", UNREAD),
    "nul": ("2020-01-01\x00", UNREAD),
}


def timed(written, reason):
    def make():
        rows = good(Row("odd time", "a", reason))
        times = ["2020-01-01", "2021-01-01T00:00:00", written]
        records = [(row.text, row.label, at) for row, at in zip(rows, times, strict=True)]
        put("data.csv", as_csv(records, header=("text", "label", "time")))
        return Expect("data.csv", rows, columns=TIMED)

    return make


def named(*keys, reasons=()):
    """Rows whose ids are these."""

    def make():
        rows = [
            Row(f"text {i}", "ab"[i % 2], reason)
            for i, reason in enumerate([*reasons, *[None] * (len(keys) - len(reasons))])
        ]
        put(
            "data.csv",
            as_csv([(*p, k) for p, k in zip(pairs(rows), keys, strict=True)], header=("text", "label", "key")),
        )
        return Expect("data.csv", rows, columns=NAMED)

    return make


def copies(*rows, **more):
    return lambda: Expect(put("data.csv", as_csv(pairs(rows))), list(rows), **more)


ROWS = {
    "id_twice": named("k", "j", "k", reasons=["id_conflict", None, "id_conflict"]),
    "id_all_the_same": named("k", "k", "k", "j", reasons=["id_conflict"] * 3),
    "id_missing": named("k", "j", "", reasons=[None, None, "id_missing"]),
    "id_space": named("k", "j", " "),
    "id_nfc_and_nfd": named("\u00e9", "e\u0301", "E"),
    "id_html": named("<script>alert(1)</script>", "&amp;", "&"),
    "id_nul": named("k", "k\x00", "k\x00\x00"),
    "id_long": named("k", "k" * 100_000, "j"),
    "id_like_ours": named("k", "k#2", "k", reasons=["id_conflict", None, "id_conflict"]),
    "copy": copies(*GOOD, Row("x", "a"), Row("x", "a", "duplicate_text")),
    "copy_in_case": copies(*GOOD, Row("x y", "a"), Row("X  Y", "a", "duplicate_text")),
    "copy_in_form": copies(*GOOD, Row("fine", "a"), Row("ﬁne", "a", "duplicate_text")),
    "copy_nfd": copies(*GOOD, Row("caf\u00e9", "a"), Row("cafe\u0301", "a", "duplicate_text")),
    "conflict": copies(*GOOD, Row("x", "a", "conflicting_label"), Row("x", "b", "conflicting_label")),
    "conflict_of_three": copies(*GOOD, *(Row("x", label, "conflicting_label") for label in "abc")),
    "one_class": lambda: Expect(
        put("data.csv", as_csv([("x", "a"), ("y", "a")])), refused=("min_classes",), validate={"min_classes": 2}
    ),
    "one_row_class": copies(*GOOD, *(Row(f"row {i}") for i in range(50)), Row("alone", "c")),
    "many_classes": copies(*(Row(f"row {i}", f"class {i}") for i in range(2_000))),
    "white_text": copies(*GOOD, Row(" \t\u3000", "a", "text_too_short")),
    "all_bad": lambda: Expect(
        put("data.csv", as_csv([("", "a"), ("", "b")])), refused=("min_rows", "quarantine.parquet")
    ),
    "too_many_bad": lambda: Expect(
        put("data.csv", as_csv([*pairs(GOOD), ("", "a"), ("", "b")])),
        refused=(
            "max_quarantined",
            "0.5",
            "2 text_too_short",
            "data.csv, row 2",
            "min_characters",
            "quarantine.parquet",
        ),
        validate={"max_quarantined": 0.2},
    ),
}


def cases():
    yield from ((f"file_{name}", make) for name, make in FILES.items())
    yield from ((f"folder_{name}", make) for name, make in FOLDERS.items())
    yield from ((f"time_{name}", timed(*case)) for name, case in TIMES.items())
    yield from ((f"rows_{name}", make) for name, make in ROWS.items())
