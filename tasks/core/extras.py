"""Packages that only some teams need: extras of pyproject.toml."""

from __future__ import annotations

from importlib.util import find_spec

from tasks.core.errors import UserError


def has_package(module: str) -> bool:
    """Whether a module is installed; it is not imported."""
    return find_spec(module) is not None


def require_extra(module: str, extra: str) -> None:
    """UserError with the command that installs the extra, where its module is not installed."""
    if not has_package(module):
        raise UserError(f"{module} is not installed: run `pip install -c requirements.lock -e '.[{extra}]'`")
