"""The one error a user is meant to read."""


class UserError(Exception):
    """Input or configuration that cannot be used: says what, where and what to do. Shown without a traceback."""
