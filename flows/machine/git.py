"""git, as the flows need it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from flows.errors import GitFailed
from tasks.core.errors import UserError

PROTOCOLS = "file:git:http:https:ssh"
"""How git may reach a remote: none of these runs a command that the address names, as ext:: does."""
NAME, EMAIL = "Driftline", "driftline@localhost"


def git(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Run git in ``folder``: what it printed, without the last newline. Raises GitFailed."""
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env={"GIT_ALLOW_PROTOCOL": PROTOCOLS, **os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise GitFailed(f"git {' '.join(arguments)} in {folder}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.rstrip("\n")


def typed(value: str, what: str) -> str:
    """The value of an option or a parameter that git is to take for a name; UserError where it would run something."""
    if value.startswith("-"):
        raise UserError(f"{what}: {value!r} begins with -, which git would take for an option: give a name")
    if "::" in value or any(ord(sign) < 32 for sign in value):
        raise UserError(f"{what}: {value!r} is not the name of a remote, branch, tag or commit, nor an address")
    return value


def succeeds(folder: Path, *arguments: str) -> bool:
    """Whether a git command that asks something answers yes."""
    try:
        git(folder, *arguments)
    except GitFailed:
        return False
    return True


def identity(folder: Path) -> dict[str, str]:
    """Who commits a record: whoever git knows here, else Driftline; a service account often has no identity."""
    if succeeds(folder, "var", "GIT_COMMITTER_IDENT") and succeeds(folder, "config", "user.email"):
        return {}
    known = {f"GIT_{who}_{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {name: NAME if name.endswith("NAME") else EMAIL for name in known if name not in os.environ}
