"""Retire a landed part: it stays, with the reason, and ``ingest`` reads on without it."""

from __future__ import annotations

from pathlib import Path

from tasks.core.errors import UserError
from tasks.core.files import write_json
from tasks.dataset.layout import LANDING
from tasks.ingest.retired import SUFFIX, retired_parts
from tasks.land.parts import Parts, locked
from tasks.land.tracked import restore


def retire(part: str, reason: str) -> Path:
    """Retire a part, named by its path or as ``<landing>/<sequence>``. Returns the landing's folder."""
    if not reason.strip():
        raise UserError("--reason: say in a few words why the part is wrong")
    given = Path(part)
    folder = LANDING / given.parent.name
    if not given.parent.name or not (folder.exists() or folder.with_name(f"{folder.name}.dvc").exists()):
        raise UserError(f"--retire: {part} is not in a landing: name a part such as {LANDING}/tickets/000002-….csv")
    with locked(folder):
        restore(folder)
        parts = Parts(folder)
        found = _part(parts, given.name, part)
        record = parts.scratch.with_name(f"{folder.name}{SUFFIX}")
        write_json({"part": found.name, "reason": reason.strip()}, record)
        parts.add_file(record, SUFFIX.removeprefix("."))
    return folder


def _part(parts: Parts, name: str, given: str) -> Path:
    """The one part of this name, or whose name begins so."""
    found = [file for file in parts.data if file.name.startswith(name)]
    if len(found) != 1:
        raise UserError(f"--retire: {given} names {len(found)} parts of {parts.folder}: name one, by its six digits")
    if reason := retired_parts(parts.files).get(found[0]):
        raise UserError(f"--retire: {found[0]} is retired already: {reason}")
    return found[0]
