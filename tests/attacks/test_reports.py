"""Reports that Prefect's server gives out: by a signed address alone, of that run alone, in an origin of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from driftline_login import Login
from flows.machine import pages
from flows.machine.protected_app import ProtectedApp, nothing
from tasks.report import INDEX
from tests.attacks.test_server import ask
from tests.support.processes import TOP, free_port

HOST = [("host", "127.0.0.1:4200")]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The clone of a run with a report, a file that is none of the server's business, and a cache."""
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path / "home"))
    made = tmp_path / "home" / "mails-3f2a" / "runs" / "training-mails-1"
    (made / "reports").mkdir(parents=True)
    (made / ".dvc").mkdir()
    (made / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {tmp_path}/cache\n")
    (made / INDEX).write_text("<h1>the report</h1>")
    (made / "secret.html").write_text("secret")
    return made


LOGIN = Login.new()


def get(path, login=LOGIN, **how):
    return ask(ProtectedApp(nothing, login=login), path, headers=HOST, **how)


def test_a_signed_address_shows_the_report_and_those_beside_it(folder):
    path = pages.path_of(LOGIN, folder, INDEX)
    (folder / "reports" / "drift.html").write_text("drift")
    assert get(path) == (200, "<h1>the report</h1>")
    assert get(path.replace("index", "drift")) == (200, "drift")  # as a relative link leads there


def test_a_project_in_a_folder_of_its_repository_has_its_reports_too(folder):
    project = folder / "teams" / "mails"
    (project / "reports").mkdir(parents=True)
    (project / INDEX).write_text("of the project")
    path = pages.path_of(LOGIN, project, INDEX)
    assert get(path) == (200, "of the project")
    assert pages.run_of(project) == pages.run_of(folder) == folder.name
    assert pages.run_of(folder.parents[3]) is None
    assert get(path.replace("teams/mails", "teams/../teams/mails"))[0] == 404


def test_a_file_that_dvc_links_to_its_cache_is_shown(folder, tmp_path):
    kept = tmp_path / "cache" / "files" / "md5" / "aa" / "bb"
    kept.parent.mkdir(parents=True)
    kept.write_text("of the cache")
    (folder / "reports" / "drift.html").symlink_to(kept)
    assert get(pages.path_of(LOGIN, folder, INDEX.with_name("drift.html"))) == (200, "of the cache")


def test_another_signature_run_key_or_method_shows_nothing(folder):
    path = pages.path_of(LOGIN, folder, INDEX)
    other = folder.with_name("training-mails-2")
    (other / "reports").mkdir(parents=True)
    (other / INDEX).write_text("another run's")
    signature = path.split("/")[3]
    for tried in (path.replace(signature, "0" * 64), path.replace("mails-1", "mails-2"), path.replace(signature, "")):
        assert get(tried)[0] == 404
    assert get(path, Login.new())[0] == get(path, method="POST")[0] == 404


@pytest.mark.parametrize(
    "page",
    [
        "reports/../secret.html",
        "reports//../../../x.html",
        "secret.html",
        "reports/linked.html",
        "reports",
        "reports/",
        "reports/data.parquet",
        "reports/\0.html",
        "reports/.html",
        "/etc/passwd",
    ],
)
def test_nothing_but_reports_is_shown(folder, page, tmp_path):
    (tmp_path / "outside.html").write_text("outside")
    (folder / "reports" / "linked.html").symlink_to(tmp_path / "outside.html")
    (folder / "reports" / "data.parquet").write_text("rows")
    beginning = pages.path_of(LOGIN, folder, INDEX).removesuffix(INDEX.as_posix())
    assert get(beginning + page)[0] == 404


@pytest.mark.parametrize("run", ["..", ".", "../..", "%2e%2e"])
def test_a_run_that_is_no_folder_of_runs_shows_nothing(folder, run):
    words = LOGIN.signature(f"page mails-3f2a/{run}")  # even if it were signed
    assert get(f"{pages.PREFIX}{words}/mails-3f2a/{run}/{INDEX}")[0] == 404


@pytest.mark.slow
def test_no_script_of_a_report_reaches_the_login_of_prefects_page(folder, visit):
    """Prefect keeps the login in the browser's storage, under the same host and port."""
    (folder / INDEX).write_text(
        "<script>document.title = 'ran'; fetch('/api/x').catch(e => console.log('no fetch'));"
        "try { localStorage.x = 1 } catch (e) { console.log('no storage') }</script>"
    )
    port = free_port()
    code = f"""
import uvicorn
from driftline_login import Login
from flows.machine import pages
from flows.machine.protected_app import ProtectedApp, nothing
login = Login("a:b", b"key")
uvicorn.run(ProtectedApp(nothing, login=login), port={port}, log_level="warning")
"""
    path = pages.path_of(Login("a:b", b"key"), folder, INDEX)
    with subprocess.Popen([sys.executable, "-c", code], cwd=TOP, env=os.environ) as process:
        try:
            _until_up(port)
            seen = visit(f"http://127.0.0.1:{port}{path}")
        finally:
            process.kill()
    assert any("no storage" in said for said in seen.console)
    assert all(urlsplit(asked).path == "/api/x" for asked in seen.requests)


def _until_up(port):
    import httpx

    from tests.support.processes import wait_for

    def up():
        try:
            return httpx.get(f"http://127.0.0.1:{port}/").status_code == 404
        except httpx.HTTPError:
            return False

    assert wait_for(up, 60)
