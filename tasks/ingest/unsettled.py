"""A refusal that one key of ``ingest`` settles, with the value that the data propose."""

from __future__ import annotations

from typing import Any

from tasks.core.errors import UserError


class Unsettled(UserError):
    """What the data leave open; ``keys`` are those of ``ingest`` that would settle it as the message proposes."""

    def __init__(self, message: str, **keys: Any) -> None:
        super().__init__(message)
        self.keys = keys
