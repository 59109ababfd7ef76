"""git, as the flows need it: it never asks anybody, never waits for ever, and its own words are shown."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from flows.errors import GitFailed
from tasks.core.errors import UserError

PROTOCOLS = "file:git:http:https:ssh"
"""How git may reach a remote: none of these runs a command that the address names, as ext:: does."""
NAME, EMAIL = "Driftline", "driftline@localhost"
ASKS_NOBODY = {"GIT_TERMINAL_PROMPT": "0", "SSH_ASKPASS": "", "SSH_ASKPASS_REQUIRE": "never"}
"""Nobody is there to type a password, and whoever waits for one holds the repository's lock. ``GIT_ASKPASS`` stays: a
deployment names a program there that answers with a token."""
SECONDS = 1800.0
"""A remote that is silent for so long does not answer."""
NOT_TRUSTED = re.compile(r"safe\.directory (.+)")
"""What git advises, in every language, about a repository of another user."""
FULL = "No space left on device"
WOULD_ASK = re.compile(r"terminal prompts disabled|Permission denied \(|Host key verification failed")


def git(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None, seconds: float = SECONDS) -> str:
    """Run git in ``folder``: what it printed, without the last newline.

    Raises GitFailed, also after ``seconds``; UserError where git is not installed, or refuses a repository of another
    user.
    """
    code, out, err = _run(["git", "-C", str(folder), *arguments], environment or {}, seconds)
    if distrusted := NOT_TRUSTED.search(err) if code else None:
        raise UserError(
            f"{folder} belongs to another user, and git reads it only after `git config --global --add safe.directory "
            f"{distrusted[1].strip()}`, run by the user who runs this"
        )
    if code:
        hint = " (nobody is asked here: set up a key or a credential helper)" if WOULD_ASK.search(err) else ""
        hint = " (free some space there, `driftline prune` does, then run again)" if FULL in err else hint
        raise GitFailed(f"git {' '.join(arguments)} in {folder}: {err.strip() or out.strip()}{hint}")
    return out.rstrip("\n")


def _run(command: list[str], environment: Mapping[str, str], seconds: float) -> tuple[int, str, str]:
    """Exit code and output. In a session of its own: ssh finds no terminal to ask on, and can be ended with git."""
    around = {"GIT_ALLOW_PROTOCOL": PROTOCOLS, "GIT_ASKPASS": "", **os.environ, **ASKS_NOBODY, **environment}
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=around,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise UserError("git is not installed, or not on PATH: install it") from None
    with process:
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return 1, "", f"it did not end within {seconds:g} s and was stopped"
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
    return process.returncode, out, err


def address(folder: Path, remote: str, what: str) -> str:
    """Where the repository pushes to under the name of a remote. UserError: it has none of that name."""
    known = git(folder, "remote").splitlines()
    if typed(remote, what) not in known:
        raise UserError(
            f"{what}: {folder} has no git remote {remote}; it has {', '.join(known) or 'none'}: name one, or add it "
            f"with `git remote add {remote} ADDRESS`"
        )
    return git(folder, "remote", "get-url", "--push", remote)


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
