"""Write ``environment.json``: the locked versions that decide results, so that a change of them makes stages stale.

Run it after the lock has changed: ``driftline environment`` (``make lock`` does).
"""

from __future__ import annotations

from pathlib import Path

from tasks.core.errors import UserError
from tasks.core.files import write_json
from tasks.core.paths import ENVIRONMENT
from tasks.modelling.checkpoints.versions import DECISIVE

LOCK = Path("requirements.lock")


def pins(lock: str) -> dict[str, str]:
    """The versions that a lock file's text pins, by name."""
    return dict(line.split("==") for line in lock.splitlines() if "==" in line)


def decisive_versions(lock: str) -> dict[str, str]:
    """Those of the packages that decide a model's bytes."""
    found = pins(lock)
    return {name: found[name] for name in DECISIVE if name in found}


def write() -> None:
    """Read the lock, write the file."""
    if not LOCK.exists():
        raise UserError(f"{LOCK} does not exist: run this from the top of the repository")
    write_json(decisive_versions(LOCK.read_text(encoding="utf-8")), ENVIRONMENT)
