"""Sources to land from, and how to look at what landed."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections import Counter
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow.parquet as pq

from tasks.land import Source
from tasks.land.__main__ import land

KILLED = """
import sys, time
from tasks.land import Source, __main__, parts, rows, sql
rows.MAX_PART_ROWS, sql.BATCH_ROWS = 100, 50
old = parts.Parts.add_rows
def slow(self, table):
    old(self, table)
    print("part", flush=True)
    time.sleep(0.05)
parts.Parts.add_rows = slow
__main__.land("mail", Source(source=sys.argv[1], table="mail", cursor=sys.argv[2] or None))
"""


def numbered(start, stop):
    """Rows (id, text, label) of these ids."""
    return [(i, f"text {i}", "spam" if i % 3 else "ham") for i in range(start, stop)]


def database(path, rows=(), columns="id INTEGER, text TEXT, label TEXT", table="mail"):
    """A SQLite file with these rows; called again it gets more of them."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
    return f"sqlite:///{path}"


def execute(path, sql):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql)


def rows_of(name):
    """Every landed row in order of arrival."""
    files = sorted(Path("data/landing", name).iterdir())
    return [tuple(row.values()) for file in files for row in pq.read_table(file).to_pylist()]


def tree(folder="data/landing"):
    """Every file below a folder by its bytes, the scratch folder left out."""
    files = (file for file in sorted(Path(folder).rglob("*")) if file.is_file() and ".partial" not in file.parts)
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def landed(name="mail", dry=False, full=False, **entry):
    """Land one source and give its parts and notes."""
    return land(name, Source(**entry), dry, full)


def same_rows(one, other):
    assert Counter(one) == Counter(other)


class Server:
    """A web server on loopback that serves ``body`` and can be told to misbehave."""

    def __init__(self):
        self.body, self.etag, self.status, self.type = b"text,label\n", '"1"', 200, "text/csv"
        self.cut_after, self.cuts, self.seen, self.pause = None, 0, [], 0.0

    def answer(self, handler):
        self.seen.append(dict(handler.headers))
        start = 0
        asked = handler.headers.get("Range")
        if asked and handler.headers.get("If-Range") == self.etag and self.status == 200:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start and start >= len(self.body):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(self.body)}")
            handler.end_headers()
            return
        handler.send_response(206 if start else self.status)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.body) - 1}/{len(self.body)}")
        if self.etag:
            handler.send_header("ETag", self.etag)
        handler.send_header("Content-Type", self.type)
        handler.send_header("Content-Length", str(len(self.body) - start))
        handler.end_headers()
        self.send(handler, self.body[start:])

    def send(self, handler, body):
        if self.cuts:
            self.cuts -= 1
            handler.wfile.write(body[: self.cut_after])
            handler.wfile.flush()
            if self.pause:
                threading.Event().wait(self.pause)
            handler.connection.close()
        else:
            handler.wfile.write(body)


@contextmanager
def serving():
    """A running Server and the address of its root."""
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            told.answer(self)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield told, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
