"""A server of ours that cannot start, is killed, or is asked for behind a proxy."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest

from flows.machine import server as module
from flows.machine.prefect_address import local
from flows.machine.server import server, wait_until_up
from tasks.core.errors import UserError
from tests.support.processes import free_port

ENDS = {
    "Can't locate revision identified by 'ffff'": "its database is of a newer Prefect than the installed 3",
    "OperationalError: unable to open database file": "did not start: OperationalError: unable to open database file",
    "": "it said nothing",
}


@pytest.mark.parametrize(("last", "said"), ENDS.items())
def test_why_a_server_did_not_start_is_said_in_its_own_words(tmp_path, last, said):
    log = tmp_path / "server.log"
    log.write_text(f"{last}\n\nApplication startup failed. Exiting.\n" if last else "")
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    process.wait()
    with pytest.raises(UserError, match=said):
        wait_until_up("Prefect's server", f"http://127.0.0.1:{free_port()}/api/health", process, log)


@pytest.mark.proof
def test_one_that_takes_long_to_start_is_waited_for_as_long_as_it_lives(tmp_path, monkeypatch):
    port = free_port()
    code = f"""
import http.server, time
time.sleep(3)
http.server.HTTPServer(("127.0.0.1", {port}), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path) as process:
        wait_until_up("it", f"http://127.0.0.1:{port}/", process, tmp_path / "log")
        monkeypatch.setattr(module, "START_SECONDS", 0.0)
        with pytest.raises(UserError, match="does not answer after 0 minutes"):
            wait_until_up("it", f"http://127.0.0.1:{free_port()}/", process, tmp_path / "log")
        process.kill()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_behind_a_proxy_it_starts_and_a_database_of_a_newer_prefect_is_named(tmp_path, monkeypatch):
    for name in ("PREFECT_HOME", "DRIFTLINE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    at = local(free_port())
    with server(at) as ours:
        assert ours
    with sqlite3.connect(tmp_path / "PREFECT_HOME" / "prefect.db") as database:
        database.execute("update alembic_version set version_num = 'ffffffffffff'")
    database.close()
    with pytest.raises(UserError, match="its database is of a newer Prefect than the installed 3"), server(at):
        pass
