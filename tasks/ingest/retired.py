"""Landed parts that were retired: they stay where they are, and ``ingest`` reads on without them.

``driftline land --retire PART --reason TEXT`` adds a part ``<sequence>-<hash>.retired`` to the landing, JSON that names
the part and the reason, so that DVC tracks it and a record of a run holds it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tasks.core.errors import UserError

SUFFIX = ".retired"


def retired_parts(files: Iterable[Path]) -> dict[Path, str]:
    """The reason by part, from the records of retirement among the files."""
    found = {}
    for file in files:
        if file.suffix == SUFFIX:
            try:
                record = json.loads(file.read_text(encoding="utf-8"))
                found[file.with_name(record["part"])] = str(record["reason"])
            except (ValueError, KeyError, TypeError):
                raise UserError(f"{file} is no record of a retired part: restore it with `dvc checkout`") from None
    return found


def without_retired(files: list[Path]) -> list[Path]:
    """The files that are read: neither records of retirement nor the parts that they name."""
    retired = retired_parts(files)
    return [file for file in files if file.suffix != SUFFIX and file not in retired] if retired else files
