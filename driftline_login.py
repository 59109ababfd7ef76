"""How a process logs in to a Prefect server that Driftline runs on this machine: after the server has proved itself.

Installed beside the command ``driftline``, since ``prefect`` and its workers run in any folder.
Such a server has two files in Prefect's home, ``driftline/PORT/``, which only their owner can read: ``login``, what its
API asks for, and ``proof``, a key that is never sent. Whoever holds the port without that key is sent no login.

Not covered: a program that takes the port after the proof, while no ``driftline serve`` holds it (SECURITY.md).
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

PROOF_PATH = "/driftline/proof"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
ANSWER_SECONDS = 60.0
"""A server of ours that is still starting takes connections and answers when it is up."""


class Impostor(Exception):
    """A program on the port of a server of ours that does not hold its key; the message says what to do."""


@dataclass(frozen=True)
class Login:
    """What one server of ours and its clients share."""

    auth: str
    """``user:password``, as Prefect has it."""
    key: bytes
    """Of the proofs."""

    @classmethod
    def new(cls, auth: str | None = None) -> Login:
        """A fresh one; with ``auth``, for that user and password."""
        return cls(auth or f"driftline:{secrets.token_urlsafe(32)}", secrets.token_hex(32).encode())

    def proof(self, nonce: str, address: str) -> str:
        """The answer to ``nonce`` of the server that listens on ``address``, as hex digits.

        It holds for one address: a program on another one cannot have the answer made there.
        """
        return self.signature(f"{nonce} {address}")

    def signature(self, words: str) -> str:
        """Of words that only who holds the key can sign, as hex digits; a proof begins with 64 hex digits."""
        return hmac.new(self.key, f"driftline {words}".encode(), hashlib.sha256).hexdigest()


def folder(port: int) -> Path:
    """Where the server on this port keeps its login."""
    home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect").expanduser()
    return home / "driftline" / str(port)


def known(port: int) -> Login | None:
    """The login of the server on this port; None where no server of ours has ever been there."""
    try:
        auth, key = ((folder(port) / name).read_bytes().strip() for name in ("login", "proof"))
    except FileNotFoundError:
        return None
    return Login(auth.decode(), key)


def kept(port: int, auth: str | None = None) -> Login:
    """The login of the server on this port, made where there is none or others could read it; ``auth`` replaces it."""
    found, files = known(port), [folder(port) / name for name in ("login", "proof")]
    if found and auth in (None, found.auth) and not any(file.stat().st_mode & 0o077 for file in files):
        return found
    made = Login.new(auth)
    folder(port).mkdir(parents=True, exist_ok=True, mode=0o700)
    for file, content in zip(files, (made.auth.encode(), made.key), strict=True):
        file.unlink(missing_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(content + b"\n")
    return made


Standing = Literal["elsewhere", "down", "ours"]


@dataclass(frozen=True)
class Found:
    """Whose server is at an address."""

    standing: Standing
    environment: dict[str, str]
    """What a client of ours needs; empty for others, who have settings of their own."""


def look(api: str) -> Found:
    """Whose server is at the address of an API. Raises Impostor.

    ``elsewhere``: not one of ours, so nothing is sent to it, and its own settings count. ``down``: ours, and nobody
    listens on its port.
    """
    address = urlsplit(api)
    login = known(address.port) if on_loopback(address) and address.port else None
    if login is None:
        return Found("elsewhere", {})
    try:
        peer = _prove(address, login)
    except ConnectionRefusedError:
        return Found("down", {})
    except (OSError, http.client.HTTPException) as error:
        raise Impostor(_refusal(address, f"{error!r}")) from None
    return Found("ours", environment(address._replace(netloc=f"{_bracketed(peer)}:{address.port}").geturl(), login))


HOOK = {"PREFECT_PLUGINS_ENABLED": "true", "PREFECT_PLUGINS_ALLOW": "driftline"}
"""Turns on our start-up hook in Prefect (``driftline_prefect.py``), which looks again."""


def environment(api: str, login: Login) -> dict[str, str]:
    """What Prefect reads in a process, and in those it starts, to be a client of a server of ours that is proved."""
    return {
        "PREFECT_API_URL": api,
        "PREFECT_API_AUTH_STRING": login.auth,
        **HOOK,
        **direct(),  # the proof went straight there, so must the login
    }


def direct() -> dict[str, str]:
    """The variables by which programs reach this machine without the proxy that ``HTTP_PROXY`` names."""
    names = ("no_proxy", "NO_PROXY")  # of both, most programs read the first
    known = [host for name in names for host in os.environ.get(name, "").split(",") if host]
    hosts = "*" if "*" in known else ",".join(dict.fromkeys([*known, *LOOPBACK]))
    return dict.fromkeys(names, hosts)


def on_loopback(address: SplitResult) -> bool:
    """Whether an address is one of this machine alone."""
    if address.scheme != "http" or not address.hostname:
        return False
    try:
        return address.hostname == "localhost" or ipaddress.ip_address(address.hostname).is_loopback
    except ValueError:
        return False


def _prove(address: SplitResult, login: Login) -> str:
    """Ask for the proof: the IP address that gave it. ConnectionRefusedError: nobody listens; OSError: it is wrong."""
    nonce, connection = secrets.token_hex(32), http.client.HTTPConnection(address.hostname or "", address.port)
    connection.timeout = ANSWER_SECONDS
    try:
        connection.connect()
        peer: str = connection.sock.getpeername()[0]
        connection.request("GET", f"{PROOF_PATH}?{nonce}")
        answer = connection.getresponse().read(64)
    finally:
        connection.close()
    if not hmac.compare_digest(answer, login.proof(nonce, f"{peer} {address.port}").encode()):
        raise OSError("a wrong answer")
    return peer


def _refusal(address: SplitResult, why: str) -> str:
    return (
        f"the program at {address.netloc} does not prove that it is Driftline's Prefect server ({why}): stop it, or, "
        f"if it is a server of your own, delete {folder(address.port or 0)}"
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
