"""Prefect's start-up hook: every process that imports Prefect logs in to our server, if that is the one it is to use.

``pyproject.toml`` declares it as a plugin of Prefect's, and the profile that ``driftline serve`` writes turns it on. So
``prefect`` and its workers work as with any server, and hold no secret before the server has proved itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

from prefect.plugins import HookContext, SetupResult, register_hook

import driftline_login

SETTINGS_ALONE = ("profile", "config", "version", "--version", "--help", "plugins")
"""Commands of ``prefect`` that must work whoever holds the port: one of them is the way out."""


@register_hook
def setup_environment(*, ctx: HookContext) -> SetupResult | None:
    """What Prefect adds to the environment before anything else. SystemExit: another program holds the port."""
    if "flows" in sys.modules or ctx.api_url is None:  # our own commands log in by themselves
        return None
    try:
        found = driftline_login.look(ctx.api_url)
    except driftline_login.Impostor as impostor:
        by_name = Path(sys.argv[0]).name == "prefect" or sys.orig_argv[1:3] == ["-m", "prefect"]
        if by_name and sys.argv[1:2] and sys.argv[1] in SETTINGS_ALONE:
            return None
        raise SystemExit(f"error: {impostor}") from None
    return SetupResult(found.environment) if found.environment else None
