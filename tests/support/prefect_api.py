"""Prefect's API for tests, as a client that has logged in: with the login, and the token that a change needs."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import urlsplit

import httpx

import driftline_login
from tests.support.processes import TOP

CLIENT = "tests"
BUSY = 503


class Patient(httpx.HTTPTransport):
    """Asks again while a server says that its database is busy, as Prefect's own client does."""

    def handle_request(self, request):
        for _ in range(60):
            answer = super().handle_request(request)
            if answer.status_code != BUSY:
                break
            answer.close()
            time.sleep(1)
        return answer


@contextmanager
def logged_in(api, auth=None):
    """A client of the API, whose paths are relative to it; by default logged in by this process's Prefect home."""
    known = driftline_login.known(urlsplit(api).port)
    if not (auth or known):
        raise httpx.ConnectError(f"no server of ours has been on {api} yet")
    who, password = (auth or known.auth).split(":", 1)
    with httpx.Client(base_url=f"{api}/", auth=(who, password), timeout=60, transport=Patient()) as client:
        token = client.get("csrf-token", params={"client": CLIENT}).raise_for_status().json()["token"]
        client.headers.update({"Prefect-Csrf-Client": CLIENT, "Prefect-Csrf-Token": token})
        yield client


def patiently(client, path, **body):
    """What the API answers once it has time: a server whose database is busy asks to be asked again."""
    while (answer := client.post(path, json=body)).status_code == 503:
        time.sleep(1)
    return answer.raise_for_status().json()


def post(api, path, **body):
    """What the API answers."""
    with logged_in(api) as client:
        answer = client.post(path, json=body).raise_for_status()
    return answer.json() if answer.content else None


def with_hook(folder: Path):
    """An environment in which Prefect finds our start-up hook, as `make setup` installs it."""
    path = os.pathsep.join([str(TOP), *filter(None, [os.environ.get("PYTHONPATH")])])
    if any(hook.value == "driftline_prefect" for hook in entry_points(group="prefect.plugins")):
        return {**os.environ, "PYTHONPATH": path}
    declared = folder / "driftline_hook-0.dist-info"  # an environment that was set up before there was a hook
    declared.mkdir(parents=True)
    (declared / "METADATA").write_text("Metadata-Version: 2.1\nName: driftline-hook\nVersion: 0\n")
    (declared / "entry_points.txt").write_text("[prefect.plugins]\ndriftline = driftline_prefect\n")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), path])}
