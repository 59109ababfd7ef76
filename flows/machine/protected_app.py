"""What stands before every web server that we start: whom it answers, and how it proves whose it is.

Prefect and Evidently answer whatever ``Host`` they are asked for, so a page whose name is pointed at this machine
afterwards would count as theirs; and a WebSocket is opened to whoever asks. Both are refused here, before either is
reached.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from driftline_login import LOOPBACK, PROOF_PATH, Login
from flows.machine import pages

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

NONCE = re.compile(rb"[0-9a-f]{64}")
FORBIDDEN, NOT_FOUND, MISDIRECTED = 403, 404, 421
REFUSED_SOCKET = 1008
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'self'"
)
"""Of Prefect's and Evidently's pages. Prefect's login page would report its use, whatever the server's settings say."""


class ProtectedApp:
    """An ASGI application behind the checks.

    Args:
        app: Whom it protects.
        names: Host names under which it may be reached, next to loopback and the address a connection arrived at.
        login: What it proves itself by; None: it proves nothing.
    """

    def __init__(self, app: App, names: Collection[str] = (), login: Login | None = None) -> None:
        self.app, self.login = app, login
        self.names = {name.lower() for name in (*LOOPBACK, *names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a connection, or hand it on."""
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        if why := self._refusal(scope):
            return await _refuse(scope, send, *why)
        if self.login and scope["type"] == "http" and scope["path"] == PROOF_PATH:
            return await _say(send, *self._proof(scope))
        if self.login and scope["type"] == "http" and scope["path"].startswith(pages.PREFIX):
            return await _give(scope, send, pages.find(scope["path"], self.login))
        return await self.app(scope, receive, _kept_here(send) if scope["type"] == "http" else send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Why a connection is not answered: a host that is not ours, or a page of another origin."""
        hosts, origins = _header(scope, b"host"), _header(scope, b"origin")
        if len(hosts) != 1 or not self._is_ours(hosts[0], scope):
            return MISDIRECTED, "no server of this name: allow it with --allow-host"
        own = {f"http://{hosts[0]}", f"https://{hosts[0]}"}
        if any(origin.lower() not in own and not self._is_named(origin) for origin in origins):
            return FORBIDDEN, "a page of another origin"
        return None

    def _is_ours(self, host: str, scope: Scope) -> bool:
        """Whether a connection asks for us: by a name that is allowed, or by the very address it arrived at."""
        name = urlsplit(f"//{host}").hostname
        return name in self.names or name == scope["server"][0]

    def _is_named(self, origin: str) -> bool:
        """Whether an origin is a name that was allowed: a proxy may ask us by another one than its own."""
        return urlsplit(origin).hostname in self.names.difference(LOOPBACK)

    def _proof(self, scope: Scope) -> tuple[int, str]:
        assert self.login
        nonce, address = scope["query_string"], scope["server"]
        if not NONCE.fullmatch(nonce):
            return 400, "64 hex digits are asked for"
        return 200, self.login.proof(nonce.decode(), f"{address[0]} {address[1]}")


def _header(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").lower() for key, value in scope["headers"] if key.lower() == name]


def _kept_here(send: Send) -> Send:
    """Pages may ask nothing of other hosts: no picture of a text's Markdown, no use to report."""

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = message.get("headers", [])
            kinds = [value for name, value in headers if name.lower() == b"content-type"]
            if any(kind.startswith(b"text/html") for kind in kinds):
                message = {**message, "headers": [*headers, (b"content-security-policy", POLICY.encode())]}
        await send(message)

    return sending


async def _refuse(scope: Scope, send: Send, status: int, why: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": REFUSED_SOCKET, "reason": why})
    else:
        await _say(send, status, why)


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """The application of a server that gives out nothing but reports."""
    if scope["type"] == "http":
        await _say(send, NOT_FOUND, pages.MISSING)


async def _give(scope: Scope, send: Send, found: tuple[Path, str] | None) -> None:
    """A page of a run's reports."""
    if found is None or scope["method"] != "GET":
        await _say(send, NOT_FOUND, pages.MISSING)
        return
    file, kind = found
    content = await asyncio.to_thread(file.read_bytes)
    headers = [(b"content-type", f"{kind}; charset=utf-8".encode()), *pages.HEADERS]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def _say(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
