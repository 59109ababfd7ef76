"""Which Prefect server: the one place that finds it, for every command alike.

``--server`` comes before ``PREFECT_API_URL``, that before Prefect's own files (``prefect.toml``, ``.env``) and its
active profile. Where none names a server, it is the one on this machine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

import typer

import driftline_login
from tasks.core.errors import UserError

API = "PREFECT_API_URL"
LOOPBACK, DEFAULT_PORT = "127.0.0.1", 4200
PROFILE = "driftline"
"""Prefect's profile that we write ourselves (``prefect_profile.py``)."""
OPTION = "--server"


@dataclass(frozen=True)
class Address:
    """Of a Prefect server's API."""

    api: str
    named_by: str
    """In words."""
    by_us: bool = False
    """Nobody has named it: our own profile did, or it is the default."""

    @property
    def page(self) -> str:
        return self.api.removesuffix("/api")

    def __str__(self) -> str:
        return f"{self.api} (from {self.named_by})"


_option: list[str] = []  # what --server said, once for a process


def use(server: str | None) -> None:
    """Take the address that was typed: for this process, and those it starts. UserError: it is none."""
    if server is None:
        return
    try:
        address = urlsplit(server.rstrip("/"))
        known = address.scheme in ("http", "https") and address.hostname and address.port != 0
    except ValueError:
        known = None
    if not known:
        raise UserError(f"{OPTION} {server} is no address: write http://127.0.0.1:4200/api")
    _option[:] = [address._replace(path=address.path or "/api").geturl()]
    set_variables({API: _option[0]})


def set_variables(variables: Mapping[str, str | None]) -> None:
    """Change the environment, for the processes that this one starts too, and what Prefect has read of it."""
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    if "prefect" in sys.modules:
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()


ServerOption = Annotated[
    str | None,
    typer.Option(
        OPTION,
        metavar="URL",
        callback=use,
        help="Prefect's API; by default PREFECT_API_URL, else Prefect's profile.",
    ),
]


def local(port: int = DEFAULT_PORT) -> Address:
    """Of a server of ours on this machine."""
    return Address(f"http://{LOOPBACK}:{port}/api", "the default", True)


def named() -> Address | None:
    """What Prefect's settings name, and which of them; None: none does."""
    from prefect.context import get_settings_context
    from prefect.settings import PREFECT_API_URL, get_current_settings

    api = get_current_settings().api.url
    if not api:
        return None
    if api == os.environ.get(API):
        return Address(api, OPTION if [api] == _option else API)
    profile = get_settings_context().profile
    if profile.settings.get(PREFECT_API_URL) == api:
        return Address(api, f"Prefect's profile {profile.name}", profile.name == PROFILE)
    return Address(api, "Prefect's settings")


def found() -> Address:
    """The server that a command asks."""
    return named() or local()


def to_serve(port: int | None) -> Address:
    """The server that ``serve`` uses or starts; ``port`` was typed. UserError: something else names another server."""
    known = named()
    if port is None or known is None:
        return known or local(port or DEFAULT_PORT)
    there = urlsplit(known.api)
    if known.by_us or (driftline_login.on_loopback(there) and there.port == port):
        return local(port)
    raise UserError(
        f"--port {port} is for a server of our own, and {known.named_by} names {known.api}: leave --port out to use "
        f"that one, or give {OPTION} http://{LOOPBACK}:{port}/api"
    )
