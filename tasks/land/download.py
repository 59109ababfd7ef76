"""Land the bytes of an http(s) address; a download that was interrupted is resumed.

It is resumed only where the server says that the file is still the same one (``ETag`` and ``If-Range``).
"""

from __future__ import annotations

import hashlib
import re
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from tqdm import tqdm

from tasks.core.errors import UserError
from tasks.core.files import read_json, write_json
from tasks.ingest.streams import refuse_bomb
from tasks.land import Address, Source, Transient
from tasks.land.files import format_of, land_bytes
from tasks.land.limits import Limits
from tasks.land.parts import Parts
from tasks.land.redirects import opened

TIMEOUT_SECONDS = 30.0
_TRANSIENT_STATUSES = {408, 425, 429, 502, 503, 504}


def land_url(name: str, source: Source, address: Address, parts: Parts, _: bool = False) -> list[str]:
    """Land what is new at the address. Returns notes for the user."""
    file = Path(urlsplit(address.url).path).name
    extension = source.format or format_of(file, f"{name} (say `format: csv` or the like where the address does not)")
    copy = parts.scratch.with_name(f"{name}.download")
    whole = parts.scratch.with_name(f"{name}.copy.{extension}")
    _fetch_or_refuse(name, address, copy, parts.limits)
    try:
        copy.replace(whole)
        return land_bytes(whole, extension, parts, name, alone=True)
    finally:
        whole.unlink(missing_ok=True)
        _etag_file(copy).unlink(missing_ok=True)


def _fetch_or_refuse(name: str, address: Address, copy: Path, limits: Limits) -> None:
    """Fetch; what is refused leaves nothing, what broke off stays to be resumed."""
    try:
        fetch(name, address, copy, limits)
    except (Transient, KeyboardInterrupt):
        raise
    except BaseException:
        copy.unlink(missing_ok=True)
        _etag_file(copy).unlink(missing_ok=True)
        raise


def fetch(name: str, address: Address, copy: Path, limits: Limits) -> None:
    """Download the whole file into ``copy``, resuming an earlier download of the same version."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    headers = {"Accept-Encoding": "identity"} | _resume_headers(copy, address)
    if address.secret:
        headers["Authorization"] = f"Bearer {address.secret}"
    try:
        with opened(name, address.url, headers, TIMEOUT_SECONDS) as answer:
            _refuse_status(name, answer)
            _receive(name, address, answer, copy, limits)
    except httpx.TransportError as error:
        why = str(error) or type(error).__name__
        raise Transient(f"{name}: the address cannot be reached or broke off: {why}") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise UserError(f"{name}: not an address that can be fetched ({type(error).__name__})") from None


def _etag_file(copy: Path) -> Path:
    return copy.with_suffix(".version")


def _resume_headers(copy: Path, address: Address) -> dict[str, str]:
    """The headers that ask for the rest of an interrupted download."""
    if not (copy.exists() and copy.stat().st_size and _etag_file(copy).exists()):
        return {}
    version = read_json(_etag_file(copy))
    if version["address"] != _fingerprint(address):
        return {}
    return {"Range": f"bytes={copy.stat().st_size}-", "If-Range": version["etag"]}


def _fingerprint(address: Address) -> str:
    return hashlib.sha256(address.url.encode()).hexdigest()


def _refuse_status(name: str, answer: httpx.Response) -> None:
    code = answer.status_code
    status = f"{name}: the server answered {code} {answer.reason_phrase}"
    if code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise UserError(f"{status}: name a secret that may read it")
    if code in _TRANSIENT_STATUSES:
        raise Transient(f"{status}: try again later")
    if code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
        raise UserError(f"{status}: check the address")
    if answer.headers.get("content-type", "").startswith("text/html"):
        raise UserError(
            f"{name}: the server answered with a web page, not with data: check whether it asks for a login"
        )


def _receive(name: str, address: Address, answer: httpx.Response, copy: Path, limits: Limits) -> None:
    """Write the answer to ``copy``: appended where it is the rest of the file, from the start otherwise."""
    size = copy.stat().st_size if copy.exists() else 0
    if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        if answer.headers.get("content-range") == f"bytes */{size}":
            return
        _etag_file(copy).unlink(missing_ok=True)
        raise Transient(f"{name}: the partial file of an earlier download is outdated: it starts again")
    rest = answer.status_code == HTTPStatus.PARTIAL_CONTENT
    if rest and not re.match(rf"bytes {size}-", answer.headers.get("content-range", "")):
        raise UserError(f"{name}: the server sent another range of bytes than it was asked for")
    _etag_file(copy).unlink(missing_ok=True)
    etag = answer.headers.get("etag", "")
    with copy.open("ab" if rest else "wb") as target:
        if etag.startswith('"') and "content-encoding" not in answer.headers:  # W/"…" promises no equal bytes
            write_json({"address": _fingerprint(address), "etag": etag}, _etag_file(copy))
        length = int(answer.headers.get("content-length", 0)) or None
        with tqdm(total=length, desc=name, unit="B", unit_scale=True, delay=1, disable=None) as bar:
            for chunk in answer.iter_bytes():  # of any size: all that arrived is there to resume from
                limits.spend_bytes(len(chunk))
                refuse_bomb(target.tell() + len(chunk) - size * rest, answer.num_bytes_downloaded, Path(name))
                target.write(chunk)
                bar.update(len(chunk))
