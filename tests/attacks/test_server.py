"""Prefect's server: who is answered, who is not, and that nobody else is sent its login."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route

import driftline_login
from driftline_login import PROOF_PATH, Impostor, Login
from flows.machine import prefect_profile
from flows.machine.prefect_address import Address
from flows.machine.protected_app import ProtectedApp
from flows.machine.server import server, some_server
from tasks.core.errors import UserError
from tests.attacks import browsing
from tests.attacks.squatter import Squatter, closing, relay, silent
from tests.support.prefect_api import logged_in, with_hook
from tests.support.processes import TOP, free_port, wait_for

REACHED = "the application"
PORT = 4200


@pytest.fixture
def prefect_home(tmp_path, monkeypatch):
    """An empty one, which a process of a user has."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    for name in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "prefect"


def application():
    return Starlette(routes=[Route("/{path:path}", lambda _: PlainTextResponse(REACHED), methods=["GET", "POST"])])


def ask(app, path="/api/health", headers=(), method="GET", local=("127.0.0.1", PORT)):
    """What an ASGI application sends to one request, as its status and body."""
    sent = []
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    bare, _, query = path.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": bare,
        "raw_path": bare.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": raw,
        "client": ("127.0.0.1", 1),
        "server": local,
    }

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent).decode()


OWN_HOSTS = [
    "127.0.0.1:4200",
    "localhost:4200",
    "LOCALHOST",
    "[::1]:4200",
    "drift.example.org",
    "Drift.Example.org:443",
]
FOREIGN_HOSTS = [
    "evil.test",
    "evil.test:4200",
    "127.0.0.1.evil.test",
    "localhost.evil.test",
    "evil.test#127.0.0.1",
    "evil.test/127.0.0.1",
    "127.0.0.1@evil.test",
    "sub.drift.example.org",
    "xdrift.example.org",
    "0.0.0.0:4200",
    "10.0.0.7:4200",
    "2130706433",
    "",
    " ",
]


@pytest.mark.parametrize("host", OWN_HOSTS)
def test_a_host_of_ours_is_answered(host):
    assert ask(ProtectedApp(application(), ["drift.example.org"]), headers=[("host", host)]) == (200, REACHED)


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_a_foreign_host_is_refused_before_the_application_is_reached(host):
    status, said = ask(ProtectedApp(application(), ["drift.example.org"]), headers=[("host", host)])
    assert status == 421 and REACHED not in said


@pytest.mark.parametrize("hosts", [[], ["127.0.0.1:4200", "evil.test"], ["evil.test", "localhost"]])
def test_no_host_or_several_are_refused(hosts):
    assert ask(ProtectedApp(application()), headers=[("host", host) for host in hosts])[0] == 421


@pytest.mark.parametrize(("answer", "kept"), [(HTMLResponse, True), (PlainTextResponse, False)])
def test_every_page_is_told_to_ask_nothing_of_other_hosts(answer, kept):
    """Prefect's login page reports its use, whatever the server's settings say."""
    app = ProtectedApp(Starlette(routes=[Route("/", lambda _: answer("words"))]))

    async def get():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            return await client.get("/")

    found = asyncio.run(get())
    assert found.text == "words"
    assert ("default-src 'self'" in found.headers.get("content-security-policy", "")) == kept


def test_the_address_a_connection_arrived_at_is_a_host_of_ours():
    there = ("10.0.0.7", PORT)
    assert ask(ProtectedApp(application()), headers=[("host", "10.0.0.7:4200")], local=there)[0] == 200
    assert ask(ProtectedApp(application()), headers=[("host", "10.0.0.8:4200")], local=there)[0] == 421


FOREIGN_ORIGINS = [
    "http://evil.test",
    "https://evil.test",
    "null",
    "http://127.0.0.1:8000",
    "http://localhost:4200",
    "http://127.0.0.1:4200.evil.test",
    "file://",
    "chrome-extension://abc",
    "http://sub.drift.example.org",
    "",
]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_a_page_of_another_origin_is_refused(origin, method):
    app = ProtectedApp(application(), ["drift.example.org"])
    status, said = ask(app, headers=[("host", "127.0.0.1:4200"), ("origin", origin)], method=method)
    assert status == 403 and REACHED not in said


@pytest.mark.parametrize("origin", ["http://127.0.0.1:4200", "https://127.0.0.1:4200", "https://drift.example.org"])
def test_our_own_pages_are_answered(origin):
    app = ProtectedApp(application(), ["drift.example.org"])
    assert ask(app, headers=[("host", "127.0.0.1:4200"), ("origin", origin)]) == (200, REACHED)


@pytest.mark.parametrize("headers", [{"host": "evil.test"}, {"host": "127.0.0.1", "origin": "http://evil.test"}])
def test_a_web_socket_of_another_page_is_closed(headers):
    sent = []
    scope = {
        "type": "websocket",
        "path": "/api/events/in",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "server": ("127.0.0.1", PORT),
    }

    async def send(message):
        sent.append(message)

    asyncio.run(ProtectedApp(application())(scope, None, send))
    assert [(one["type"], one["code"]) for one in sent] == [("websocket.close", 1008)]


# the proof


@contextmanager
def proving(login):
    """A server of ours with this login, on a port of its own."""
    config = uvicorn.Config(ProtectedApp(application(), login=login), log_level="error", lifespan="off")
    running, listening = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        running.should_exit = True
        thread.join(10)
        listening.close()


@pytest.mark.parametrize("nonce", ["", "00", "g" * 64, "0" * 65, "A" * 64, "0" * 63 + "%0a", "0" * 64 + "&x=1"])
def test_only_a_whole_nonce_is_answered(nonce):
    app = ProtectedApp(application(), login=Login.new())
    assert ask(app, f"{PROOF_PATH}?{nonce}", [("host", "127.0.0.1")])[0] == 400


def test_a_login_is_kept_and_its_owner_alone_can_read_it(prefect_home):
    first = driftline_login.kept(PORT)
    assert first == driftline_login.kept(PORT) == driftline_login.known(PORT)
    assert first.auth.startswith("driftline:") and len(first.auth) > 40
    assert first != driftline_login.kept(PORT + 1)
    files = list(driftline_login.folder(PORT).iterdir())
    assert {file.name: file.stat().st_mode & 0o777 for file in files} == {"login": 0o600, "proof": 0o600}
    assert driftline_login.folder(PORT).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["login", "proof"])
def test_a_login_that_others_could_read_is_replaced(prefect_home, name):
    first = driftline_login.kept(PORT)
    (driftline_login.folder(PORT) / name).chmod(0o640)
    assert driftline_login.kept(PORT) != first


def test_the_owners_own_password_takes_its_place(prefect_home):
    driftline_login.kept(PORT)
    assert driftline_login.kept(PORT, "who:what").auth == "who:what"
    assert driftline_login.kept(PORT).auth == "who:what"


@pytest.mark.proof
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_our_server_proves_itself_and_is_logged_in_to_by_the_address_that_answered(prefect_home, host):
    login = Login.new()
    with proving(login) as port:
        record(port, login)
        found = driftline_login.look(f"http://{host}:{port}/api")
    assert found.standing == "ours"
    assert found.environment["PREFECT_API_URL"] == f"http://127.0.0.1:{port}/api"
    assert found.environment["PREFECT_API_AUTH_STRING"] == login.auth
    assert driftline_login.look(f"http://127.0.0.1:{port}/api").standing == "down"


def record(port, login):
    """Let there have been a server of ours with this login on the port."""
    folder = driftline_login.folder(port)
    folder.mkdir(parents=True)
    (folder / "login").write_text(login.auth), (folder / "proof").write_bytes(login.key)


@pytest.mark.proof
@pytest.mark.parametrize("lie", ["", "0" * 64, "true", '"3.8.8"', "é" * 64, "x" * 100_000])
def test_a_squatter_proves_nothing(prefect_home, lie):
    with Squatter(proof=lambda nonce: lie) as squatter:
        login = driftline_login.kept(squatter.port)
        with pytest.raises(Impostor, match="does not prove"):
            driftline_login.look(squatter.api)
    assert_nothing_was_given_away(squatter, login)


@pytest.mark.proof
def test_a_squatter_that_repeats_an_earlier_answer_proves_nothing(prefect_home):
    login, nonces = Login.new(), [secrets.token_hex(32)]
    with Squatter(proof=lambda nonce: login.proof(nonces[0], f"127.0.0.1 {squatter.port}")) as squatter:
        record(squatter.port, login)
        with pytest.raises(Impostor):
            driftline_login.look(squatter.api)
    assert_nothing_was_given_away(squatter, login)


@pytest.mark.proof
def test_a_squatter_that_has_our_server_answer_on_another_port_proves_nothing(prefect_home):
    login = Login.new()
    with proving(login) as port, Squatter(proof=relay(port)) as squatter:
        record(squatter.port, login)
        with pytest.raises(Impostor):
            driftline_login.look(squatter.api)
    assert_nothing_was_given_away(squatter, login)


@pytest.mark.proof
@pytest.mark.parametrize("way", ["silent", "closing"])
def test_a_squatter_that_does_not_answer_proves_nothing(prefect_home, way, monkeypatch):
    monkeypatch.setattr(driftline_login, "ANSWER_SECONDS", 0.5)
    with silent() as listening:
        port = listening.getsockname()[1]
        driftline_login.kept(port)
        if way == "closing":
            threading.Thread(target=closing, args=(listening,), daemon=True).start()
        with pytest.raises(Impostor):
            driftline_login.look(f"http://127.0.0.1:{port}/api")


def assert_nothing_was_given_away(squatter, login):
    heard = "".join(squatter.heard).lower()
    assert squatter.heard and "authorization" not in heard
    assert login.auth.lower() not in heard and login.key.decode() not in heard


ELSEWHERE = [
    "https://api.prefect.cloud/api/accounts/1/workspaces/2",
    "https://127.0.0.1:4200/api",
    "http://prefect.example.org:4200/api",
    "http://127.0.0.1.evil.test:4200/api",
    "http://10.0.0.7:4200/api",
    "http://127.0.0.1/api",
    "http://127.0.0.1:4201/api",
]


@pytest.mark.parametrize("api", ELSEWHERE)
def test_a_server_that_is_not_ours_is_neither_asked_nor_sent_anything(prefect_home, api):
    driftline_login.kept(PORT)
    assert driftline_login.look(api) == driftline_login.Found("elsewhere", {})


@pytest.mark.proof
def test_serve_does_not_use_a_strangers_server_unless_its_address_was_given(prefect_home, monkeypatch):
    with Squatter() as squatter:
        default, named = Address(squatter.api, "the default", True), Address(squatter.api, "PREFECT_API_URL")
        with pytest.raises(UserError, match="another program holds"), server(default):
            pass
        with server(named) as ours:
            assert not ours
        driftline_login.kept(squatter.port)
        for address in (default, named):
            with pytest.raises(UserError, match="does not prove"), server(address):
                pass
    assert "authorization" not in "".join(squatter.heard).lower()


@pytest.mark.proof
def test_a_flow_by_hand_does_not_use_a_squatter(prefect_home, monkeypatch):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with Squatter() as squatter, temporary_settings({PREFECT_API_URL: squatter.api}):
        driftline_login.kept(squatter.port)
        with pytest.raises(UserError, match="does not prove"), some_server():
            pass
    assert "authorization" not in "".join(squatter.heard).lower()


# the real server


class Running:
    """`driftline server` with a deployment in it."""

    def __init__(self, folder):
        self.port, self.folder = free_port(), folder
        self.page, self.log = f"http://127.0.0.1:{self.port}", folder / "log"
        self.api = f"{self.page}/api"
        homes = {"PREFECT_HOME": str(folder / "prefect"), "DRIFTLINE_HOME": str(folder / "home")}
        inherited = {name: value for name, value in with_hook(folder).items() if not name.startswith("PREFECT_")}
        self.environment = {**inherited, **homes}
        command = [sys.executable, "-m", "driftline", "server", "--port", str(self.port)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=TOP, env=self.environment, stdout=log, stderr=log)
        assert wait_for(lambda: "Prefect's profile" in self.log.read_text(), 200), self.log.read_text()
        self.login = (folder / "prefect" / "driftline" / str(self.port) / "login").read_text().strip()
        self.closing = ExitStack()
        self.client = self.closing.enter_context(logged_in(self.api, self.login))
        flow = self.client.post("flows/", json={"name": "a-flow"}).json()["id"]
        asked = {"flow_id": flow, "name": "a-deployment", "entrypoint": "a.py:b", "path": str(folder)}
        self.deployment = self.client.post("deployments/", json=asked).raise_for_status().json()["id"]

    def state(self):
        """What an attack would change: the deployment, and how many runs there are."""
        known = self.client.get(f"deployments/{self.deployment}").raise_for_status().json()
        return known["pull_steps"], known["updated"], self.client.post("flow_runs/count", json={}).json()

    def run(self, *words):
        return subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=TOP if words[0] == "driftline" else self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.closing.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    found = Running(tmp_path_factory.mktemp("running"))
    yield found
    if found.process.poll() is None:
        found.end()


DRIVE_BY = """<!doctype html><title>evil</title><script>
const api = "API", id = "DEPLOYMENT", said = [];
const steps = {pull_steps: [{"prefect.deployments.steps.run_shell_script": {script: "SHELL"}}]};
async function send(method, path, body, options = {}) {
  try {
    const r = await fetch(api + path, {method, body: body && JSON.stringify(body),
      headers: {"Content-Type": "application/json"}, ...options});
    said.push([method, path, r.status, r.type === "opaque" ? "" : await r.text()]);
  } catch (error) { said.push([method, path, "failed", ""]); }
}
function socket(path) {
  return new Promise(done => {
    const s = new WebSocket(api.replace("http", "ws") + path, ["prefect"]);
    s.onopen = () => { said.push(["WS", path, "open", ""]); done(); };
    s.onerror = () => { said.push(["WS", path, "failed", ""]); done(); };
  });
}
window.attack = async () => {
  const plain = {headers: {"Content-Type": "text/plain"}, mode: "no-cors"};
  await send("GET", "/csrf-token?client=evil");
  await send("GET", "/deployments/" + id);
  await send("POST", "/deployments/filter", {});
  await send("POST", "/logs/filter", {});
  await send("PATCH", "/deployments/" + id, steps);
  await send("POST", "/deployments/" + id + "/create_flow_run", {state: {type: "SCHEDULED"}});
  await send("POST", "/deployments/" + id + "/create_flow_run", {state: {type: "SCHEDULED"}}, plain);
  await send("DELETE", "/deployments/" + id);
  await send("GET", "/health");
  await socket("/events/out"); await socket("/events/in"); await socket("/logs/out");
  return said;
};
</script>"""


@pytest.mark.slow
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_page_of_another_origin_reads_nothing_changes_nothing_and_starts_nothing(running, browser, canary, host):
    page = DRIVE_BY.replace("API", running.api).replace("DEPLOYMENT", running.deployment).replace("SHELL", canary.shell)
    before = running.state()
    with Squatter() as evil, browser.new_context() as context:  # any server: the page takes the place of its answers
        tab = context.new_page()
        context.route(f"http://{host}:{evil.port}/*", lambda to: to.fulfill(body=page, content_type="text/html"))
        tab.goto(f"http://{host}:{evil.port}/")
        said = tab.evaluate("attack()")
    assert len(said) == 12
    assert [one for one in said if one[2] not in ("failed", 0)] == []
    assert running.state() == before


@pytest.mark.slow
def test_a_name_that_is_pointed_at_this_machine_is_refused(running, browser):
    switches = [*browsing.SWITCHES, "--host-resolver-rules=MAP rebound.test 127.0.0.1"]
    rebound = browser.browser_type.launch(executable_path=browsing.CHROMIUM, args=switches)
    tab = rebound.new_page()
    answer = tab.goto(f"http://rebound.test:{running.port}/")
    assert answer.status == 421
    assert tab.evaluate("fetch('/api/health').then(r => r.status)") == 421
    rebound.close()


@pytest.mark.slow
def test_whoever_has_not_logged_in_gets_nothing_of_the_api(running):
    paths = running.client.get("openapi.json").json()["paths"]
    asked = [(method, path) for path, methods in paths.items() for method in methods]
    assert len(asked) > 150
    token = {name: running.client.headers[name] for name in ("Prefect-Csrf-Client", "Prefect-Csrf-Token")}
    with httpx.Client(base_url=f"{running.api}/", headers=token, timeout=30) as stranger:
        answers = {
            (method, path): stranger.request(method, path.lstrip("/").replace("{", "").replace("}", "")).status_code
            for method, path in asked
        }
    assert {found for found, status in answers.items() if status != 401} == {("get", "/health"), ("get", "/ready")}


@pytest.mark.slow
def test_a_change_needs_a_token_beside_the_login(running):
    with httpx.Client(base_url=f"{running.api}/", auth=tuple(running.login.split(":", 1)), timeout=30) as client:
        before = running.state()
        for headers in ({}, {"Prefect-Csrf-Client": "tests", "Prefect-Csrf-Token": "0" * 64}):
            changed = client.patch(f"deployments/{running.deployment}", json={"paused": True}, headers=headers)
            assert changed.status_code == 403
        assert running.state() == before


@pytest.mark.slow
def test_the_owner_logs_in_to_the_page_and_starts_a_run(running, browser):
    before = running.state()[-1]
    with browser.new_context() as context:
        context.add_cookies([{"name": "prefect_ui_version", "value": "v1", "url": running.page}])
        tab = context.new_page()
        tab.goto(f"{running.page}/deployments/deployment/{running.deployment}")
        tab.fill("input[type=password]", running.login, timeout=60_000)
        tab.keyboard.press("Enter")
        tab.click("button:has-text('Run')", timeout=60_000)
        tab.click("text=Quick run")
        tab.wait_for_selector("text=scheduled to start now")
    assert running.state()[-1] == before + 1


@pytest.mark.slow
def test_prefect_and_a_flow_of_the_owners_log_in_by_the_profile(running):
    listed = running.run("prefect", "deployment", "ls")
    started = running.run("prefect", "deployment", "run", "a-flow/a-deployment")
    status = running.run("driftline", "status")
    assert "a-flow/a-deployment" in listed.communicate()[0]
    assert "Created flow run" in started.communicate()[0]
    assert f"server     {running.page}, from Prefect's profile driftline\n" in status.communicate()[0]
    assert [one.returncode for one in (listed, started, status)] == [0, 0, 1]  # 1: nobody serves this checkout


@pytest.mark.slow
def test_a_profile_that_names_another_server_stays_the_active_one(running, prefect_home):
    """And nothing of ours is sent to that server."""
    with Squatter() as theirs:
        words = {**running.environment, "PREFECT_API_URL": theirs.api, "PREFECT_API_AUTH_STRING": "their:own"}
        command = [sys.executable, "-m", "prefect", "deployment", "ls"]
        subprocess.run(command, cwd=running.folder, env=words, capture_output=True, timeout=120, check=False)
    heard = "".join(theirs.heard)
    assert "Basic dGhlaXI6b3du" in heard  # their:own
    assert running.login not in heard and PROOF_PATH not in heard


@pytest.mark.slow
def test_a_squatter_on_the_port_never_sees_the_login(running):
    """The last one: it ends the server."""
    running.end()
    with Squatter(running.port) as squatter:
        commands = [
            running.run("prefect", "deployment", "ls"),
            running.run("prefect", "worker", "start", "--pool", "driftline"),
            running.run("driftline", "approve"),
            running.run("driftline", "serve", "--port", str(running.port)),
        ]
        way_out = running.run("prefect", "profile", "ls")
        said = [(command.communicate(timeout=300)[0], command.returncode) for command in commands]
        assert "driftline" in way_out.communicate(timeout=300)[0] and way_out.returncode == 0
    assert all("does not prove" in words and code for words, code in said), said
    assert_nothing_was_given_away(squatter, Login(running.login, b"no key"))


@pytest.mark.parametrize(
    "address", [None, f"http://127.0.0.1:{PORT}/api", f"http://localhost:{PORT}/api", "https://theirs.test/api"]
)
def test_the_profile_gives_way_only_where_it_names_no_other_server(tmp_path, address):
    from prefect.settings import PREFECT_PROFILES_PATH, temporary_settings

    theirs = f'PREFECT_API_URL = "{address}"\n' if address else ""
    profiles = tmp_path / "profiles.toml"
    profiles.write_text(f'active = "mine"\n[profiles.mine]\nPREFECT_LOGGING_LEVEL = "DEBUG"\n{theirs}')
    with temporary_settings({PREFECT_PROFILES_PATH: profiles}):
        for _ in range(2):
            prefect_profile.write(f"http://127.0.0.1:{PORT}/api")
    text, foreign = profiles.read_text(), bool(address and "theirs" in address)
    assert f'active = "{"mine" if foreign else prefect_profile.NAME}"' in text
    assert text.count("DEBUG") == (1 if foreign else 2) and "AUTH" not in text
