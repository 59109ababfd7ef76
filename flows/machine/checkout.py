"""Which checkout this is: a random id in git's own folder, ``.git/driftline/checkout.json``.

It goes where the folder goes, and neither ``git clone`` nor ``git worktree`` copies it. So a checkout that is moved
keeps its home folder, labels and deployments, and two checkouts never share them. ``cp -r`` does copy it: the copy is
known by its path, and refused until a person says which of the two is which.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import tempfile
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flows.errors import Copied, GitFailed
from flows.machine.git import git
from tasks.core.errors import UserError
from tasks.core.files import replacing

log = logging.getLogger(__name__)

FOLDER, NAME = "driftline", "checkout.json"


class Checkout(BaseModel):
    """One checkout of a repository on one machine."""

    model_config = ConfigDict(frozen=True, strict=True)

    id: str = Field(pattern=r"^[0-9a-f]{8}$")
    called: str = Field(pattern=r"^[\w.-]+$")
    """The name of its folder when it was first seen."""
    path: str
    """Where it was seen last."""
    earlier: list[str] = []
    """Where it was before."""


def named(text: str) -> str:
    """The text as a name that Prefect, git, a file system and a shell take."""
    return re.sub(r"[^\w.-]+|\.{2,}", "-", text).strip("-.") or "repository"


def project(folder: Path) -> str:
    """Of a folder of a larger repository its path there, as references and tags may hold it; empty at the top."""
    return "/".join(map(named, Path(git(folder, "rev-parse", "--show-prefix")).parts))


def of(origin: Path) -> Checkout:
    """The checkout at a path, which gets its id when it is first asked for.

    Raises Copied for a copy of another checkout, UserError where its file cannot be read or written.
    """
    file = file_of(origin)
    found = _read(file) or _create(file, origin)
    if found.path == str(origin):
        return found
    if other := original(origin):
        raise Copied(origin, other)
    log.info(f"{found.path} is now {origin}: its labels, deployments and position stay with it")
    return write(origin, found.model_copy(update={"path": str(origin), "earlier": [*found.earlier, found.path]}))


def file_of(origin: Path) -> Path:
    """Where its id lies: each worktree, submodule and subfolder that is a project has one of its own."""
    folder, *prefix = git(origin, "rev-parse", "--absolute-git-dir", "--show-prefix").split("\n")
    return Path(folder, FOLDER, *prefix, NAME)


def original(origin: Path) -> Path | None:
    """The checkout that this one is a copy of: its id is in use where it was seen last; None where it is no copy.

    A checkout that is seen by two paths, as in a container, is no copy of itself.
    """
    file = file_of(origin)
    found = _read(file)
    if found is None or found.path == str(origin):
        return None
    other = Path(found.path)
    return other if is_at(found, other) and not file_of(other).samefile(file) else None


def is_at(known: Checkout, place: Path) -> bool:
    """Whether that checkout, or a copy of it, lies at the place."""
    try:
        found = _read(file_of(place))
    except (GitFailed, OSError):
        return False
    return found is not None and found.id == known.id


def make_new(origin: Path) -> None:
    """Give a copy an id of its own, when it is next asked for."""
    file_of(origin).unlink(missing_ok=True)


def take_over(origin: Path) -> None:
    """Let a copy be what the checkout it was made from has been; that one gets a new id when it is used again."""
    if other := original(origin):
        file_of(other).unlink()


def _create(file: Path, origin: Path) -> Checkout:
    made = Checkout(id=secrets.token_hex(4), called=named(origin.name), path=str(origin))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, encoding="utf-8") as part:
            part.write(made.model_dump_json(indent=1))
            part.flush()
            os.link(part.name, file)  # whole, and only where no other process was first
    except FileExistsError:
        return _read(file) or made
    except PermissionError as error:
        raise UserError(f"{error.filename} cannot be written: run this as the owner of {origin}") from None
    return made


def write(origin: Path, checkout: Checkout) -> Checkout:
    """Let the checkout at a path be this one."""
    file = file_of(origin)
    try:
        with replacing(file) as part:
            part.write_text(checkout.model_dump_json(indent=1), encoding="utf-8")
    except PermissionError:
        raise UserError(f"{file} cannot be written: run this as the owner of {origin}") from None
    return checkout


def _read(file: Path) -> Checkout | None:
    try:
        return Checkout.model_validate_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValidationError, UnicodeDecodeError):
        raise UserError(f"{file} is damaged: restore it from a backup, or delete it to begin without labels") from None
