"""Read ``landing.yaml``: a mapping from a source's name to what it is, as strictly as ``params.yaml`` is read."""

from __future__ import annotations

import re
from pathlib import Path

from tasks.core.errors import UserError
from tasks.core.params import parse
from tasks.core.yaml_files import read_yaml
from tasks.land import LANDING_FILE, Source

EXAMPLE = """\
tickets:
  source: postgresql://reader@db.example.com/crm   # no password in here: it is in DRIFTLINE_SECRET_CRM_PASSWORD
  secret: CRM_PASSWORD
  query: SELECT id, body AS text, queue AS label, created_at FROM tickets
  cursor: id"""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def read_landing_file(file: Path = LANDING_FILE) -> dict[str, Source]:
    """Every source by its name. UserError: the key and line of a fault; values that may be secret are not shown."""
    try:
        entries = read_yaml(file, quoted=False)  # a line may hold a secret
    except FileNotFoundError:
        raise UserError(f"{file} does not exist: write one at the top of the repository, such as\n{EXAMPLE}") from None
    if not entries:
        raise UserError(f"{file} names no source: write one, such as\n{EXAMPLE}")
    if not isinstance(entries, dict):
        raise UserError(f"{file} must hold a mapping from names to sources, such as\n{EXAMPLE}")
    for name in entries:
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise UserError(f"{file}: {name!r} cannot be a name: take small letters, digits, - and _")
        if not isinstance(entries[name], dict):
            raise UserError(f"{file}: {name} must be a mapping, such as\n{EXAMPLE}")
    return {name: parse(Source, entry, name, file) for name, entry in entries.items()}
