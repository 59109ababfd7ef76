"""The one error a user is meant to read."""

from typing import ClassVar


class UserError(Exception):
    """Input or configuration that cannot be used: says what, where and what to do. Shown without a traceback."""

    exit_code: ClassVar[int] = 2
    """Of the command that it ends: refused."""
