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
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

import driftline_login
from driftline_login import Impostor, Login, Standing
from flows.machine import prefect_address
from flows.machine.home import HERE, make_root
from flows.machine.prefect_address import DEFAULT_PORT, LOOPBACK, OPTION, Address, set_variables
from flows.machine.prefect_server import KEY
from flows.pipeline import guard
from tasks.core.errors import UserError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

log = logging.getLogger(__name__)

HOSTS = (LOOPBACK, "localhost", "0.0.0.0")
SERVER_AUTH = "PREFECT_SERVER_API_AUTH_STRING"
EMBEDDED = {"PREFECT_UI_ENABLED": "false", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
"""As Prefect starts a temporary server of its own: without pages and schedules."""
START_SECONDS = 600.0  # on a busy machine; one that ends is seen at once
LOOK_SECONDS = 2.0
NEWER_DATABASE = "Can't locate revision identified by"  # alembic's words
HOW_TO_HAVE_ONE = "start it with `driftline serve`, or name another with --server or PREFECT_API_URL"


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
        set_variables(found.environment)
    return found.standing


@contextmanager
def _client_of(api: str, login: Login) -> Iterator[None]:
    """Let this process be a client of a server that it has started, for the length of the block."""
    ours = driftline_login.environment(api, login)
    before = {name: os.environ.get(name) for name in ours}
    set_variables(ours)
    try:
        yield
    finally:
        set_variables(before)


def require_prefect(at: Address) -> None:
    """UserError where no Prefect server answers at the address, or one that does not let this process in."""
    _require_answer(at)
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError
    from prefect.settings import PREFECT_API_URL, temporary_settings

    try:
        with temporary_settings({PREFECT_API_URL: at.api}), get_client(sync_client=True) as client:
            client.read_flows(limit=1)
    except PrefectHTTPStatusError as refused:
        status = refused.response.status_code
        why = (
            "asks for a login: set PREFECT_API_AUTH_STRING or PREFECT_API_KEY" if status in (401, 403) else f"{refused}"
        )
        raise UserError(f"the Prefect server at {at} {why}") from None
    except RuntimeError as other:  # Prefect's word for a server of another major version
        raise UserError(f"the Prefect server at {at} cannot be used: {other}") from None
    except httpx.HTTPError as error:
        raise UserError(f"the Prefect server at {at} does not answer: {error!r}; {HOW_TO_HAVE_ONE}") from None
    except ValueError:
        raise UserError(f"what answers at {at} is no Prefect server: its JSON is not Prefect's") from None


def _require_answer(at: Address) -> None:
    try:
        answer = httpx.get(f"{at.api}/health", timeout=10)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UserError(f"no Prefect server answers at {at}{_proxy(at.api)}: {error}; {HOW_TO_HAVE_ONE}") from None
    kind = answer.headers.get("content-type", "").partition(";")[0] or "no content type"
    if answer.status_code != 200 or kind != "application/json":
        lacks = "" if urlsplit(at.api).path.endswith("/api") else "; does the address lack /api at its end?"
        raise UserError(f"what answers at {at} is no Prefect server: HTTP {answer.status_code}, {kind}{lacks}")


def _proxy(api: str) -> str:
    """That a proxy is asked, in words."""
    address = urlsplit(api)
    proxy = getproxies().get(address.scheme)
    return f", asked through the proxy {proxy}" if proxy and not proxy_bypass(address.hostname or "") else ""


@contextmanager
def client() -> Iterator[SyncPrefectClient]:
    """Of the server that ``prefect_address`` finds. UserError: none answers."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    at = prefect_address.found()
    _require(at)
    with temporary_settings({PREFECT_API_URL: at.api}), get_client(sync_client=True) as found:
        yield found


def _require(at: Address) -> None:
    """The server is there and this process may use it. UserError: not so."""
    standing = log_in(at.api)
    if standing == "down":
        raise UserError(f"Driftline's Prefect server at {at} is not running: {HOW_TO_HAVE_ONE}")
    if standing == "elsewhere":
        require_prefect(at)


@contextmanager
def some_server() -> Iterator[None]:
    """For a flow by hand: the server that somebody has named, else ours, or one for the length of the block.

    UserError: the one that was named does not answer.
    """
    at = prefect_address.named()
    if at and not (at.by_us and log_in(at.api) == "down"):
        _require(at)
        log.info(f"Prefect's server: {at}")
        yield
        return
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server((LOOPBACK, 0)))
        here = f"http://{LOOPBACK}:{listening.getsockname()[1]}/api"
        stack.enter_context(_running(listening, here, Login.new(), EMBEDDED))
        stack.callback(_send_logs)
        yield


def _send_logs() -> None:
    """While the server is there: what is left is tried again and again when the process ends, and then said to fail."""
    from prefect.logging.handlers import APILogWorker

    APILogWorker.drain_all(timeout=5)


@contextmanager
def server(at: Address, host: str | None = None, names: Sequence[str] = ()) -> Iterator[bool]:
    """A server at the address for the length of the block: the one that answers there, or one started on this machine.

    Gives whether it is one of ours. What is started listens on ``host``, may be asked for by ``names`` too, is started
    again when it is gone, and ends with this process, however that ends. One that is not ours is used only where
    somebody has named it. UserError: there is none to use.
    """
    api, port = at.api, urlsplit(at.api).port or DEFAULT_PORT
    if log_in(api) == "ours":
        yield True
        return
    listening = listen(host or LOOPBACK, port) if driftline_login.on_loopback(urlsplit(api)) else None
    if listening is None:
        _require_theirs(at)
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


def _require_theirs(at: Address) -> None:
    if at.by_us:
        raise UserError(
            f"another program holds {urlsplit(at.api).netloc}: stop it, give another --port, or, if it is a Prefect "
            f"server that you want to use, {OPTION} {at.api}"
        )
    require_prefect(at)


def listen(host: str, port: int) -> socket.socket | None:
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
    file = make_root() / "server.log"
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
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,orphans",  # what runs leave that `prune` deletes
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
                log.warning(f"Prefect's server has ended and is started again: {_why(self.log)}")
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
    """Until the server answers at the address of a page. UserError, with why, when it does not."""
    deadline = time.monotonic() + START_SECONDS
    while not _is_there(page):
        if process.poll() is not None:
            raise UserError(f"{what} did not start: {_why(log)}")
        if time.monotonic() > deadline:
            raise UserError(f"{what} does not answer after {START_SECONDS / 60:g} minutes: see {log}")
        time.sleep(0.5)


def _why(log: Path) -> str:
    """What the end of a server's log says of its end."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:]]
    if any(NEWER_DATABASE in line for line in lines):
        return (
            f"its database is of a newer Prefect than the installed {version('prefect')}: install that one, or set "
            f"PREFECT_HOME to another folder (log: {log})"
        )
    said = [line for line in lines if "Error" in line] or [line for line in lines if line]
    return f"{said[-1] if said else 'it said nothing'} (log: {log})"
