"""What a web server answers with: whole, once, and continued where it broke off."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.core.errors import UserError
from tasks.land import download
from tests.support.landing import landed, serving, tree
from tests.support.processes import TOP

BODY = b"text,label\n" + b"".join(b"%s,ham\n" % random.Random(i).randbytes(40).hex().encode() for i in range(20_000))


@pytest.fixture
def web():
    with serving() as both:
        yield both


def content(name="mail"):
    return [file.read_bytes() for file in sorted(Path("data/landing", name).iterdir())]


@pytest.mark.proof
def test_an_answer_lands_once_and_what_it_grew_by_after_it(web):
    server, url = web
    server.body = BODY
    landed(source=f"{url}/export.csv")
    before = tree()
    landed(source=f"{url}/export.csv")
    assert tree() == before
    server.body, server.etag = BODY + b"new,spam\n", '"2"'
    landed(source=f"{url}/export.csv")
    assert content() == [BODY, b"text,label\nnew,spam\n"]


@pytest.mark.proof
def test_a_download_that_breaks_off_goes_on_where_it_stopped(web):
    server, url = web
    server.body, server.cuts, server.cut_after = BODY, 2, 600_000
    landed(source=f"{url}/export.csv")
    assert content() == [BODY]
    ranges = [request.get("Range") for request in server.seen]
    assert ranges == [None, "bytes=600000-", "bytes=1200000-"]
    assert list(Path("data/landing/.partial").glob("mail.*")) == [Path("data/landing/.partial/mail.lock")]


@pytest.mark.proof
@pytest.mark.parametrize("etag", ['W/"weak"', ""])
def test_without_a_strong_etag_it_begins_anew(web, etag):
    server, url = web
    server.body, server.etag, server.cuts, server.cut_after = BODY, etag, 1, 600_000
    landed(source=f"{url}/export.csv")
    assert content() == [BODY]
    assert "Range" not in server.seen[1]


def test_a_file_that_is_another_one_by_then_is_not_patched_together(web, monkeypatch):
    server, url = web
    server.body, server.cuts, server.cut_after = BODY, 1, 600_000
    monkeypatch.setattr("tasks.land.__main__.MAX_ATTEMPTS", 1)
    with pytest.raises(UserError, match="broke off"):
        landed(source=f"{url}/export.csv")
    server.body, server.etag = b"text,label\nother,ham\n", '"2"'
    landed(source=f"{url}/export.csv")
    assert content() == [server.body]


@pytest.mark.proof
def test_a_download_that_was_whole_when_it_was_killed_is_not_fetched_again(web):
    server, url = web
    server.body = BODY
    copy = Path("data/landing/.partial/mail.download")
    from tasks.land import Source, resolve
    from tasks.land.limits import Limits, Params

    download.fetch("mail", resolve("mail", Source(source=f"{url}/export.csv")), copy, Limits("mail", Params()))
    landed(source=f"{url}/export.csv")
    assert content() == [BODY]
    assert server.seen[1]["Range"] == f"bytes={len(BODY)}-"


@pytest.mark.proof
def test_killed_in_mid_download_the_next_landing_goes_on(web):
    server, url = web
    server.body, server.cuts, server.cut_after, server.pause = BODY, 1, 700_000, 10
    code = "import sys; from tasks.land import Source, __main__; __main__.land('mail', Source(source=sys.argv[1]))"
    command = [sys.executable, "-c", code, f"{url}/export.csv"]
    process = subprocess.Popen(command, env={"PYTHONPATH": str(TOP)})
    copy = Path("data/landing/.partial/mail.download")
    deadline = time.monotonic() + 60
    while not (copy.exists() and copy.stat().st_size >= 500_000) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert tree() == {}
    landed(source=f"{url}/export.csv")
    assert content() == [BODY]
    assert int(server.seen[-1]["Range"][6:-1]) >= 500_000


@pytest.mark.parametrize(
    ("status", "words", "tries"),
    [
        (404, "404 Not Found: check the address", 1),
        (500, "500 Internal Server Error", 1),
        (401, "401 Unauthorized: name a secret", 1),
        (503, "503 Service Unavailable: try again later", 4),
    ],
)
def test_a_refusing_server_is_named_and_only_what_may_pass_is_tried_again(web, status, words, tries):
    server, url = web
    server.status = status
    with pytest.raises(UserError, match=f"mail: the server answered {words}"):
        landed(source=f"{url}/export.csv")
    assert len(server.seen) == tries
    assert tree() == {}


def test_a_login_page_is_no_data(web):
    server, url = web
    server.type = "text/html; charset=utf-8"
    with pytest.raises(UserError, match="a web page, not with data"):
        landed(source=f"{url}/export.csv")


@pytest.mark.proof
def test_a_server_that_is_away_or_silent_is_refused(monkeypatch):
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        with pytest.raises(UserError, match=r"cannot be reached or broke off: .*refused"):
            landed(source=f"http://127.0.0.1:{port.getsockname()[1]}/a.csv")
        port.listen(8)
        monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.2)
        with pytest.raises(UserError, match="cannot be reached or broke off: timed out"):
            landed(source=f"http://127.0.0.1:{port.getsockname()[1]}/a.csv")


def test_the_format_is_named_where_the_address_does_not(web):
    server, url = web
    server.body = b"{}\n"
    with pytest.raises(UserError, match="say `format: csv`"):
        landed(source=f"{url}/export?day=3")
    landed(source=f"{url}/export?day=3", format="jsonl")
    assert [name.rpartition(".")[2] for name in tree()] == ["jsonl"]


def test_a_secret_goes_as_a_bearer_token_and_nowhere_else(web, monkeypatch):
    server, url = web
    monkeypatch.setenv("DRIFTLINE_SECRET_EXPORT", "sesame\n")
    landed(source=f"{url}/export.csv", secret="EXPORT")
    assert server.seen[0]["Authorization"] == "Bearer sesame"
