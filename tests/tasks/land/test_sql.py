"""Rows of a database: each exactly once, whatever happens in between."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.core.errors import UserError
from tasks.land import rows, sql
from tests.support.landing import KILLED, database, execute, landed, numbered, rows_of, same_rows, tree
from tests.support.processes import TOP


@pytest.fixture
def file(tmp_path):
    return tmp_path / "crm.db"


def test_rows_land_once_and_new_ones_come_after(file):
    entry = {"source": database(file, numbered(0, 50)), "table": "mail", "cursor": "id"}
    landed(**entry)
    before = tree()
    assert rows_of("mail") == numbered(0, 50)
    landed(**entry)
    assert tree() == before
    database(file, numbered(50, 60))
    parts, notes = landed(**entry)
    assert (parts.rows, notes) == (10, [])
    assert rows_of("mail") == numbered(0, 60)
    assert before.items() <= tree().items()
    assert [Path(name).name[:7] for name in tree()] == ["000001-", "000002-"]


def test_only_what_is_at_or_after_the_cursor_is_read(file, monkeypatch):
    entry = {"source": database(file, numbered(0, 500)), "table": "mail", "cursor": "id"}
    landed(**entry)
    database(file, numbered(500, 503))
    read = []
    monkeypatch.setattr(
        sql, "to_arrow", lambda values, *rest, old=sql.to_arrow: (read.append(len(values)), old(values, *rest))[1]
    )
    landed(**entry)
    assert max(read) == 4


values = st.one_of(
    st.none(), st.sampled_from(["", "NA", "null", "a\0b", "\ufeffx", "e\u0301", "é", "\u202e", "😀", "a\r\nb"])
)
upstreams = st.lists(st.lists(st.tuples(st.integers(0, 3), values, values), max_size=12), min_size=1, max_size=4)


@pytest.mark.proof
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(nights=upstreams, cursor=st.booleans(), at_a_time=st.integers(1, 4))
def test_every_row_lands_exactly_once_with_equal_rows_and_ties_across_parts(
    tmp_path_factory, monkeypatch, nights, cursor, at_a_time
):
    top = tmp_path_factory.mktemp("night")
    monkeypatch.chdir(top)
    monkeypatch.setattr(rows, "MAX_PART_ROWS", at_a_time)
    monkeypatch.setattr(sql, "BATCH_ROWS", at_a_time)
    everything, last = [], 0
    for night in nights:
        new = sorted(((last + step, text, label) for step, text, label in night), key=lambda row: row[0])
        last = max([last, *(row[0] for row in new)])  # ties with the night before are wanted
        everything += new
        entry = {"source": database(top / "x.db", new), "table": "mail", "cursor": "id" if cursor else None}
        _, notes = landed(**entry)
        assert notes == []
    if everything:
        same_rows(rows_of("mail"), everything)


def test_without_a_cursor_changed_and_deleted_rows_are_told(file):
    entry = {"source": database(file, numbered(0, 10)), "table": "mail"}
    landed(**entry)
    execute(file, "DELETE FROM mail WHERE id = 3")
    execute(file, "UPDATE mail SET label = 'ham' WHERE id = 4")
    parts, notes = landed(**entry)
    assert parts.rows == 1
    assert "2 rows landed earlier are no longer upstream" in notes[0]
    assert rows_of("mail") == [*numbered(0, 10), (4, "text 4", "ham")]


def test_rows_behind_the_cursor_are_told_and_landed_by_full(file):
    entry = {"source": database(file, numbered(5, 10)), "table": "mail", "cursor": "id"}
    landed(**entry)
    database(file, numbered(0, 2))
    parts, notes = landed(**entry)
    assert parts.rows == 0
    assert "2 more rows than landed have a id before 9" in notes[0]
    assert "--full" in notes[0]
    parts, notes = landed(**entry, full=True)
    assert (parts.rows, notes) == (2, [])
    assert landed(**entry)[1] == []
    same_rows(rows_of("mail"), numbered(0, 2) + numbered(5, 10))


def test_a_dry_run_says_what_would_land_and_leaves_no_file(file):
    entry = {"source": database(file, numbered(0, 10)), "table": "mail", "cursor": "id"}
    parts, _ = landed(**entry, dry=True)
    assert parts.rows == 10
    assert tree() == {}


def test_the_same_rows_make_the_same_bytes(file, tmp_path):
    source = database(file, numbered(0, 300))
    landed("a", source=source, table="mail")
    landed("b", source=source, query="SELECT * FROM mail")
    assert [Path(name).name for name in tree("data/landing/a")] == [Path(name).name for name in tree("data/landing/b")]


def test_types_and_a_column_that_is_null_for_long(file):
    many = [(i, None, 1.5, b"\0\xff", None if i < 1500 else "late") for i in range(2000)]
    source = database(file, many, "id INTEGER, empty TEXT, weight REAL, raw BLOB, late TEXT")
    landed(source=source, table="mail")
    [part] = Path("data/landing/mail").iterdir()
    expected = [pa.int64(), pa.string(), pa.float64(), pa.binary(), pa.string()]
    assert pq.read_schema(part).types == expected
    assert rows_of("mail") == many


def test_a_query_is_taken_as_it_stands(file):
    source = database(file, [(1, "at 10:30 :id 100%", "%s"), (2, "b", "c")])
    query = "SELECT id, text AS \"te:xt\", label FROM mail WHERE text LIKE '%:id 100%' ; "
    landed(source=source, query=query, cursor="te:xt")
    landed(source=source, query=query + "\n", cursor="te:xt")
    assert rows_of("mail") == [(1, "at 10:30 :id 100%", "%s")]
    landed("b", source=source, query="SELECT id FROM mail -- all of them", cursor="id")
    assert rows_of("b") == [(1,), (2,)]


def test_a_text_cursor_goes_by_code_point(file):
    source = database(file, [(1, "a", "x"), (2, "B", "x")], "id INTEGER, text TEXT COLLATE NOCASE, label TEXT")
    entry = {"source": source, "table": "mail", "cursor": "text"}
    landed(**entry)
    database(file, [(3, "C", "x"), (4, "é", "x")])
    _, notes = landed(**entry)
    assert "1 more" in notes[0]  # C comes before a
    assert [row[1] for row in rows_of("mail")] == ["B", "a", "é"]


@pytest.mark.parametrize(
    ("change", "entry", "words"),
    [
        ("UPDATE mail SET label = 5.5 WHERE id = 9", {"table": "mail"}, ["label", "string", "double", "cast"]),
        ("ALTER TABLE mail ADD COLUMN queue TEXT", {"table": "mail"}, ["new column queue", "id, text, label"]),
        ("ALTER TABLE mail DROP COLUMN label", {"table": "mail"}, ["label", "gone"]),
        ("DROP TABLE mail", {"table": "mail"}, ["no such table"]),
        ("SELECT 1", {"table": "mail", "cursor": "when"}, ["no column when", "id, text, label"]),
        ("SELECT 1", {"query": "SELECT FROM mail"}, ["syntax error"]),
        ("SELECT 1", {"query": "SELECT id, id FROM mail"}, ["id more than once"]),
        ("SELECT 1", {"query": "DELETE FROM mail"}, ["syntax error"]),
        ("UPDATE mail SET id = NULL WHERE id = 9", {"table": "mail", "cursor": "id"}, ["1 rows have no id"]),
        ("UPDATE mail SET label = CAST(x'ff' AS TEXT) WHERE id = 9", {"table": "mail"}, ["UTF-8"]),
        ("UPDATE mail SET label = 1.5", {"table": "mail", "cursor": "label"}, ["cursor label", "float"]),
    ],
)
def test_a_fault_upstream_is_refused_by_name_and_changes_nothing(file, change, entry, words):
    source = database(file, numbered(0, 10), "id INTEGER, text TEXT, label")
    landed(source=source, table="mail")
    before = tree()
    execute(file, change)
    with pytest.raises(UserError) as refusal:
        landed(source=source, **entry)
    assert all(word in str(refusal.value) for word in ["mail: ", *words]), refusal.value
    assert tree() == before


def test_a_database_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(UserError, match="unable to open"):
        landed(source=f"sqlite:///{tmp_path}/none.db", table="mail")
    assert not (tmp_path / "none.db").exists()


def test_parts_that_were_touched_are_refused(file):
    entry = {"source": database(file, numbered(0, 10)), "table": "mail"}
    landed(**entry)
    [part] = Path("data/landing/mail").iterdir()
    content = part.read_bytes()
    part.write_bytes(content + b"x")
    with pytest.raises(UserError, match="bytes have changed"):
        landed(**entry)
    part.write_bytes(content)
    part.with_name("notes.txt").write_text("hello")
    with pytest.raises(UserError, match="not a part that was landed"):
        landed(**entry)
    part.with_name("notes.txt").unlink()
    part.rename(part.with_name(part.name.replace("000001", "000002")))
    with pytest.raises(UserError, match="000001 is missing"):
        landed(**entry)


@pytest.mark.proof
@pytest.mark.parametrize("cursor", ["id", ""])
def test_killed_in_mid_fetch_the_next_landing_continues(file, cursor):
    twice = [row for row in numbered(0, 1000) for _ in range(2)]
    source = database(file, twice)
    for parts in (1, 3):
        command = [sys.executable, "-c", KILLED, source, cursor]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(TOP)})
        for _ in range(parts):
            assert process.stdout.readline() == "part\n"
        time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    before = tree()
    assert 4 <= len(before) < 20
    landed(source=source, table="mail", cursor=cursor or None)
    assert before.items() <= tree().items()
    same_rows(rows_of("mail"), twice)


@pytest.mark.proof
def test_a_full_disk_is_refused_and_leaves_whole_parts(file):
    noise = [(i, random.Random(i).randbytes(500).hex(), "ham") for i in range(3000)]
    source = database(file, noise)
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n{KILLED}"
    code = limited.replace("__main__.land(", "from tasks.core.cli import run\nrun(lambda: __main__.land(") + ", [])"
    command = [sys.executable, "-c", code, source, ""]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(TOP)}, check=False)
    assert done.returncode == 2
    assert "error: mail: " in done.stderr
    assert "Traceback" not in done.stderr
    assert "File too large" in done.stderr
    landed(source=source, table="mail")
    same_rows(rows_of("mail"), noise)


def test_times_are_kept_in_utc():
    assert sql.arrow_type(datetime(2024, 1, 1, tzinfo=UTC), "a", "b") == pa.timestamp("us", "UTC")
    assert sql.arrow_type(datetime(2024, 1, 1), "a", "b") == pa.timestamp("us")
    with pytest.raises(UserError, match="column a is of type list: cast it to text"):
        sql.arrow_type([1], "a", "b")
