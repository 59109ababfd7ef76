"""Which Prefect server: found one way by every command, and refused in a sentence where it is none."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prefect.context import use_profile
from prefect.settings import PREFECT_API_URL, Profile

import driftline_login
from flows.machine import prefect_address
from flows.machine.prefect_address import API, PROFILE, Address, found, local, named, to_serve, use
from flows.machine.server import require_prefect, server, some_server
from tasks.core.errors import UserError
from tests.attacks.squatter import Squatter
from tests.flows.cli.conftest import environment, repository  # noqa: F401  a fixture
from tests.support.commands import Commands
from tests.support.processes import free_port

TEAM, OTHER = "http://prefect.test:4200/api", "http://other.test:4200/api"


@pytest.fixture
def nothing_named(monkeypatch, tmp_path):
    """No variable, no file and no option names a server."""
    monkeypatch.delenv(API, raising=False)
    monkeypatch.setenv("PREFECT_PROFILES_PATH", str(tmp_path / "profiles.toml"))
    monkeypatch.setattr(prefect_address, "_option", [])
    monkeypatch.chdir(tmp_path)


def profile(name, api=None):
    return use_profile(
        Profile(name=name, settings={PREFECT_API_URL: api} if api else {}), include_current_context=False
    )


def test_nobody_has_named_one(nothing_named):
    with profile("empty"):
        assert named() is None
        assert found() == local() and found().api == "http://127.0.0.1:4200/api"


@pytest.mark.proof
def test_an_option_comes_before_the_variable_and_that_before_the_profile(nothing_named, monkeypatch):
    with profile("team", TEAM):
        assert named() == Address(TEAM, "Prefect's profile team")
    monkeypatch.setenv(API, OTHER)
    with profile("team", TEAM):
        assert named() == Address(OTHER, API)
    use("https://third.test/x/api")
    with profile("team", TEAM):
        assert str(named()) == "https://third.test/x/api (from --server)"


@pytest.mark.proof
@pytest.mark.parametrize("typed", ["http://h.test:4300", "http://h.test:4300/", "http://h.test:4300/api/"])
def test_an_address_may_be_that_of_the_page(nothing_named, monkeypatch, typed):
    monkeypatch.setenv(API, OTHER)
    use(typed)
    with profile("team", TEAM):
        assert named().api == "http://h.test:4300/api"


@pytest.mark.parametrize("typed", ["prefect", "localhost:4200", "http://", "http://h:99999/api", "ftp://h/api", ""])
def test_what_is_no_address_is_refused(nothing_named, typed):
    with pytest.raises(UserError, match=r"--server .*is no address: write http"):
        use(typed)


@pytest.mark.proof
def test_a_port_is_of_a_server_of_ours(nothing_named, monkeypatch):
    with profile("empty"):
        assert (to_serve(None), to_serve(4300)) == (local(), local(4300))
    with profile(PROFILE, local(4300).api):  # which an earlier `driftline serve --port 4300` wrote
        assert to_serve(None).api == local(4300).api
        assert to_serve(4400) == local(4400)
    with profile("team", TEAM), pytest.raises(UserError, match=r"--port 4300 is .* Prefect's profile team names http"):
        to_serve(4300)
    with profile("local", "http://localhost:4300/api"):
        assert to_serve(4300) == local(4300)


# what answers there


class Foreign(BaseHTTPRequestHandler):
    """Another web application, which answers 200 to everything."""

    status, kind = 200, "text/html"

    def do_GET(self):
        self.send_response(self.status)
        self.send_header("Content-Type", self.kind)
        self.end_headers()
        self.wfile.write(b"[]" if self.kind == "application/json" else b"<html>graphs</html>")

    do_POST = do_GET  # noqa: N815  as http.server calls it

    def log_message(self, *_):
        pass


class AsksForALogin(Foreign):
    """Prefect's health is for everybody, the rest is not."""

    kind = "application/json"

    def do_GET(self):
        super().do_GET() if self.path.endswith("/health") else self.do_POST()

    def do_POST(self):
        self.send_response(401)
        self.end_headers()


class OtherJson(Foreign):
    """JSON for everything, of another kind."""

    kind = "application/json"

    def do_POST(self):
        self.send_response(200)
        self.send_header("Content-Type", self.kind)
        self.end_headers()
        self.wfile.write(b'{"status": "fine"}')


@contextmanager
def answering(kind):
    one = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=one.serve_forever, daemon=True).start()
    try:
        yield one.server_port
    finally:
        one.shutdown()
        one.server_close()


@pytest.mark.proof
@pytest.mark.parametrize(
    ("kind", "path", "said"),
    [
        (Foreign, "/api", r"is no Prefect server: HTTP 200, text/html$"),
        (Foreign, "", r"HTTP 200, text/html; does the address lack /api"),
        (type("Broken", (Foreign,), {"status": 502}), "/api", "is no Prefect server: HTTP 502"),
        (AsksForALogin, "/api", "asks for a login: set PREFECT_API_AUTH_STRING"),
        (OtherJson, "/api", "is no Prefect server: "),
    ],
)
def test_a_foreign_answer_is_told_in_a_sentence(nothing_named, kind, path, said):
    with answering(kind) as port:
        at = Address(f"http://127.0.0.1:{port}{path}", API)
        with pytest.raises(UserError, match=said) as refused:
            require_prefect(at)
        assert f"{at.api} (from PREFECT_API_URL)" in str(refused.value)
        with pytest.raises(UserError, match=said), server(at):
            pass


def test_a_dead_server_is_told_with_who_named_it_and_the_proxy_that_was_asked(nothing_named, monkeypatch):
    at = Address(f"http://127.0.0.1:{free_port()}/api", "Prefect's profile team")
    with pytest.raises(UserError, match=r"no Prefect server answers at .*\(from Prefect's profile team\): "):
        require_prefect(at)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UserError, match="asked through the proxy http://127"):
        require_prefect(Address(TEAM, API))


@pytest.mark.proof
def test_a_flow_by_hand_is_refused_where_the_server_that_was_named_is_dead(nothing_named):
    dead = f"http://127.0.0.1:{free_port()}/api"
    with profile("team", dead), pytest.raises(UserError, match="no Prefect server answers"), some_server():
        pass


def test_a_port_that_is_taken_is_told_at_once(nothing_named):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        at = local(silent.getsockname()[1])
        with pytest.raises(UserError, match="another program holds 127"), server(at):
            pass


# proxies


@pytest.mark.proof
@pytest.mark.parametrize("before", [{}, {"NO_PROXY": "a.test"}, {"no_proxy": "a.test", "NO_PROXY": "b.test"}])
def test_this_machine_is_reached_without_the_proxy(nothing_named, monkeypatch, before):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in before.items():
        monkeypatch.setenv(name, value)
    nobody = f"http://127.0.0.1:{free_port()}"
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, nobody)
    for name, value in driftline_login.direct().items():
        monkeypatch.setenv(name, value)
        assert set(before.values()) <= set(value.split(","))
    with Squatter() as squatter:  # it answers like Prefect
        require_prefect(Address(squatter.api, API))
        require_prefect(Address(squatter.api.replace("127.0.0.1", "localhost"), API))
    assert any(line.startswith("POST /api/flows/filter") for line in squatter.heard)


def test_whoever_has_no_proxy_for_anything_keeps_it_so(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    assert set(driftline_login.direct().values()) == {"*"}


# every command


@pytest.fixture(scope="module")
def team(repository):  # noqa: F811
    """Commands of a user whose profile names a server that is not there."""
    homes = environment(repository)
    api = f"http://127.0.0.1:{free_port()}/api"
    file = repository.parent / "prefect" / "profiles.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(
        f'active = "team"\n[profiles.team]\nPREFECT_API_URL = "{api.replace("http://127.0.0.1", "http://localhost")}"\n'
    )
    commands = Commands({**homes, "PREFECT_HOME": str(file.parent)})
    yield lambda *words: commands.run(repository, "driftline", *words)
    commands.end()


@pytest.mark.long
@pytest.mark.parametrize("command", ["status", "reaper", "approve", "train"])
def test_every_command_finds_the_server_of_the_profile_and_says_so(team, command):
    done = team(command)
    assert "from Prefect's profile team" in done.stdout + done.stderr
    assert done.returncode in (1, 2)
    done = team(command, "--server", "http://127.0.0.1:1")
    said = (done.stdout + done.stderr).replace("(", "")
    assert "http://127.0.0.1:1" in said and "from --server" in said


@pytest.mark.long
def test_a_bad_port_is_refused(team):
    for words in (("serve", "--port", "99999"), ("server", "--port", "0"), ("drift-pages", "--port", "-1")):
        done = team(*words)
        assert done.returncode == 2 and "--port" in done.stderr and done.stderr.count("\n") == 1
