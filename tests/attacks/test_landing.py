"""Servers, files, databases and stores that are landed from, and mean harm. Each ends in one sentence and no part."""

from __future__ import annotations

import gzip
import json
import os
import socket
import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tenacity import wait_none

from tasks.core.errors import UserError
from tasks.land import __main__ as command
from tasks.land import redirects
from tests.support.landing import database, landed, numbered, rows_of, tree

GOOD = b"text,label\nhello world,ham\n"
LIMITS = "land: {max_bytes: 2000000, max_rows: 1000, max_minutes: 2}\n"
THREE_SECONDS = LIMITS.replace("max_minutes: 2", "max_minutes: 0.05")
PAGE = b"Please log in</body></html>"


@pytest.fixture(autouse=True)
def repository(tmp_path, monkeypatch):
    """An empty folder as the top of the repository, with narrow bounds; nothing waits between tries."""
    here = tmp_path / "repository"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(command, "WAIT", wait_none())
    Path("params.yaml").write_text(LIMITS, encoding="utf-8")
    return here


def refused(words, **entry):
    """The source is refused in one sentence with these words, lands nothing and leaves nothing half-landed."""
    if "0.05 minutes" in words:
        Path("params.yaml").write_text(THREE_SECONDS, encoding="utf-8")
    with pytest.raises(UserError, match=words) as said:
        landed(**entry)
    assert "\n" not in str(said.value)
    assert tree() == {}
    assert [file.name for file in Path("data/landing/.partial").glob("*") if file.suffix != ".lock"] == []


@contextmanager
def answering(act, address="127.0.0.1"):
    """A web server that does what ``act(handler)`` does: its root and the paths asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            asked.append(self.path)
            try:
                act(self)
            except OSError:  # who asked has gone
                self.close_connection = True

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer((address, 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://{address}:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def body(handler, content, kind="text/csv", **headers):
    handler.send_response(200)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(content)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content)


def chunks(handler, pieces, pause=0.0):
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for piece in pieces:
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        handler.wfile.flush()
        time.sleep(pause)


def forever(piece, first=b""):
    if first:
        yield first
    while True:
        yield piece


def slow_headers(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(10_000):
        handler.wfile.write(b"X-%d: y\r\n" % number)
        handler.wfile.flush()
        time.sleep(0.2)


def huge_header(handler):
    handler.send_response(200)
    handler.send_header("X", "y" * 10_000_000)
    handler.end_headers()


TIME, BYTES = "more than 0.05 minutes, the limit of land.max_minutes", "more than 2,000,000 bytes: raise land.max_bytes"
SERVERS = {
    "endless": (lambda h: chunks(h, forever(b"word word,ham\n" * 65536, GOOD)), BYTES),
    "endless in small pieces": (lambda h: chunks(h, forever(b"word word,ham\n" * 50, GOOD)), BYTES),
    "a line without end": (lambda h: chunks(h, forever(b"word " * 65536, GOOD)), BYTES),
    "one byte at a time": (lambda h: chunks(h, forever(b"x"), 0.2), TIME),
    "silence": (lambda _: time.sleep(20), TIME),
    "headers one at a time": (slow_headers, TIME),
    "a length beyond all bounds": (lambda h: body(h, GOOD, Content_Length="9999999999999"), "more than|broke off"),
    "a huge header": (huge_header, "broke off"),
    "a packed answer that is a bomb": (
        lambda h: body(h, gzip.compress(b"text,label\n" + b"a" * 50_000_000), Content_Encoding="gzip"),
        "bomb|more than",
    ),
    "a web page": (lambda h: body(h, b"<html><body>" + PAGE, "text/html"), "web page"),
    "a web page that calls itself csv": (lambda h: body(h, b"<!DOCTYPE html><html><body>" + PAGE), "web page"),
    "a web page behind a BOM and a comment": (lambda h: body(h, b"\xef\xbb\xbf\n <!-- x --><html>" + PAGE), "web page"),
    "a web page in capitals": (lambda h: body(h, b"<HTML><BODY>" + PAGE, "application/octet-stream"), "web page"),
    "an error of a store": (
        lambda h: body(h, b"<?xml version='1.0'?><Error><Code>x</Code></Error>"),
        "web page or XML",
    ),
    "an error as JSON": (lambda h: body(h, b'{"error":"unauthorized"}', "application/json"), "holds JSON"),
    "an error as a list": (lambda h: body(h, b'[{"error":"unauthorized"}]'), "holds JSON"),
    "a length below zero": (
        lambda h: body(h, GOOD, Content_Length="-5"),
        "not an address that can be fetched|broke off",
    ),
    "a length that is none": (lambda h: body(h, GOOD, Content_Length="12e3"), "fetched|broke off"),
}


@pytest.mark.proof
@pytest.mark.parametrize("case", SERVERS)
def test_a_server_that_means_harm_is_refused(case):
    act, words = SERVERS[case]
    with answering(act) as (url, _):
        refused(words, source=f"{url}/export.csv")


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("json", b'{"error": "unauthorized"}'),
        ("json", b'{"message": "Not Found", "status": 404, "path": "/x"}'),
        ("jsonl", b'{"error": {"code": 403, "message": "no"}}\n'),
        ("ndjson", b'{"detail": "Authentication credentials were not provided."}\n'),
        ("json.gz", gzip.compress(b'{"errors": [{"title": "Forbidden"}]}', mtime=0)),
        ("csv", b"error\nunauthorized\n"),
        ("csv.gz", gzip.compress(b"<html><body>" + PAGE, mtime=0)),
    ],
)
def test_an_error_message_is_no_data(kind, content):
    with answering(lambda handler: body(handler, content)) as (url, _):
        refused("holds (an error message|a web page)", source=f"{url}/export?token", format=kind)


def test_one_record_of_a_real_source_is_data():
    Path("params.yaml").write_text(
        f"{LIMITS}ingest: {{source: data/landing/mail, columns: {{text: message, label: type}}}}\n", encoding="utf-8"
    )
    with answering(lambda handler: body(handler, b'{"message": "hello", "type": "ham"}\n')) as (url, _):
        parts, _ = landed(source=f"{url}/export.jsonl")
    assert len(parts.data) == 1


REDIRECTS = {
    "a file": ("file:///etc/passwd", "leads from http:// to file://"),
    "gopher": ("gopher://127.0.0.1:1/x", "leads from http:// to gopher://"),
    "a script": ("javascript:alert(1)", "leads from|cannot be fetched|can be fetched"),
    "itself": ("/again.csv", "leads on more than 10 times"),
    "no address": ("http://[::1/x", "broke off|cannot be fetched|leads"),
}


@pytest.mark.proof
@pytest.mark.parametrize("case", REDIRECTS)
def test_a_redirect_out_of_the_web_is_not_followed(case):
    to, words = REDIRECTS[case]
    with answering(lambda handler: redirect(handler, to)) as (url, asked):
        refused(words, source=f"{url}/export.csv")
        assert len(asked) <= redirects.MAX_REDIRECTS + 4


def of_the_network():
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:  # sends nothing
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return probe.getsockname()[0]


def redirect(handler, to):
    handler.send_response(302)
    handler.send_header("Location", to)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0.0.0.0", "127.1"])
def test_a_redirect_to_this_machine_is_not_followed(canary, host):
    """From an address of the network to one that only this machine reaches, however it is written."""
    to = f"http://{host}:{canary.port}/latest/meta-data/credentials.csv"
    with answering(lambda handler: redirect(handler, to), of_the_network()) as (url, _):
        refused("leads on to .*, which is nearer to this machine|broke off", source=f"{url}/export.csv")


def test_a_redirect_to_another_server_as_near_is_followed_without_the_secret(monkeypatch):
    monkeypatch.setenv("DRIFTLINE_SECRET_TOK", "hush")
    seen = []

    def other(handler):
        seen.append(handler.headers.get("Authorization"))
        body(handler, GOOD)

    with answering(other) as (to, _), answering(lambda h: redirect(h, f"{to}/x.csv")) as (url, _):
        landed(source=f"{url}/export.csv", secret="TOK")
    assert seen == [None]
    assert len(tree()) == 1


@pytest.mark.parametrize(
    ("address", "near"),
    [
        ("93.184.216.34", redirects.PUBLIC),
        ("2606:2800:220:1:248:1893:25c8:1946", redirects.PUBLIC),
        ("10.0.0.1", redirects.PRIVATE),
        ("192.168.1.1", redirects.PRIVATE),
        ("100.100.100.200", redirects.PRIVATE),
        ("fd00:ec2::254", redirects.PRIVATE),
        ("169.254.169.254", redirects.LOCAL),
        ("::ffff:169.254.169.254", redirects.LOCAL),
        ("2002:7f00:1::", redirects.LOCAL),
        ("127.9.9.9", redirects.LOCAL),
        ("::1", redirects.LOCAL),
        ("::", redirects.LOCAL),
        ("0.0.0.0", redirects.LOCAL),
        ("fe80::1%eth0", redirects.LOCAL),
    ],
)
def test_how_near_an_address_is(address, near):
    assert redirects.nearness(address) == near


@pytest.mark.proof
def test_what_breaks_off_stays_to_be_resumed_and_what_is_refused_does_not():
    def cut(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.send_header("ETag", '"1"')
        handler.end_headers()
        handler.wfile.write(GOOD)
        handler.close_connection = True

    with answering(cut) as (url, _), pytest.raises(UserError, match="broke off"):
        landed(source=f"{url}/export.csv")
    assert Path("data/landing/.partial/mail.download").read_bytes() == GOOD


@pytest.fixture
def drops(tmp_path):
    folder = tmp_path / "drops"
    folder.mkdir()
    (folder / "a.csv").write_bytes(GOOD)
    (tmp_path / "secret.csv").write_text("text,label\nCANARY,ham\n", encoding="utf-8")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.csv").write_text("text,label\nCANARY,ham\n", encoding="utf-8")
    return folder


LINKS = {
    "absolute": lambda folder: (folder / "b.csv").symlink_to(folder.parent / "secret.csv"),
    "relative": lambda folder: (folder / "b.csv").symlink_to("../secret.csv"),
    "over a link": lambda folder: (
        (folder / ".hop").symlink_to("../secret.csv"),
        (folder / "b.csv").symlink_to(".hop"),
    ),
    "over a folder": lambda folder: (folder / "b").symlink_to("../elsewhere"),
}


@pytest.mark.parametrize("pattern", ["", "/*.csv", "/**/*.csv"])
@pytest.mark.parametrize("case", LINKS)
def test_a_link_out_of_the_folder_does_not_land(drops, case, pattern):
    LINKS[case](drops)
    if case == "over a folder":
        pattern = "/*/*.csv" if pattern else ""
        (drops / "a.csv").unlink() if pattern else None
    words = "no regular file|not csv" if case == "over a folder" and not pattern else "is a link that leads out of"
    refused(words, source=f"{drops}{pattern}")


@pytest.mark.parametrize("make", ["loop", "pipe", "device", "growing"])
def test_what_is_no_file_does_not_land(drops, make):
    odd = drops / "b.csv"
    if make == "loop":
        odd.symlink_to(odd)
    elif make == "pipe":
        os.mkfifo(odd)
    elif make == "device":
        odd.symlink_to("/dev/zero")
    else:
        odd.write_bytes(GOOD * 200_000)
    words = {"growing": BYTES}.get(make, "cannot be read|no regular file|leads out of")
    with pytest.raises(UserError, match=words):
        landed(source=str(drops))
    assert [file for file in tree() if "CANARY" in Path(file).read_text(encoding="utf-8")] == []


def test_links_within_the_folder_land(drops):
    (drops / ".store").mkdir()
    (drops / ".store" / "b.csv").write_bytes(b"text,label\nanother,spam\n")
    (drops / "b.csv").symlink_to(".store/b.csv")
    parts, _ = landed(source=str(drops))
    assert len(parts.data) == 2


def test_a_file_that_is_named_may_be_a_link(drops):
    (drops / "b.csv").symlink_to(drops / "a.csv")
    parts, _ = landed(source=str(drops / "b.csv"))
    assert len(parts.data) == 1


def bombs():
    import bz2
    import io
    import lzma
    import zipfile

    import pyarrow as pa
    import pyarrow.parquet as pq

    data = b"text,label\n" + b"a" * 30_000_000
    sheet = io.BytesIO()
    with zipfile.ZipFile(sheet, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"<x>" + b" " * 30_000_000)
    parquet = io.BytesIO()
    once = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000_000, pa.int32()), pa.array(["x" * 1000]))
    pq.write_table(pa.table({"text": once}), parquet, store_schema=False)
    yield "csv.gz", gzip.compress(data)
    yield "csv.zst", pa.compress(data, "zstd", asbytes=True)
    yield "csv.gz", gzip.compress(gzip.compress(data))
    yield "csv", gzip.compress(GOOD)
    yield "csv", bz2.compress(GOOD)
    yield "csv", lzma.compress(GOOD)
    yield "xlsx", sheet.getvalue()
    yield "parquet", parquet.getvalue()


@pytest.mark.proof
def test_what_unpacks_to_far_more_than_it_is_does_not_land(drops):
    for number, (kind, content) in enumerate(bombs()):
        folder = drops.parent / f"bombs-{number}"
        folder.mkdir()
        (folder / f"b.{kind}").write_bytes(content)
        with pytest.raises(UserError, match=r"bomb|holds|cannot be|max_bytes"):
            landed(name=f"bomb{number}", source=str(folder))
    assert tree() == {}


SQL = {
    "two statements": "SELECT * FROM mail; DROP TABLE mail",
    "out of the brackets": "SELECT * FROM mail) AS a; DROP TABLE mail; --",
    "attach": "SELECT 1 AS a) AS landed; ATTACH DATABASE 'pwned.db' AS p; --",
    "extension": "SELECT load_extension('evil.so') AS x",
    "a file written": "SELECT writefile('pwned', 'x') AS x",
    "a file read": "SELECT readfile('/etc/passwd') AS x",
    "update": "UPDATE mail SET text = 'pwned' RETURNING *",
    "delete with": "WITH a AS (SELECT 1) DELETE FROM mail RETURNING *",
    "pragma": "SELECT * FROM pragma_writable_schema",
    "pragma with a value": "SELECT name FROM pragma_database_list",
    "a table that is made": "CREATE TABLE pwned AS SELECT 1",
}


@pytest.mark.parametrize("case", SQL)
def test_a_query_only_reads(case):
    source = database(Path("mail.db"), numbered(0, 20))
    before = Path("mail.db").read_bytes()
    refused("the database refused|not an address or a query", source=source, query=SQL[case])
    assert Path("mail.db").read_bytes() == before
    assert not list(Path().glob("*pwned*"))


@pytest.mark.proof
@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n, 'x' AS text FROM c", "1,000 rows"),
        (
            "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c WHERE n < 0",
            "0.05 minutes",
        ),
        ("SELECT a.id FROM mail a, mail b, mail c, mail d", "1,000 rows"),
        ("SELECT count(*) AS n FROM mail a, mail b, mail c, mail d, mail e, mail f, mail g, mail h", "0.05 minutes"),
        ("SELECT randomblob(900000000) AS text", "the database refused: string or blob too big"),
        ("SELECT hex(randomblob(1500000)) AS text", "2,000,000 bytes"),
    ],
)
def test_a_query_without_end_ends(query, words):
    source = database(Path("mail.db"), numbered(0, 50))
    refused(words, source=source, query=query)


def test_a_table_that_is_a_trap_is_read_as_a_table():
    """Names of tables and cursors are quoted, and a view cannot call what only a trusted schema may."""
    source = database(Path("mail.db"), numbered(0, 20))
    refused("the database refused", source=source, table='mail" UNION SELECT sql, 2, 3 FROM sqlite_master --')
    refused("no column", source=source, table="mail", cursor="id) FROM mail; DROP TABLE mail; --")
    with closing(sqlite3.connect("mail.db")) as connection, connection:
        connection.execute("CREATE VIEW trap AS SELECT load_extension('evil.so') AS text, 'ham' AS label")
    refused("the database refused", source=source, table="trap")
    landed(source=source, table="mail")
    assert len(rows_of("mail")) == 20


def test_the_bounds_themselves_are_checked():
    Path("params.yaml").write_text("land: {max_byte: 3}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"unknown key land\.max_byte; land takes max_bytes, max_rows, max_minutes"):
        landed(source="nowhere.csv")


AGENTS = "/api/agent-harnesses"
"""huggingface_hub fetches this list once a day, whatever it is asked for."""


def test_a_dataset_of_the_hub_beyond_the_bounds_does_not_come(monkeypatch):
    """The hub says how large its files are; here it is a server of our own, which must not be asked for them."""
    files = {"id": "o/n", "sha": "abc", "siblings": [{"rfilename": "train.csv", "size": 10**13}]}
    with answering(lambda handler: body(handler, json.dumps(files).encode(), "application/json")) as (url, asked):
        monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        refused(BYTES, source="hf://o/n@abc:train")
        paths = [path.partition("?")[0] for path in asked]
        assert [path for path in paths if path != AGENTS] == ["/api/datasets/o/n/revision/abc"]


def test_more_rows_of_a_dataset_than_the_bounds_do_not_land(tmp_path, monkeypatch):
    from datasets import Dataset

    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "many").mkdir()
    Dataset.from_dict({"text": ["x"] * 1001}).to_parquet(tmp_path / "many" / "train.parquet")
    refused("more than 1,000 rows", source=f"hf://{tmp_path / 'many'}@abc:train")


@pytest.fixture
def store(monkeypatch):
    """An S3 store of our own that says one size and sends another."""
    import s3fs  # noqa: F401  seconds, which are no part of a landing's three

    for name, value in {"AWS_ACCESS_KEY_ID": "who", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "x"}.items():
        monkeypatch.setenv(name, value)
    said = {"size": len(GOOD), "body": [GOOD], "asked": []}

    def act(handler):
        listed = "list-type" in handler.path
        said["asked"].append(handler.path)
        if listed:
            page = f"<ListBucketResult><Name>mails</Name><KeyCount>1</KeyCount><IsTruncated>false</IsTruncated><Contents><Key>a.csv</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;1&quot;</ETag><Size>{said['size']}</Size></Contents></ListBucketResult>"  # noqa: E501
            body(handler, page.encode(), "application/xml")
            return
        handler.send_response(200)
        handler.send_header("ETag", '"1"')
        handler.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        handler.send_header("Content-Length", str(said["size"] if handler.command == "HEAD" else said["length"]))
        handler.end_headers()
        if handler.command != "HEAD":
            for piece in said["body"]:
                handler.wfile.write(piece)
                handler.wfile.flush()
                time.sleep(said.get("pause", 0))

    with answering(act) as (url, _):
        yield url, said


@pytest.mark.proof
@pytest.mark.parametrize(
    ("size", "length", "pieces", "pause", "words"),
    [
        (10**12, 10**12, [GOOD], 0, BYTES),
        (len(GOOD), 10**12, lambda: forever(GOOD * 1000), 0, f"{BYTES}|broke|reached|changed"),
        (1000, 1000, lambda: forever(b"x"), 0.2, TIME),
        (len(PAGE) + 6, len(PAGE) + 6, [b"<html>", PAGE], 0, "web page"),
    ],
)
def test_a_store_that_means_harm_is_refused(store, size, length, pieces, pause, words):
    url, said = store
    said |= {"size": size, "length": length, "body": pieces() if callable(pieces) else pieces, "pause": pause}
    refused(words, source="s3://mails/", endpoint=url)
