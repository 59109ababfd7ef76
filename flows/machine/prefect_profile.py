"""Prefect's profile ``driftline``: with it, ``prefect`` and its workers use our server.

It holds the server's address and turns on our start-up hook, which logs in (``driftline_prefect.py``): no secret.
"""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from typing import Any
from urllib.parse import urlsplit

import driftline_login

NAME = "driftline"
HOOKS = "prefect.plugins"


def write(api: str) -> list[str]:
    """Write the profile, and make it the active one unless that names another server: what to tell a person."""
    from prefect.settings import PREFECT_API_URL, Profile, get_current_settings, load_profiles, save_profiles
    from prefect.settings.constants import DEFAULT_PROFILES_PATH

    profiles, file = load_profiles(), get_current_settings().profiles_path
    active = profiles.active_profile
    switch = active is None or active.name == NAME or _allows(active.settings.get(PREFECT_API_URL), api)
    own = dict(active.settings) if active and switch and active.source != DEFAULT_PROFILES_PATH else {}
    settings: Any = {**own, PREFECT_API_URL: api, **driftline_login.HOOK}
    if NAME in profiles.names:
        profiles.remove_profile(NAME)
    profiles.add_profile(Profile(name=NAME, settings=settings, source=file))
    if switch:
        profiles.set_active(NAME)
    save_profiles(profiles)
    return _told(switch and os.environ.get("PREFECT_PROFILE", NAME) == NAME)


def _allows(address: str | None, api: str) -> bool:
    """Whether a profile that names this address, or none, may give way to ours."""
    if not address:
        return True
    theirs = urlsplit(address)
    return driftline_login.on_loopback(theirs) and theirs.port == urlsplit(api).port


def _told(active: bool) -> list[str]:
    if not any(hook.name == NAME for hook in entry_points(group=HOOKS)):
        return ["`prefect` and workers of this environment cannot log in yet: run `make setup` once"]
    if active:
        return [f"`prefect` and workers of this user log in by themselves (Prefect's profile {NAME})"]
    return [f"for `prefect` and workers to use this server: prefect profile use {NAME}"]
