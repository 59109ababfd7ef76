"""Prefect's server: whose answers at an address, or one of our own that lives as long as this process.

A server of ours asks everybody for a login, refuses other names and origins (``protected_app.py``), and proves whose it
is before a process of this machine sends it a login (``driftline_login.py``).
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

import driftline_login
from driftline_login import Impostor, Login, Standing
from flows.machine.home import HERE, root
from flows.machine.prefect_server import KEY
from flows.pipeline import guard
from tasks.core.errors import UserError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

log = logging.getLogger(__name__)

LOOPBACK, DEFAULT_PORT = "127.0.0.1", 4200
DEFAULT_API = f"http://{LOOPBACK}:{DEFAULT_PORT}/api"
HOSTS = (LOOPBACK, "localhost", "0.0.0.0")
SERVER_AUTH = "PREFECT_SERVER_API_AUTH_STRING"
EMBEDDED = {"PREFECT_UI_ENABLED": "false", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
"""As Prefect starts a temporary server of its own: without pages and schedules."""
START_SECONDS = 600.0  # on a busy machine; one that ends is seen at once
LOOK_SECONDS = 2.0


def answers(api: str) -> bool:
    """Whether a server is well at the API's address."""
    return _is_there(f"{api}/health")


def _is_there(page: str) -> bool:
    try:
        return httpx.get(page, timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


def log_in(api: str) -> Standing:
    """Let this process be a client of the server at ``api``, if it is one of ours. UserError: somebody poses as it."""
    try:
        found = driftline_login.look(api)
    except Impostor as impostor:
        raise UserError(str(impostor)) from None
    if found.environment:
        _set(found.environment)
    return found.standing


def _set(variables: Mapping[str, str | None]) -> None:
    """Change the environment, and what Prefect has read of it."""
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    if "prefect" in sys.modules:
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()


@contextmanager
def _client_of(api: str, login: Login) -> Iterator[None]:
    """Let this process be a client of a server that it has started, for the length of the block."""
    ours = driftline_login.environment(api, login)
    before = {name: os.environ.get(name) for name in ours}
    _set(ours)
    try:
        yield
    finally:
        _set(before)


def api_address() -> str | None:
    """The address of the API that Prefect's settings name: of the environment, else of the profile that is active."""
    from prefect.settings import get_current_settings

    return get_current_settings().api.url


@contextmanager
def client() -> Iterator[SyncPrefectClient]:
    """Of the server that Prefect's settings name, by default the one on this machine. UserError: none answers."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    api = api_address() or DEFAULT_API
    if log_in(api) == "down" or not answers(api):
        raise UserError(f"no Prefect server answers at {api}: start `driftline serve`, or set PREFECT_API_URL")
    with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as found:
        yield found


@contextmanager
def some_server() -> Iterator[None]:
    """For a flow by hand: the server that Prefect's settings name, else one of our own for the length of the block."""
    api = api_address()
    if api and log_in(api) != "down":
        yield
        return
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server((LOOPBACK, 0)))
        here = f"http://{LOOPBACK}:{listening.getsockname()[1]}/api"
        stack.enter_context(_running(listening, here, Login.new(), EMBEDDED))
        yield


@contextmanager
def server(api: str, host: str | None = None, names: Sequence[str] = (), theirs: bool = False) -> Iterator[bool]:
    """A server at ``api`` for the length of the block: the one that answers there, or one started on this machine.

    Gives whether it is one of ours. What is started listens on ``host``, may be asked for by ``names`` too, is started
    again when it is gone, and ends with this process, however that ends. One on this machine that is not ours is used
    only where ``theirs`` says so.
    """
    port = urlsplit(api).port or DEFAULT_PORT
    if log_in(api) == "ours":
        yield True
        return
    listening = _listen(host or LOOPBACK, port) if driftline_login.on_loopback(urlsplit(api)) else None
    if listening is None:
        _require_theirs(api, theirs)
        yield False
        return
    with listening:
        database = driftline_login.folder(port).parents[1] / "prefect.db"
        upgraded = driftline_login.known(port) is None and database.exists()
        login = driftline_login.kept(port, os.environ.get(SERVER_AUTH))
        with _running(listening, f"http://{LOOPBACK}:{port}/api", login, {}, names):
            _tell(api, upgraded)
            yield True


def how_to_log_in(api: str) -> str:
    """For a person who opens the page of a server of ours."""
    file = driftline_login.folder(urlsplit(api).port or DEFAULT_PORT) / "login"
    return f"{api.removesuffix('/api')}, where you log in with what this prints: cat {file}"


def _tell(api: str, upgraded: bool) -> None:
    """How a person logs in, and what has changed for who used the server of an earlier release."""
    log.info(f"Prefect's page: {how_to_log_in(api)}")
    if upgraded:
        log.info("it asked nobody for a login before: pages that are open, and workers elsewhere, have to log in now")


def _require_theirs(api: str, allowed: bool) -> None:
    if not allowed:
        raise UserError(
            f"another program holds {urlsplit(api).netloc}: stop it, give another --port, or, if it is a Prefect "
            f"server that you want to use, set PREFECT_API_URL={api}"
        )
    if not answers(api):
        raise UserError(f"no Prefect server answers at {api}: start it, or unset PREFECT_API_URL to have one here")


def _listen(host: str, port: int) -> socket.socket | None:
    """Take the port, for as long as this process wants it; None: it is taken. UserError: it cannot be had."""
    if host not in HOSTS:
        raise UserError(f"--host {host} is neither {LOOPBACK}, this machine alone, nor 0.0.0.0, others too")
    try:
        return socket.create_server((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return None
        raise UserError(f"nothing can listen on {host}, port {port}: {error.strerror}") from None


@contextmanager
def _running(
    listening: socket.socket, api: str, login: Login, more: Mapping[str, str], names: Sequence[str] = ()
) -> Iterator[None]:
    """A server of ours on the socket, and this process its client."""
    file = root() / "server.log"
    ours = _Server(listening, login, {**_protected(api, login, names), **more}, names, file)
    try:
        wait_until_up("Prefect's server", f"{api}/health", ours.process, file)
        log.info(f"Prefect's server is up: {api.removesuffix('/api')} (log: {file})")
        threading.Thread(target=ours.keep_up, daemon=True).start()
        with _client_of(api, login):
            yield
    finally:
        ours.end()


def _protected(api: str, login: Login, names: Sequence[str]) -> dict[str, str]:
    """The settings of a server that asks for a login and answers for itself alone; who has set one keeps it."""
    origins = [api.removesuffix("/api"), *(f"https://{name}" for name in names)]
    settings = {
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(origins),
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_UI_API_URL": "/api",  # of whatever name the page was opened by
    }
    return {
        **{name: os.environ.get(name, value) for name, value in settings.items()},
        SERVER_AUTH: login.auth,
        KEY: login.key.decode(),
    }


class _Server:
    """A server under a guard, which ends it when this process is gone."""

    def __init__(
        self, listening: socket.socket, login: Login, environment: Mapping[str, str], names: Sequence[str], log: Path
    ) -> None:
        self.command = [sys.executable, "-m", "flows.machine.prefect_server", str(listening.fileno()), *names]
        self.pipes = {"cwd": HERE, "env": {**os.environ, **environment}, "pass_fds": [listening.fileno()]}
        self.log = log
        self.over = threading.Event()
        self.process = start_logged(self.command, log, **self.pipes)

    def keep_up(self) -> None:
        """Start it again whenever it has ended, until this process wants no more of it."""
        while not self.over.wait(LOOK_SECONDS):
            if self.process.poll() is not None:
                self.process = start_logged(self.command, self.log, **self.pipes)

    def end(self) -> None:
        """Have the guard end it."""
        self.over.set()
        guard.stop(self.process)


def start_logged(command: list[str], log: Path, **pipes: Any) -> subprocess.Popen[bytes]:
    """Start a server under a guard; what it prints goes to the end of ``log``."""
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(log, "ab", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o600)) as file:
        return guard.start(command, stdout=file, stderr=file, **pipes)


def wait_until_up(what: str, page: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the server answers at the address of a page. UserError when it does not."""
    deadline = time.monotonic() + START_SECONDS
    while not _is_there(page):
        if process.poll() is not None or time.monotonic() > deadline:
            raise UserError(f"{what} did not start: see {log}")
        time.sleep(0.5)
