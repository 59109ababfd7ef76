"""Which objects of a store have landed, by the store's own listing: those whose ETag and size are the same are skipped.

The record lies beside the parts, so that a clone has it too. It only saves reading: what is a part, the hash of its
bytes decides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tasks.core.errors import UserError
from tasks.core.files import write_json
from tasks.land.parts import OBJECTS, Parts

Listed = Mapping[str, tuple[str, int]]
"""By key, an object's ETag and size in bytes."""


def listed(found: Mapping[str, Mapping[str, Any]]) -> Listed:
    """The store's answer to a listing."""
    return {key: (str(one["ETag"]), int(one["size"])) for key, one in found.items()}


def landed_before(parts: Parts) -> Listed:
    """The objects that are in the parts, as they were listed; none where no record lies there."""
    path = parts.folder / OBJECTS
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return {key: (str(etag), int(size)) for key, (etag, size) in found.items()}
    except (ValueError, TypeError, AttributeError):
        raise UserError(f"{path} is no record of objects: remove it, and every object is read once more") from None


def record(parts: Parts, known: Listed) -> None:
    """Write the record, atomically; not where nothing would land, or nothing has."""
    if parts.dry or not parts.files or known == landed_before(parts):
        return
    scratch = parts.scratch.with_name(f"{parts.scratch.name}{OBJECTS}")
    write_json({key: list(one) for key, one in sorted(known.items())}, scratch)
    scratch.replace(parts.folder / OBJECTS)
