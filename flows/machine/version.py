"""Driftline's version, which ``pyproject.toml`` alone states."""

from __future__ import annotations

import tomllib
from pathlib import Path

TOP = Path(__file__).parents[2]
"""The checkout whose code runs."""


def version(folder: Path = TOP) -> str:
    """The version of the checkout in ``folder``."""
    return version_in((folder / "pyproject.toml").read_text(encoding="utf-8"))


def version_in(pyproject: str) -> str:
    """The version that the text of a ``pyproject.toml`` states."""
    return str(tomllib.loads(pyproject)["project"]["version"])
