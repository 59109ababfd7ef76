"""Whether a part of a landing holds the bytes that were landed: its name says their hash."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tasks.core.errors import UserError
from tasks.core.files import sha256_of
from tasks.ingest.repeated import landing_of

_NAME = re.compile(r"\d{6,}-([0-9a-f]{16})\.")


def refuse_changed(file: Path) -> None:
    """UserError where a part's bytes are not those of its name; any other file passes."""
    named = _NAME.match(file.name) if landing_of(file.as_posix()) else None
    if named and sha256_of(file)[:16] != named[1]:
        os.utime(file)  # DVC hashes it again, whatever its time and size say
        raise UserError(
            f"{file} is not what was landed: its bytes have changed: run `dvc checkout --force {file.parent}` to bring "
            "them back"
        )
