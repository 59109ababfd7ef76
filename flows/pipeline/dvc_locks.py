"""DVC's list of who reads and writes which files, ``.dvc/tmp/rwlock``, made usable again after a full disk or a kill.

DVC refuses to run while the list is cut off, or names a process whose number another process has by now.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.core.files import replacing

log = logging.getLogger(__name__)
LIST = Path(".dvc/tmp/rwlock")
STARTED_BY = ("dvc", "driftline", "flows", "prefect")  # of these, one is in the command line of whoever uses DVC


def clear_stale(top: Path = Path()) -> None:
    """Take out of the list what no living process can have written; delete it where it cannot be read."""
    file = top / LIST
    listed = _read(file)
    if listed == {} or (listed is not None and not any(map(_stale, _entries(listed)))):
        return
    from dvc.lock import make_lock

    with make_lock(str(file.with_name("rwlock.lock")), tmp_dir=str(file.parent)):
        listed = _read(file)  # by now another process may have written it
        if listed is None:
            file.unlink(missing_ok=True)
            log.warning(f"{file} was cut off, by a full disk or a kill, and is deleted: nobody used DVC here")
            return
        with replacing(file) as part:
            part.write_text(json.dumps(_without_stale(listed)), encoding="utf-8")
        log.warning(f"{file} named processes that have ended: they are taken out")


def _read(file: Path) -> dict[str, Any] | None:
    """The list; empty where there is none, None where it cannot be read."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        [int(entry["pid"]) for entry in _entries(found)]
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return dict(found)


def _entries(listed: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from listed.get("write", {}).values()
    for entries in listed.get("read", {}).values():
        yield from entries


def _stale(entry: dict[str, Any]) -> bool:
    """Whether the process is gone, or another one has its number."""
    import psutil

    try:
        process = psutil.Process(int(entry["pid"]))
        words = " ".join(process.cmdline())
        return process.status() == psutil.STATUS_ZOMBIE or not any(name in words for name in STARTED_BY)
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def _without_stale(listed: dict[str, Any]) -> dict[str, Any]:
    write = {path: entry for path, entry in listed.get("write", {}).items() if not _stale(entry)}
    read = {path: [entry for entry in each if not _stale(entry)] for path, each in listed.get("read", {}).items()}
    return {"write": write, "read": {path: each for path, each in read.items() if each}}
