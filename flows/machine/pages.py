"""The reports of a run, by an address that a browser opens: Prefect's server of ours gives them out.

``/driftline/runs/SIGNATURE/HOME/RUN/reports/index.html``: the signature, made with the server's key, holds for one run.
Who has read it on Prefect's page has logged in; a browser sends no login along with a link. Each page is in a sandbox,
an origin of its own, so no script of a report can reach Prefect's page or its login.
"""

from __future__ import annotations

import hmac
import mimetypes
import re
from pathlib import Path
from urllib.parse import quote, urlsplit

from configobj import ConfigObj

import driftline_login
from driftline_login import Login
from flows.machine.home import RUNS, root

PREFIX = "/driftline/runs/"
ADDRESS = re.compile(PREFIX + r"([0-9a-f]{64})/([^/]+)/([^/]+)/((?:[^/]+/)*?)(reports/.+)", re.DOTALL)
KINDS = {".html", ".css", ".js", ".json", ".csv", ".txt", ".png", ".svg", ".md"}
SANDBOX = "sandbox allow-scripts allow-popups; default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
HEADERS = (
    (b"content-security-policy", SANDBOX.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
)
MISSING = (
    "this report is not on the server's machine any more; `driftline report RUN` in the repository brings it back\n"
)


def address(folder: Path, page: Path) -> str | None:
    """Where a browser opens a page of the run in a clone; None where no server of ours is there to give it out."""
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    at = urlsplit(settings.api.url or "")
    login = driftline_login.known(at.port) if at.port and driftline_login.on_loopback(at) else None
    if login is None or not settings.ui_url or run_of(folder) is None:
        return None
    return f"{settings.ui_url.rstrip('/')}{path_of(login, folder, page)}"


def run_of(folder: Path) -> str | None:
    """The run whose clone a project's folder is, or lies in, on this machine; None: it is no clone."""
    try:
        parts = folder.absolute().relative_to(root()).parts
    except ValueError:
        return None
    return parts[2] if len(parts) > 2 and parts[1] == RUNS else None


def path_of(login: Login, folder: Path, page: Path) -> str:
    """The path of a page of the run in a clone, on a server with this login."""
    home, _, run, *prefix = folder.absolute().relative_to(root()).parts
    where = "/".join(quote(part, safe="") for part in (home, run, *prefix))
    return f"{PREFIX}{_signature(login, home, run)}/{where}/{quote(page.as_posix())}"


def _signature(login: Login, home: str, run: str) -> str:
    return login.signature(f"page {home}/{run}")


def find(path: str, login: Login) -> tuple[Path, str] | None:
    """The file at an address's path, and its type; None: no such file, a wrong signature, or nothing to give out."""
    asked = ADDRESS.fullmatch(path)
    if asked is None:
        return None
    signature, home, run, prefix, page = asked.groups()
    if not hmac.compare_digest(signature, _signature(login, home, run)):
        return None
    folder, parts = root() / home / RUNS / run / prefix, Path(prefix, page).parts
    if {".", ".."} & {home, run, *parts} or Path(page).suffix not in KINDS:
        return None
    try:
        file = (folder / page).resolve(strict=True)
    except (OSError, ValueError):
        return None
    if not file.is_file() or not any(file.is_relative_to(place) for place in _places(folder)):
        return None
    return file, mimetypes.guess_type(page)[0] or "text/plain"


def _places(folder: Path) -> list[Path]:
    """Where a clone's files lie: in it, or in the cache that DVC links them to."""
    settings = ConfigObj(str(folder / ".dvc" / "config.local"), encoding="utf-8", interpolation=False)
    cache = settings.get("cache", {}).get("dir")
    return [(folder / "reports").resolve(), *([Path(cache).resolve() / "files"] if cache else [])]
