"""Landing from a real PostgreSQL server, started from Debian's binaries for these tests alone."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.core.errors import UserError
from tasks.land import rows, sql
from tests.support.landing import KILLED, landed, numbered, rows_of, same_rows, tree
from tests.support.processes import TOP

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
WRITING = "SELECT nextval('s') AS id, text, label FROM mail"
SECRET = "p:ä/ss w@rd%"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not BINARIES, reason="no PostgreSQL server here: apt-get install postgresql"),
]


def as_nobody_special():
    """How to start a program that refuses to run as root."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise AssertionError("there is no user but root")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A cluster in a folder of its own."""

    def __init__(self, folder):
        self.folder, self.port, self.user = folder, free_port(), as_nobody_special()
        if self.user:
            shutil.chown(folder, self.user["user"], self.user["group"])
        password = folder / "password"
        password.write_text(SECRET)
        password.chmod(0o644)
        options = ["-A", "scram-sha-256", "-U", "owner", "-E", "UTF8", "--no-locale", "-N"]
        self.call("initdb", "-D", folder / "data", "--pwfile", password, *options)
        self.start()

    def call(self, program, *arguments):
        command = [BINARIES[-1] / program, *arguments]
        subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL, **self.user)

    def start(self):
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off -c timezone=Asia/Tokyo"
        log = self.folder / "log"
        self.call("pg_ctl", "-D", self.folder / "data", "-o", options, "-l", log, "-w", "-s", "start")

    def stop(self):
        self.call("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "-s", "stop")

    def execute(self, text, many=None):
        with psycopg.connect(f"host=127.0.0.1 port={self.port} user=owner dbname=postgres", password=SECRET) as session:
            cursor = session.cursor()
            cursor.executemany(text, many) if many else cursor.execute(text)

    @property
    def source(self):
        return f"postgresql://owner@127.0.0.1:{self.port}/postgres"


@pytest.fixture(scope="module")
def server():
    folder = Path(tempfile.mkdtemp(prefix="driftline-postgres-"))
    server = Server(folder)
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def table(server, monkeypatch):
    monkeypatch.setenv("DRIFTLINE_SECRET_DB", SECRET)
    server.execute("DROP TABLE IF EXISTS mail; CREATE TABLE mail (id bigint, text text, label varchar(9))")
    server.execute("INSERT INTO mail VALUES (%s, %s, %s)", numbered(0, 500))
    return {"source": server.source, "secret": "DB", "table": "mail"}


@pytest.mark.parametrize("cursor", ["id", None])
def test_rows_land_once_and_new_ones_come_after(server, table, cursor):
    landed(**table, cursor=cursor)
    before = tree()
    landed(**table, cursor=cursor)
    assert tree() == before
    server.execute("INSERT INTO mail VALUES (%s, %s, %s)", numbered(499, 510))  # one equal row at the boundary
    parts, notes = landed(**table, cursor=cursor)
    assert (parts.rows, notes) == (11, [])
    same_rows(rows_of("mail"), numbered(0, 500) + numbered(499, 510))
    assert before.items() <= tree().items()


def test_a_table_of_a_schema_and_the_whole_address_as_a_secret(server, table, monkeypatch):
    address = f"postgres://owner:p%3A%C3%A4%2Fss%20w%40rd%25@127.0.0.1:{server.port}/postgres"
    monkeypatch.setenv("DRIFTLINE_SECRET_DB", address)
    landed(secret="DB", table="public.mail")
    same_rows(rows_of("mail"), numbered(0, 500))


def test_types_are_kept_exactly(server, table):
    server.execute("DROP TABLE mail")
    server.execute(
        "CREATE TABLE mail (id int, price numeric, at timestamptz, local timestamp, day date, raw bytea, ok bool, "
        "key uuid, share float8, nothing int)"
    )
    key = uuid.UUID(int=7)
    at = datetime(2024, 3, 31, 1, 30, 0, 123456, UTC)
    row = (2**31 - 1, "12345678901234567890.1000", at, at.replace(tzinfo=None), date(2024, 3, 31), b"\0\xff", True, key)
    server.execute(f"INSERT INTO mail VALUES ({', '.join(['%s'] * 10)})", [(*row, 0.1, None)])
    landed(**table, cursor="at")
    landed(**table, cursor="at")
    assert rows_of("mail") == [(*row[:7], str(key), 0.1, None)]
    [part] = Path("data/landing/mail").iterdir()
    assert pq.read_schema(part).field("at").type == pa.timestamp("us", "UTC")


def test_a_time_cursor_has_no_time_zone_of_its_own(server, table):
    server.execute("DROP TABLE mail; CREATE TABLE mail (at timestamptz, text text)")
    server.execute("INSERT INTO mail VALUES ('2024-01-01T00:00Z', 'a'), ('2024-01-01T05:00Z', 'b')")
    landed(**table, cursor="at")
    server.execute("INSERT INTO mail VALUES ('2024-01-01T05:00Z', 'c'), ('2024-01-01T06:00Z', 'd')")
    assert landed(**table, cursor="at")[1] == []
    assert [row[1] for row in rows_of("mail")] == ["a", "b", "c", "d"]


def test_a_text_cursor_goes_by_code_point_whatever_the_collation(server, table):
    server.execute('DROP TABLE mail; CREATE TABLE mail (code text COLLATE "und-x-icu")')
    server.execute("INSERT INTO mail VALUES ('a'), ('B')")
    landed(**table, cursor="code")
    server.execute("INSERT INTO mail VALUES ('C'), ('c'), ('é')")
    _, notes = landed(**table, cursor="code")
    assert "1 more" in notes[0]
    assert [row[0] for row in rows_of("mail")] == ["B", "a", "c", "é"]


def test_nothing_is_held_in_memory_but_a_batch(server, table, monkeypatch):
    """The rows come through a cursor of the server, which holds them, not all at once."""
    monkeypatch.setattr(sql, "BATCH_ROWS", 50)
    seen = []
    old = sql.to_arrow
    monkeypatch.setattr(sql, "to_arrow", lambda values, *rest: (seen.append(len(values)), old(values, *rest))[1])
    landed(**table)
    assert set(seen) == {50}


@pytest.mark.parametrize(
    ("change", "entry", "words"),
    [
        ("ALTER TABLE mail ALTER id TYPE numeric", {}, ["column id was int64", "string", "cast"]),
        ("ALTER TABLE mail ADD COLUMN tags text[]", {}, ["new column tags"]),
        ("DROP TABLE mail", {}, ['relation "mail" does not exist']),
        ("SELECT 1", {"table": "no.where"}, ['relation "no.where" does not exist']),
        ("SELECT 1", {"table": None, "query": "SELECT body FROM mail"}, ['column "body" does not exist']),
        ("SELECT 1", {"table": None, "query": "DELETE FROM mail RETURNING *"}, ["syntax error"]),
        ("CREATE SEQUENCE IF NOT EXISTS s", {"table": None, "query": WRITING}, ["read-only transaction"]),
        ("UPDATE mail SET id = NULL WHERE id = 1", {"cursor": "id"}, ["1 rows have no id"]),
    ],
)
def test_a_fault_upstream_is_refused_and_changes_nothing(server, table, change, entry, words):
    landed(**table)
    before = tree()
    server.execute(change)
    with pytest.raises(UserError) as refusal:
        landed(**{**table, **entry})
    assert all(word in str(refusal.value) for word in ["mail: ", *words]), refusal.value
    assert tree() == before


@pytest.mark.parametrize("what", ["password", "database", "port"])
def test_what_cannot_be_reached_is_refused_without_the_secret(server, table, monkeypatch, what):
    monkeypatch.setenv("DRIFTLINE_SECRET_DB", "hunter2" if what == "password" else SECRET)
    source = table["source"].replace("/postgres", "/none" if what == "database" else "/postgres")
    source = source.replace(str(server.port), str(free_port())) if what == "port" else source
    with pytest.raises(UserError) as refusal:
        landed(**{**table, "source": source})
    words = {"password": "password authentication failed", "database": "does not exist", "port": "refused"}[what]
    assert words in str(refusal.value)
    assert not any(secret in str(refusal.value) for secret in ("hunter2", SECRET, "w@rd"))


def test_a_server_that_goes_down_in_mid_fetch_is_tried_again(server, table, monkeypatch):
    monkeypatch.setattr(sql, "BATCH_ROWS", 20)
    monkeypatch.setattr(rows, "MAX_PART_ROWS", 40)
    server.execute("INSERT INTO mail VALUES (%s, %s, %s)", numbered(500, 5000))
    old, calls = rows.new_rows, []

    def and_kill(batch, known):
        calls.append(len(batch))
        if len(calls) == 100:
            server.stop()
            threading.Thread(target=server.start).start()
            time.sleep(1.5)
        return old(batch, known)

    monkeypatch.setattr(rows, "new_rows", and_kill)
    monkeypatch.setattr("tasks.land.__main__.WAIT", lambda state: 1.0)
    landed(**table, cursor="id")
    assert len(calls) > 100, "the server went down before the last batch"
    same_rows(rows_of("mail"), numbered(0, 5000))


@pytest.mark.parametrize("cursor", ["id", ""])
def test_killed_in_mid_fetch_the_next_landing_continues(server, table, cursor):
    code = KILLED.replace('table="mail"', 'table="mail", secret="DB"')
    environment = {"PYTHONPATH": str(TOP), "DRIFTLINE_SECRET_DB": SECRET}
    command = [sys.executable, "-c", code, server.source, cursor]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout.readline() == "part\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert 1 <= len(tree()) < 5
    landed(**table, cursor=cursor or None)
    same_rows(rows_of("mail"), numbered(0, 500))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1 AS id) AS a; COMMIT; CREATE TABLE pwned(a int); --",
        "SELECT 1 AS id) AS a; SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; --",
        "SELECT * FROM mail; DROP TABLE mail",
        "WITH gone AS (DELETE FROM mail RETURNING id) SELECT * FROM gone",
        WRITING,
    ],
)
def test_a_query_is_one_statement_that_reads(server, table, query):
    server.execute("DROP TABLE IF EXISTS pwned; CREATE SEQUENCE IF NOT EXISTS s")
    with pytest.raises(UserError, match="the database refused"):
        landed(source=server.source, secret="DB", query=query)
    assert tree() == {}
    with pytest.raises(psycopg.errors.UndefinedTable):
        server.execute("SELECT * FROM pwned")
    landed(**table)
    assert len(rows_of("mail")) == 500
