"""landing.yaml is read strictly, and a secret is shown by nothing: not by messages, not by parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.core.errors import UserError
from tasks.land import Source, resolve
from tasks.land.declared import EXAMPLE, read_landing_file
from tests.support.landing import database, landed, serving

SECRET = "p:ä/ss w@rd%"


def write(text):
    Path("landing.yaml").write_text(text, encoding="utf-8")


def refusal_of(text):
    write(text)
    with pytest.raises(UserError) as refusal:
        read_landing_file()
    return str(refusal.value)


def test_the_example_that_is_shown_can_be_used():
    write(EXAMPLE)
    assert read_landing_file()["tickets"].cursor == "id"


def test_without_a_file_it_says_what_to_write():
    with pytest.raises(UserError, match=r"landing\.yaml does not exist: write one") as refusal:
        read_landing_file()
    assert EXAMPLE in str(refusal.value)
    assert EXAMPLE in refusal_of("# nothing yet\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "x: {source: a.csv, cursr: id}",
            ["landing.yaml: unknown key x.cursr", "source, secret, table, query, cursor"],
        ),
        ("x: {source: 'sqlite:///a.db'}", ["x: name exactly one of table and query"]),
        ("x: {source: 'sqlite:///a.db', table: a, query: b}", ["x: name exactly one of table and query"]),
        ("x: {source: a.csv, cursor: id}", ["x: cursor: not for this kind of source (files)"]),
        ("x: {source: 'mysql://h/d', table: a}", ["x: mysql:// cannot be landed", "postgresql://"]),
        ("x: {source: 'http://h/a', format: pdf}", ["x: format must be csv"]),
        ("x: {table: a}", ["x: source is missing"]),
        ("x: {source: 3}", ["x.source", "string"]),
        ("X y: {source: a.csv}", ["'X y' cannot be a name"]),
        ("../x: {source: a.csv}", ["'../x' cannot be a name"]),
        ("- {source: a.csv}", ["must hold a mapping"]),
        ("x: {source: a.csv}\nx: {source: b.csv}", ["line 2 is not valid YAML"]),
    ],
)
def test_a_fault_is_named(text, words):
    message = refusal_of(text)
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    "text",
    [
        "x: {source: 'postgresql://u:hunter2@h/d', table: a}",
        "x: {source: 'postgresql://u:hun/ter2@h/d', table: a}",
        "x: {source: 'postgresql://h/d?user=u&password=hunter2', table: a}",
        "x: {source: 'https://u:hunter2@h/a.csv'}",
        "x: {source: 'https://hunter2@h/a.csv'}",
        "x: {source: 'https://h/a.csv?token=hunter2'}",
        "x: {source: 'https://h/a.csv?X-Amz-Signature=hunter2'}",
        "x: {source: ['postgresql://u:hunter2@h/d']}",
        "x: 'postgresql://u:hunter2@h/d'",
        "x: {source: 'postgresql://u@h/d', table: a, secret: hunter2}",
        "x: {source: 'postgresql://u@h/d', table: a, secret: [hunter2]}",
        "x: {source: 'postgresql://u@h/d', table: a, password: hunter2}",
        "x: {source: 'postgresql://u@h/d', table: a, query: 'postgres://u:hunter2@h'}",
        "x: {source: 'postgresql://u:hunter2@h/d', table: a",
        "x: {secret: hunter2, secret: hunter2}",
        "x: {source: 'http://hunter2@[h/a.csv'}",
        "x: {source: 'http://hunter2@h℀/a.csv'}",
    ],
)
def test_a_password_in_the_file_is_refused_and_not_repeated(text):
    message = refusal_of(text)
    assert "hunter2" not in message.replace("hun/ter2", "hunter2")


def test_what_only_looks_like_a_password_is_taken():
    write("x: {source: 'http://127.0.0.1:80/a@b.csv?page=2'}\ny: {source: 'sqlite:////srv/a:b@c.db', table: a}")
    assert set(read_landing_file()) == {"x", "y"}


def test_a_secret_that_is_not_set_is_named():
    with pytest.raises(
        UserError, match="x: the secret CRM is not set: set the environment variable DRIFTLINE_SECRET_CRM"
    ):
        resolve("x", Source(source="postgresql://u@h/d", table="a", secret="CRM"), {})


def test_an_address_shows_no_secret():
    address = resolve("x", Source(secret="CRM", table="a"), {"DRIFTLINE_SECRET_CRM": f"postgresql://u:{SECRET}@h/d"})
    assert SECRET not in repr(address)
    assert address.url.endswith("@h/d")


@pytest.mark.parametrize("wrong", ["nonsense", "mysql://u:hunter2@h/d", "https://h/hunter2.csv"])
def test_a_secret_that_is_no_fitting_address_is_refused_without_it(wrong):
    with pytest.raises(UserError, match="secret CRM is not an address that goes with") as refusal:
        resolve("x", Source(secret="CRM", table="a"), {"DRIFTLINE_SECRET_CRM": wrong})
    assert wrong not in str(refusal.value)


@pytest.mark.proof
@pytest.mark.parametrize(
    ("entry", "secret"),
    [
        ({"source": "postgresql://u@127.0.0.1:1/d", "table": "a"}, SECRET),
        ({"table": "a"}, "postgresql://u:hunter2@127.0.0.1:1/d?options=hunter2"),
        ({"table": "a"}, "postgresql://u:hunter2@host:hunter2/d"),
        ({"table": "a"}, "postgresql://u:x@hunter2@127.0.0.1:1/d"),
        ({"table": "a"}, "sqlite:////nowhere/hunter2.db"),
        ({}, "http://127.0.0.1:1/hunter2.csv?sig=hunter2"),
        ({}, "http://u:hunter2@127.0.0.1:hunter2/a.csv"),
        ({}, "http://u:hunter2@[h/a.csv"),
        ({}, "http://u:hunter2@h℀/a.csv"),
        ({}, "hf://hunter2"),
        ({}, "/nowhere/hunter2.csv"),
        ({"source": "http://127.0.0.1:1/a.csv"}, "hunter2\nhunter2"),
        ({"source": "http://127.0.0.1:1/a.csv"}, SECRET),
    ],
)
def test_no_failure_shows_the_secret(monkeypatch, capfd, caplog, entry, secret):
    caplog.set_level(0)
    monkeypatch.setenv("DRIFTLINE_SECRET_CRM", secret)
    with pytest.raises(UserError) as refusal:
        landed(secret="CRM", **entry)
    assert refusal.value.__suppress_context__
    shown = str(refusal.value) + caplog.text + "".join(capfd.readouterr())
    assert not any(part in shown for part in ("hunter2", SECRET, "w@rd", "w%40rd"))


@pytest.mark.proof
def test_no_secret_in_anything_that_is_written(monkeypatch, tmp_path):
    hidden = tmp_path / "hunter2.db"
    monkeypatch.setenv("DRIFTLINE_SECRET_DATABASE", database(hidden, [(1, "a", "b")]))
    landed("rows", secret="DATABASE", table="mail")
    with serving() as (server, url):
        monkeypatch.setenv("DRIFTLINE_SECRET_WEB", f"{url}/a.csv?sig=hunter2")
        server.body, server.cuts, server.cut_after = b"text\n" * 100, 9, 100
        with pytest.raises(UserError, match="broke off"):
            landed("web", secret="WEB")
    written = [file for file in Path().rglob("*") if file.is_file()]
    assert {file.suffix for file in written} >= {".parquet", ".download", ".version"}
    assert not any(b"hunter2" in file.read_bytes() or "hunter2" in str(file) for file in written)


def test_every_entry_of_the_documentation_can_be_used():
    text = (Path(__file__).parents[3] / "docs" / "landing.md").read_text(encoding="utf-8")
    write(text.partition("```yaml\n")[2].partition("```")[0])
    assert set(read_landing_file()) == {"tickets", "archive", "reviews", "weekly", "warehouse", "bucket", "drops"}
