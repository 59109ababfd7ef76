"""Land the objects of an S3-compatible store: one object, all below a prefix, or those that match a glob.

``s3://bucket/mails/`` or ``s3://bucket/mails/*.csv``; ``endpoint`` names a store that is not Amazon's. The keys are
what ``secret`` holds (``KEY:SECRET``), or what boto finds (``AWS_ACCESS_KEY_ID``, ``~/.aws``). An object that the store
lists as it did when it landed is not read again; with ``full`` every one is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from glob import has_magic
from pathlib import Path
from typing import Any

from tasks.core.errors import UserError
from tasks.core.extras import require_extra
from tasks.land import Address, Source, Transient, objects
from tasks.land.files import format_of, land_each
from tasks.land.limits import Limits
from tasks.land.parts import Parts


def land_store(name: str, source: Source, address: Address, parts: Parts, full: bool = False) -> list[str]:
    """Land what is new among the objects, in name order. Returns notes for the user."""
    require_extra("s3fs", "s3")
    with _explained(name, address):
        store = _connect(source, address)
        found = _matching(name, store, address.url)
    before = {} if full else objects.landed_before(parts)
    known = {key: one for key, one in found.items() if before.get(key) == one}
    limits = parts.limits
    copies = [(key, partial(_copy_unchanged, name, store, address, key, limits)) for key in found if key not in known]
    alone = [*found] == [address.url.removeprefix("s3://")]
    try:
        return land_each(name, copies, parts, alone, done=lambda key: known.update({key: found[key]}))
    finally:
        objects.record(parts, known)


def _connect(source: Source, address: Address) -> Any:
    import s3fs

    key, _, secret = (address.secret or "").partition(":")
    return s3fs.S3FileSystem(
        key=key or None, secret=secret or None, endpoint_url=source.endpoint, skip_instance_cache=True
    )


def _matching(name: str, store: Any, url: str) -> objects.Listed:
    """The objects in name order; those whose name begins with a dot, or with _ as Spark's marks do, hold no data."""
    path = url.removeprefix("s3://")
    found = objects.listed(store.glob(path, detail=True) if has_magic(path) else store.find(path, detail=True))
    keys = sorted(key for key in found if not key.endswith("/") and key.rpartition("/")[2][:1] not in "._")
    if not keys:
        raise UserError(f"{name}: no object matches {url}")
    for key in keys:  # all of them are checked before the first one lands
        format_of(key.rpartition("/")[2], name)
    return {key: found[key] for key in keys}


def _copy_unchanged(name: str, store: Any, address: Address, key: str, limits: Limits, copy: Path) -> None:
    """Fetch an object; UserError where it changed meanwhile."""
    with _explained(name, address):
        before = _version(store, key)
        Limits(name, limits.most, limits.bytes).spend_bytes(before[1])  # refused before any of it is fetched
        store.get_file(key, str(copy), callback=_Counting(limits), max_concurrency=1)
        after = _version(store, key)
    if after != before or copy.stat().st_size != before[1]:
        raise UserError(f"{name}: {key} changed while it was read: land it again when it is complete")


class _Counting:
    """What s3fs tells of a download: a store may send more than it says that an object has."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def set_size(self, _: int) -> None:
        """What the store says."""

    def relative_update(self, count: int) -> None:
        """Bytes that came."""
        self.limits.spend_bytes(count)


def _version(store: Any, key: str) -> tuple[str, int]:
    found = store.info(key, refresh=True)
    return str(found["ETag"]), int(found["size"])


@contextmanager
def _explained(name: str, address: Address) -> Iterator[None]:
    """Errors of the store as one sentence: what a retry can help as Transient."""
    from botocore.exceptions import BotoCoreError, NoCredentialsError

    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{name}: there is no {address.url}: check the bucket and the prefix") from None
    except (PermissionError, NoCredentialsError):
        raise UserError(
            f"{name}: the store refuses to show {address.url}: name a secret (KEY:SECRET) or set AWS_ACCESS_KEY_ID"
        ) from None
    except (BotoCoreError, TimeoutError, ConnectionError) as error:
        raise Transient(f"{name}: the store cannot be reached: {error}") from None
