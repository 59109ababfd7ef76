"""The champion and those before it, as GTO's tags tell it.

A version is a commit, and the champion is the one that was assigned to the stage last.

GTO orders tags by whole seconds and takes an old version back only when forced; both are seen to here.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import gto.api

from flows.champion.manifest import artifact
from flows.machine.git import EMAIL, NAME, identity
from flows.runs.run_record import Version
from tasks.core.errors import UserError

STAGE = "production"


@dataclass(frozen=True)
class Event:
    """What a tag says: that a version was registered, or took the stage."""

    moment: datetime
    what: str
    """``registration``, ``assignment``, and what else GTO knows."""
    version: Version
    stage: str | None
    tag: str
    message: str


def history(repository: Path) -> list[Event]:
    """All events, oldest first."""
    return [
        Event(
            event["timestamp"],
            event["event"],
            Version(name=event["version"], commit=event["commit"]),
            event["stage"],
            event["ref"],
            event["message"],
        )
        for event in gto.api.history(str(repository), artifact=artifact(repository), ascending=True)
        if event["version"]
    ]


def champion(repository: Path) -> Version | None:
    """The version that production uses, as GTO resolves it; None when there never was one."""
    if not versions(repository):
        return None
    # not find_versions_in_stage: that takes the highest version for the newest
    found = gto.api.show(str(repository), f"{artifact(repository)}#{STAGE}")
    return Version(name=found[0]["version"], commit=found[0]["commit_hexsha"]) if found else None


def versions(repository: Path) -> list[Version]:
    """All that were registered, oldest first."""
    return [event.version for event in history(repository) if event.what == "registration"]


def champions(repository: Path) -> list[Version]:
    """The champions, each after the one it replaced; taking an old one back forgets those that came after it."""
    line: list[Version] = []
    for event in history(repository):
        if event.what == "assignment" and event.stage == STAGE:
            line = line[: line.index(event.version)] if event.version in line else line
            line.append(event.version)
    return line


def predecessor(repository: Path) -> Version:
    """The champion before this one. UserError where there is none."""
    line = champions(repository)
    if len(line) < 2:
        raise UserError("no champion came before this one; name the version to take, from `driftline history`")
    return line[-2]


def find(repository: Path, name: str) -> Version:
    """The version of that name. UserError where there is none."""
    known = versions(repository)
    for version in known:
        if version.name == name:
            return version
    raise UserError(f"no version {name!r} is registered; these are: {', '.join(v.name for v in known) or 'none'}")


def set_champion(repository: Path, commit: str, message: str) -> tuple[Version, list[str]]:
    """Register the commit, where it is not yet, and make it the champion: its version, and the tags this made.

    The message stands in each of them.
    """
    git_knows = not identity(repository)
    by = {"author": None if git_knows else NAME, "author_email": None if git_knows else EMAIL}
    made = []
    if commit not in {version.commit for version in versions(repository)}:
        made.append(gto.api.register(str(repository), artifact(repository), commit, message=message, **by).tag)
    version = next(v for v in versions(repository) if v.commit == commit)
    _let_a_second_pass(repository)
    assigned = gto.api.assign(
        str(repository), artifact(repository), STAGE, version=version.name, message=message, force=True, **by
    )
    return version, [*made, assigned.tag]


def _let_a_second_pass(repository: Path) -> None:
    newest = max((event.moment for event in history(repository) if event.what == "assignment"), default=None)
    while newest and newest.timestamp() >= int(time.time()):
        time.sleep(0.1)
