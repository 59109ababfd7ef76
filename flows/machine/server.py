"""Prefect's server: the one that answers, or one of our own that lives as long as this process."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from flows.machine.home import root
from flows.pipeline import guard
from tasks.core.errors import UserError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

log = logging.getLogger(__name__)

DEFAULT_API = "http://127.0.0.1:4200/api"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
SERVER_AUTH, CLIENT_AUTH = "PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING"
START_SECONDS = 180.0
LOOK_SECONDS = 2.0


def answers(api: str) -> bool:
    """Whether a server is well at the API's address."""
    return _is_there(f"{api}/health")


def _is_there(page: str) -> bool:
    try:
        return httpx.get(page, timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


def require_authentication(host: str) -> None:
    """Refuse to listen on other addresses than loopback without authentication; with it, this process may ask too."""
    secret = os.environ.get(SERVER_AUTH)
    if host not in LOOPBACK and not secret:
        raise UserError(
            f"a server on {host} can be reached from other machines: set {SERVER_AUTH}=user:password for it and "
            f"{CLIENT_AUTH}, the same, for who asks it from elsewhere; or leave --host out"
        )
    if secret:
        os.environ.setdefault(CLIENT_AUTH, secret)


@contextmanager
def client() -> Iterator[SyncPrefectClient]:
    """Of the server that Prefect's settings name, by default the one on this machine. UserError: none answers."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings

    api = get_current_settings().api.url or DEFAULT_API
    if not answers(api):
        raise UserError(f"no Prefect server answers at {api}: start `driftline serve`, or set PREFECT_API_URL")
    with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as found:
        yield found


@contextmanager
def server(api: str, host: str | None = None) -> Iterator[None]:
    """A server at ``api`` for the length of the block: the one that answers there, or one started on this machine.

    Ours listens on ``host``, is started again when it is gone, and ends with this process, however that ends.
    """
    if answers(api):
        yield
        return
    address = urlsplit(api)
    if address.hostname not in LOOPBACK:
        raise UserError(f"no Prefect server answers at {api}: start it, or unset PREFECT_API_URL to have one here")
    require_authentication(host or address.hostname)
    file = root() / "server.log"
    ours = _Server(host or address.hostname, address.port or 4200, file)
    try:
        wait_until_up("Prefect's server", f"{api}/health", ours.process, file)
        log.info(f"Prefect's server is up: {api.removesuffix('/api')} (log: {file})")
        threading.Thread(target=ours.keep_up, daemon=True).start()
        yield
    finally:
        ours.end()


class _Server:
    """A server under a guard, which ends it when this process is gone."""

    def __init__(self, host: str, port: int, log: Path) -> None:
        self.command = [sys.executable, "-m", "prefect", "server", "start", "--host", host, "--port", str(port)]
        self.log = log
        self.over = threading.Event()
        self.process = start_logged(self.command, log)

    def keep_up(self) -> None:
        """Start it again whenever it has ended, until this process wants no more of it."""
        while not self.over.wait(LOOK_SECONDS):
            if self.process.poll() is not None:
                self.process = start_logged(self.command, self.log)

    def end(self) -> None:
        """Have the guard end it."""
        self.over.set()
        guard.stop(self.process)


def start_logged(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a server under a guard; what it prints goes to the end of ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        return guard.start(command, stdout=file, stderr=file)


def wait_until_up(what: str, page: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the server answers at the address of a page. UserError when it does not."""
    deadline = time.monotonic() + START_SECONDS
    while not _is_there(page):
        if process.poll() is not None or time.monotonic() > deadline:
            raise UserError(f"{what} did not start: see {log}")
        time.sleep(0.5)
